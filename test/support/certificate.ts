/** A self-signed certificate, for 127.0.0.1 and localhost unless told otherwise, written by hand in DER (RFC 5280), so that no tool has to be on the machine. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

const length = (size: number): Buffer => {
  if (size < 0x80) return Buffer.from([size])
  const bytes = size < 0x100 ? [size] : [size >> 8, size & 0xff]
  return Buffer.from([0x80 | bytes.length, ...bytes])
}

const item = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag]), length(content.length), content])
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => item(0x30, ...parts)
const identifier = (hex: string): Buffer => item(0x06, Buffer.from(hex, 'hex'))
const time = (date: Date): Buffer => item(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`))
const octets = (content: Uint8Array): Buffer => item(0x04, content)

const ecdsaWithSha256 = sequence(identifier('2a8648ce3d040302'))
const name = sequence(item(0x31, sequence(identifier('550403'), item(0x0c, Buffer.from('localhost')))))
const mayCertify = sequence(item(0x01, Buffer.from([0xff])))

/** Whom a certificate is for. */
interface Named {
  readonly host: string
  /** IPv4. */
  readonly address: string
}

const here: Named = { host: 'localhost', address: '127.0.0.1' }

const extensionsFor = ({ host, address }: Named): Buffer => {
  const alternatives = sequence(item(0x82, Buffer.from(host)), item(0x87, Buffer.from(address.split('.').map(Number))))
  return item(
    0xa3,
    sequence(
      sequence(identifier('551d11'), octets(alternatives)),
      sequence(identifier('551d13'), item(0x01, Buffer.from([0xff])), octets(mayCertify)),
    ),
  )
}

const pem = (label: string, der: Buffer): string =>
  `-----BEGIN ${label}-----\n${der.toString('base64').replace(/.{64}/g, '$&\n').trim()}\n-----END ${label}-----\n`

export interface Certificate {
  readonly cert: Buffer
  readonly key: Buffer
}

const certify = (publicKey: KeyObject, privateKey: KeyObject, from: Date, until: Date, named: Named): string => {
  const content = sequence(
    item(0xa0, item(0x02, Buffer.from([2]))),
    item(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    name,
    sequence(time(from), time(until)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    extensionsFor(named),
  )
  const signature = sign('sha256', content, privateKey)
  return pem('CERTIFICATE', sequence(content, ecdsaWithSha256, item(0x03, Buffer.from([0]), signature)))
}

export const selfSigned = (
  from = new Date(Date.now() - 86_400_000),
  until = new Date(Date.now() + 86_400_000),
  named: Named = here,
): Certificate => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    cert: Buffer.from(certify(publicKey, privateKey, from, until, named)),
    key: Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  }
}
