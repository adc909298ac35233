import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { parseAuthorities } from './authorities.ts'
import { type Clock, systemClock } from './clock.ts'
import type { TlsFiles } from './config.ts'
import { StartError } from './start-error.ts'

/** Certificate chain and private key, PEM, checked to fit together. */
export interface TlsMaterial {
  readonly cert: Buffer
  readonly key: Buffer
  /** Authorities of client certificates, PEM; undefined: clients need none. */
  readonly clientCa?: Buffer
}

/** What a handshake asks of clients; fixed for the life of a server. */
export const handshakeOf = ({ clientCa }: TlsMaterial) => ({
  requestCert: clientCa !== undefined,
  rejectUnauthorized: clientCa !== undefined,
})

/** What a server shows and trusts, for `setSecureContext`, which forgets what it is not told again. */
export const contextOf = ({ cert, key, clientCa }: TlsMaterial): SecureContextOptions => ({
  cert,
  key,
  ...(clientCa === undefined ? {} : { ca: clientCa }),
  minVersion: 'TLSv1.2',
})

const read = async (what: string, path: string): Promise<Buffer> => {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new StartError(`The TLS ${what} ${path} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? 'unknown reason'}.`, { cause })
  }
}

const parse = <Parsed>(what: string, path: string, run: () => Parsed): Parsed => {
  try {
    return run()
  } catch (cause) {
    throw new StartError(`The TLS ${what} ${path} is not a PEM ${what} this service can use.`, { cause })
  }
}

const readClientCa = async (path: string, now: number): Promise<Buffer> => {
  const pem = await read('client authorities', path)
  const authorities = parse('client authorities', path, () => parseAuthorities(pem))
  if (authorities.length === 0) throw new StartError(`The TLS client authorities ${path} hold no PEM certificate.`)
  if (authorities.every(({ validTo }) => now >= Date.parse(validTo)))
    throw new StartError(`The TLS client authorities ${path} have all expired.`)
  return pem
}

/**
 * Reads the files. Throws StartError when one is missing, not PEM, encrypted, expired, not yet valid, or when certificate and key do not
 * belong together.
 */
export const readTls = async ({ certFile, keyFile, clientCaFile }: TlsFiles, clock: Clock = systemClock): Promise<TlsMaterial> => {
  const now = clock.wall()
  const [cert, key, clientCa] = await Promise.all([
    read('certificate', certFile),
    read('private key', keyFile),
    clientCaFile === undefined ? undefined : readClientCa(clientCaFile, now),
  ])
  const certificate = parse('certificate', certFile, () => new X509Certificate(cert))
  const privateKey: KeyObject = parse('private key', keyFile, () => createPrivateKey(key))
  if (!certificate.checkPrivateKey(privateKey))
    throw new StartError(`The TLS private key ${keyFile} does not belong to the certificate ${certFile}.`)
  if (now >= Date.parse(certificate.validTo)) throw new StartError(`The TLS certificate ${certFile} expired on ${certificate.validTo}.`)
  if (now < Date.parse(certificate.validFrom))
    throw new StartError(`The TLS certificate ${certFile} is not valid before ${certificate.validFrom}.`)
  const material: TlsMaterial = { cert, key, ...(clientCa === undefined ? {} : { clientCa }) }
  // The rest of the chain, and what OpenSSL thinks of the key.
  parse('certificate', certFile, () => createSecureContext(contextOf(material)))
  return material
}

/** When the certificate itself ends, in milliseconds since the epoch. */
export const expiryOf = ({ cert }: TlsMaterial): number => Date.parse(new X509Certificate(cert).validTo)
