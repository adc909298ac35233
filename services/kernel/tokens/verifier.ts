/**
 * The one verifier of bearer tokens, for gRPC and HTTP alike. The signature is checked by fast-jwt under the single algorithm of the key
 * that the token names; header, claims and times are checked here against our own clock.
 */
import { hash } from 'node:crypto'
import { createDecoder, createVerifier } from 'fast-jwt'
import { LRUCache } from 'lru-cache'
import type { Caller } from '../caller.ts'
import type { Clock } from '../clock.ts'
import { ChartwardenError } from '../errors.ts'
import type { Logger } from '../logging.ts'
import { systemTimers, type Timers } from '../timers.ts'
import { maxTokenBytes } from './bearer.ts'
import { checkClaims, checkHeader, type Json } from './claims.ts'
import { inlineKeys, keyFile, keyUrl } from './key-document.ts'
import { findKey, type TokenAlgorithm, type VerificationKey } from './key-set.ts'
import { createKeySource } from './key-source.ts'

export interface VerifiedToken {
  readonly caller: Caller
  /** The key that verified it, PEM. */
  readonly publicKey: string
}

export interface TokenVerifier {
  /** Throws TOKEN_REFUSED, TOKEN_EXPIRED or KEYS_UNAVAILABLE; why exactly goes to the log only. */
  verify(token: string): Promise<Caller>
  /** The caller if this token was verified a moment ago: the same answer as `verify` without its wait. */
  cached(token: string): Caller | undefined
  /** As `verify`, with the key, for a library that insists on checking the signature itself. */
  verifyWithKey(token: string): Promise<VerifiedToken>
  /** Grows by one whenever the key set changes; 0 until one was loaded. */
  keySetVersion(): number
  /** Settles once there is a key set to verify with. */
  readonly keysLoaded: Promise<void>
  /** How long after its expiry a token still counts, in milliseconds. */
  readonly clockToleranceMs: number
  /** Looks for changed keys now. */
  refreshKeys(): Promise<void>
  close(): void
}

export interface TokenVerifierOptions {
  /** A file, an http(s) URL, or the set itself. */
  readonly jwks: string | { readonly keys: readonly unknown[] }
  readonly issuer: string
  readonly audience: string
  readonly clockToleranceSeconds: number
  readonly clock: Clock
  readonly logger: Logger
  readonly timers?: Timers
  /** Verified tokens kept; defaults to 10,000. */
  readonly cachedTokens?: number
}

/** A verified token is looked at again after this long, in milliseconds. */
const cacheMs = 300_000

interface Cached extends VerifiedToken {
  readonly keySetVersion: number
  /** Wall clock, milliseconds since the epoch: expiry is a time of day. */
  readonly expiresAt: number
  /** Monotonic clock, milliseconds: turning the machine's clock back must not keep it. */
  readonly keepUntil: number
}

type SignatureCheck = (token: string) => unknown

const createSignatureCheck = ({ pem, algorithm }: VerificationKey): SignatureCheck =>
  createVerifier({ key: pem, algorithms: [algorithm], ignoreExpiration: true, ignoreNotBefore: true, cache: false })

const documentOf = (jwks: TokenVerifierOptions['jwks']) => {
  if (typeof jwks !== 'string') return inlineKeys(jwks)
  return /^https?:\/\//i.test(jwks) ? keyUrl(jwks) : keyFile(jwks)
}

/** Loads the keys and returns the verifier. Throws StartError when there can be none. */
export const createTokenVerifier = async (options: TokenVerifierOptions): Promise<TokenVerifier> => {
  const { jwks, issuer, audience, clock, logger, timers = systemTimers, cachedTokens = 10_000 } = options
  const clockToleranceMs = options.clockToleranceSeconds * 1000
  const source = await createKeySource({ document: documentOf(jwks), clock, timers, logger })
  const decode = createDecoder({ complete: true })
  const cache = new LRUCache<string, Cached>({ max: cachedTokens })
  const checks = new WeakMap<VerificationKey, SignatureCheck>()

  const refuse = (cause: string, reason: 'TOKEN_REFUSED' | 'TOKEN_EXPIRED' = 'TOKEN_REFUSED'): ChartwardenError => {
    logger.info({ event: 'token.refused', reason, cause }, 'a bearer token was refused')
    return new ChartwardenError(reason, { cause: new Error(cause) })
  }

  const findVerificationKey = async (kid: string | undefined, algorithm: TokenAlgorithm): Promise<VerificationKey> => {
    const find = () => findKey(source.keys() ?? [], kid, algorithm)
    let key = find()
    if (key === undefined) {
      await source.refreshForUnknownKey()
      key = find()
    }
    if (key !== undefined) return key
    if (source.keys() === undefined) throw new ChartwardenError('KEYS_UNAVAILABLE', { retryAfterSeconds: 5 })
    throw refuse(kid === undefined ? 'kid_missing' : 'kid_unknown')
  }

  const checkSignature = (key: VerificationKey, token: string): void => {
    let check = checks.get(key)
    if (check === undefined) {
      check = createSignatureCheck(key)
      checks.set(key, check)
    }
    try {
      check(token)
    } catch {
      throw refuse('signature_not_valid')
    }
  }

  const decodeToken = (token: string): { readonly header: Json; readonly payload: Json } => {
    try {
      return decode(token)
    } catch {
      throw refuse('token_malformed')
    }
  }

  const fromCache = (fingerprint: string): Cached | undefined => {
    const cached = cache.get(fingerprint)
    if (cached === undefined) return undefined
    const { keySetVersion, expiresAt, keepUntil } = cached
    if (keySetVersion === source.version() && clock.wall() < expiresAt && clock.monotonic() < keepUntil) return cached
    cache.delete(fingerprint)
    return undefined
  }

  const verifyWithKey = async (token: string): Promise<VerifiedToken> => {
    if (token.length > maxTokenBytes) throw refuse('token_too_long')
    const fingerprint = hash('sha256', token, 'base64')
    const cached = fromCache(fingerprint)
    if (cached !== undefined) return cached
    const { header, payload } = decodeToken(token)
    const checked = checkHeader(header)
    if (checked.kind !== 'header') throw refuse(checked.cause)
    const key = await findVerificationKey(checked.kid, checked.algorithm)
    const keySetVersion = source.version()
    checkSignature(key, token)
    const claims = checkClaims(payload, { issuer, audience, clockToleranceMs }, clock.wall())
    if (claims.kind !== 'caller') throw refuse(claims.cause, claims.kind === 'expired' ? 'TOKEN_EXPIRED' : 'TOKEN_REFUSED')
    const { caller } = claims
    const verified = { caller, publicKey: key.pem }
    cache.set(fingerprint, {
      ...verified,
      keySetVersion,
      expiresAt: caller.expiresAt + clockToleranceMs,
      keepUntil: clock.monotonic() + cacheMs,
    })
    return verified
  }

  return {
    cached: (token) => (token.length > maxTokenBytes ? undefined : fromCache(hash('sha256', token, 'base64'))?.caller),
    verifyWithKey,
    verify: async (token) => (await verifyWithKey(token)).caller,
    keySetVersion: () => source.version(),
    keysLoaded: source.loaded,
    clockToleranceMs,
    refreshKeys: () => source.refresh(),
    close: () => source.close(),
  }
}
