/** Makes a key and signs bearer tokens with it, for a clinic without an identity provider: docs/how-to/get-tokens.md. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'
import { closeSync, existsSync, fstatSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { isClinicId } from '../services/kernel/clinic-id.ts'
import { isScope } from '../services/kernel/scopes.ts'

const usage = `Usage:
  node deploy/tokens.ts keygen --key <file> --jwks <file>
  node deploy/tokens.ts sign --key <file> --issuer <iss> --audience <aud> --subject <sub> --clinic <id,…> --scope "<scope …>" [--hours <1 to 24>]`

/** What was asked for cannot be done; its message is all that is said. */
class Refusal extends Error {}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** The public key as a member of a JWKS, named by its RFC 7638 thumbprint. */
const publicJwk = (privateKey: KeyObject) => {
  const { crv, kty, x } = createPublicKey(privateKey).export({ format: 'jwk' })
  const kid = createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url')
  return { crv, kty, x, kid, alg: 'EdDSA', use: 'sig' }
}

const readKey = (file: string): KeyObject => {
  const open = openSync(file, 'r')
  try {
    if (process.platform !== 'win32' && (fstatSync(open).mode & 0o077) !== 0) {
      throw new Refusal(`Others can read ${file}, and so could have signed tokens with it: make a new key.`)
    }
    const key = createPrivateKey(readFileSync(open, 'utf8'))
    if (key.asymmetricKeyType !== 'ed25519') throw new Refusal(`${file} is not a key that keygen made.`)
    return key
  } finally {
    closeSync(open)
  }
}

/** Adds to the keys that are there: tokens of the old key count until it is taken out of the file. */
const keygen = (keyFile: string, jwksFile: string): string => {
  const { keys } = existsSync(jwksFile)
    ? (JSON.parse(readFileSync(jwksFile, 'utf8')) as { readonly keys: readonly unknown[] })
    : { keys: [] }
  const { privateKey } = generateKeyPairSync('ed25519')
  writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' })
  const jwk = publicJwk(privateKey)
  // At once, since a service may be reading it.
  writeFileSync(`${jwksFile}.new`, `${JSON.stringify({ keys: [...keys, jwk] }, null, 2)}\n`, { mode: 0o644 })
  renameSync(`${jwksFile}.new`, jwksFile)
  return `Made ${keyFile}; its public part, ${jwk.kid}, is in ${jwksFile}.`
}

interface Wishes {
  readonly issuer: string
  readonly audience: string
  readonly subject: string
  readonly clinic: string
  readonly scope: string
  readonly hours: string
}

const signToken = (keyFile: string, { issuer, audience, subject, clinic, scope, hours }: Wishes): string => {
  const clinics = clinic.split(',')
  const scopes = scope.split(' ')
  const noClinic = clinics.find((id) => !isClinicId(id))
  if (noClinic !== undefined) throw new Refusal(`"${noClinic}" is no clinic's identifier.`)
  const noScope = scopes.find((name) => !isScope(name))
  if (noScope !== undefined) throw new Refusal(`There is no scope "${noScope}".`)
  if (!/^([1-9]|1\d|2[0-4])$/.test(hours)) throw new Refusal('--hours must be a whole number from 1 to 24.')
  const key = readKey(keyFile)
  const now = Math.floor(Date.now() / 1000)
  const header = { alg: 'EdDSA', typ: 'JWT', kid: publicJwk(key).kid }
  const times = { iat: now, exp: now + Number(hours) * 3600, jti: randomUUID() }
  const signed = `${base64url(header)}.${base64url({ iss: issuer, aud: audience, sub: subject, clinics, scope, ...times })}`
  return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`
}

const run = (): string => {
  const text = { type: 'string' } as const
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      key: text,
      jwks: text,
      issuer: text,
      audience: text,
      subject: text,
      clinic: text,
      scope: text,
      hours: { ...text, default: '1' },
    },
  })
  const { key, jwks, issuer, audience, subject, clinic, scope, hours } = values
  const [command] = positionals
  if (command === 'keygen' && key && jwks) return keygen(key, jwks)
  if (command === 'sign' && key && issuer && audience && subject && clinic && scope) {
    return signToken(key, { issuer, audience, subject, clinic, scope, hours })
  }
  throw new Refusal(usage)
}

try {
  process.stdout.write(`${run()}\n`)
} catch (thrown) {
  process.stderr.write(`${(thrown as Error).message}\n`)
  process.exitCode = 2
}
