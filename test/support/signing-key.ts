/** Tokens and key sets made by hand, so that wrong ones can be made too. */
import { createHmac, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto'

export type Kind = 'RS256' | 'ES256' | 'EdDSA'

export interface SigningKey {
  readonly kid: string
  readonly algorithm: Kind
  readonly publicJwk: JsonWebKey & { kid: string }
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const pairOf = (algorithm: Kind) => {
  if (algorithm === 'RS256') return generateKeyPairSync('rsa', { modulusLength: 2048 })
  return algorithm === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519')
}

export const signingKey = (kid: string, algorithm: Kind = 'EdDSA'): SigningKey => {
  const { publicKey, privateKey } = pairOf(algorithm)
  return { kid, algorithm, publicKey, privateKey, publicJwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' } }
}

export const keySetOf = (...keys: readonly SigningKey[]): { readonly keys: readonly JsonWebKey[] } => ({
  keys: keys.map(({ publicJwk }) => publicJwk),
})

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

const signatureOf = ({ algorithm, privateKey }: SigningKey, input: string): string => {
  const bytes = Buffer.from(input)
  if (algorithm === 'EdDSA') return sign(null, bytes, privateKey).toString('base64url')
  return sign('sha256', bytes, algorithm === 'ES256' ? { key: privateKey, dsaEncoding: 'ieee-p1363' } : privateKey).toString('base64url')
}

/** Signs any header and payload; the header starts as that of the key. */
export const signJwt = (key: SigningKey, payload: unknown, header: Readonly<Record<string, unknown>> = {}): string => {
  const input = `${encode({ alg: key.algorithm, kid: key.kid, typ: 'JWT', ...header })}.${encode(payload)}`
  return `${input}.${signatureOf(key, input)}`
}

/** A token whose signature is an HMAC under a text that everybody knows. */
export const signHs256 = (secret: string | Buffer, payload: unknown, header: Readonly<Record<string, unknown>> = {}): string => {
  const input = `${encode({ alg: 'HS256', typ: 'JWT', ...header })}.${encode(payload)}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

/** A token without a signature. */
export const unsignedJwt = (payload: unknown, header: Readonly<Record<string, unknown>> = {}): string =>
  `${encode({ alg: 'none', typ: 'JWT', ...header })}.${encode(payload)}.`
