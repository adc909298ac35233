/** A JSON Web Key Set (RFC 7517) as the keys that tokens may be verified with. Pure. */
import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'

/** Each key verifies one algorithm only, so that a token cannot choose how its signature is read (RFC 8725, section 3.1). */
export const tokenAlgorithms = ['RS256', 'ES256', 'EdDSA'] as const

export type TokenAlgorithm = (typeof tokenAlgorithms)[number]

export interface VerificationKey {
  readonly kid: string | undefined
  readonly algorithm: TokenAlgorithm
  /** SubjectPublicKeyInfo. */
  readonly pem: string
}

export type KeySet =
  /** `ignored` says why other members of the set are not used: another use, an algorithm that is not supported. */
  | { readonly kind: 'keys'; readonly keys: readonly VerificationKey[]; readonly ignored: readonly string[] }
  | { readonly kind: 'unusable'; readonly why: string }

/** RFC 7518, section 3.3. */
const leastRsaBits = 2048

const algorithmOf = (key: KeyObject): TokenAlgorithm | undefined => {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'rsa') return modulusLength >= leastRsaBits ? 'RS256' : undefined
  if (key.asymmetricKeyType === 'ec') return namedCurve === 'prime256v1' ? 'ES256' : undefined
  return key.asymmetricKeyType === 'ed25519' ? 'EdDSA' : undefined
}

type Read = VerificationKey | { readonly ignored: string } | { readonly unusable: string }

const readKey = (member: unknown, index: number): Read => {
  if (typeof member !== 'object' || member === null || Array.isArray(member)) return { unusable: `member ${index} is not an object` }
  const jwk = member as Record<string, unknown>
  const kid = jwk['kid']
  if (kid !== undefined && (typeof kid !== 'string' || kid === '' || kid.length > 256))
    return { unusable: `the kid of member ${index} is not a short text` }
  const name = kid === undefined ? `member ${index}` : `key ${JSON.stringify(kid)}`
  // Whoever can read this file could sign; a symmetric key here would let anyone who may verify sign as well.
  if (jwk['kty'] === 'oct') return { unusable: `${name} is a symmetric key` }
  if (jwk['d'] !== undefined) return { unusable: `${name} is a private key; publish the public part only` }
  if (jwk['use'] !== undefined && jwk['use'] !== 'sig') return { ignored: `${name}: not for signatures` }
  const operations = jwk['key_ops']
  if (Array.isArray(operations) && !operations.includes('verify')) return { ignored: `${name}: not for signatures` }
  let key: KeyObject
  try {
    key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
  } catch {
    return { ignored: `${name}: not a key this service can read` }
  }
  const algorithm = algorithmOf(key)
  if (algorithm === undefined) return { ignored: `${name}: neither RSA of at least ${leastRsaBits} bits, P-256 nor Ed25519` }
  if (jwk['alg'] !== undefined && jwk['alg'] !== algorithm) return { ignored: `${name}: its alg is not ${algorithm}` }
  return { kid: kid as string | undefined, algorithm, pem: key.export({ type: 'spki', format: 'pem' }) as string }
}

/** Reads the text of a key set. One that holds a secret or names a key twice is unusable as a whole. */
export const parseKeySet = (text: string): KeySet => {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return { kind: 'unusable', why: 'it is not JSON' }
  }
  const members = typeof document === 'object' && document !== null ? (document as Record<string, unknown>)['keys'] : undefined
  if (!Array.isArray(members)) return { kind: 'unusable', why: 'it has no list of keys' }
  const keys: VerificationKey[] = []
  const ignored: string[] = []
  for (const [index, member] of members.entries()) {
    const key = readKey(member, index)
    if ('unusable' in key) return { kind: 'unusable', why: key.unusable }
    if ('ignored' in key) ignored.push(key.ignored)
    else if (keys.some(({ kid, algorithm }) => kid === key.kid && algorithm === key.algorithm)) {
      return { kind: 'unusable', why: `two keys share ${key.kid === undefined ? 'no kid' : `the kid ${JSON.stringify(key.kid)}`}` }
    } else keys.push(key)
  }
  if (keys.length === 0) return { kind: 'unusable', why: ['it has no usable key', ...ignored].join('; ') }
  return { kind: 'keys', keys, ignored }
}

/** The key that a token's header names; without `kid` only where the set holds a single key. */
export const findKey = (
  keys: readonly VerificationKey[],
  kid: string | undefined,
  algorithm: TokenAlgorithm,
): VerificationKey | undefined => {
  if (kid === undefined) return keys.length === 1 && keys[0]?.algorithm === algorithm ? keys[0] : undefined
  return keys.find((key) => key.kid === kid && key.algorithm === algorithm)
}
