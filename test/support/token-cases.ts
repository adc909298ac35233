/** Tokens that both doors must take and tokens that both must refuse, as data. */
import type { ErrorReason } from '../../services/kernel/errors.ts'
import { type SigningKey, signHs256, signingKey, signJwt, unsignedJwt } from './signing-key.ts'

export const issuer = 'https://idp.example'
export const audience = 'chartwarden'
export const toleranceSeconds = 30

export interface TokenKeys {
  readonly rsa: SigningKey
  readonly ec: SigningKey
  readonly ed: SigningKey
}

export const tokenKeys = (): TokenKeys => ({
  rsa: signingKey('rsa', 'RS256'),
  ec: signingKey('ec', 'ES256'),
  ed: signingKey('ed', 'EdDSA'),
})

/** Good claims at a moment, in milliseconds since the epoch. */
export const claimsAt = (now: number): Record<string, unknown> => ({
  iss: issuer,
  aud: audience,
  sub: 'practice-software',
  clinic: 'north',
  scope: 'access.check report.read',
  exp: Math.floor(now / 1000) + 600,
})

export interface GoodToken {
  readonly what: string
  readonly token: string
}

export interface BadToken extends GoodToken {
  readonly reason: ErrorReason
  /** What the log must say; undefined where the token is not looked at. */
  readonly cause?: string
}

const without = (claims: Record<string, unknown>, name: string): Record<string, unknown> => {
  const { [name]: _dropped, ...rest } = claims
  return rest
}

export const goodTokens = ({ rsa, ec, ed }: TokenKeys, now: number): readonly GoodToken[] => {
  const claims = claimsAt(now)
  const seconds = Math.floor(now / 1000)
  return [
    { what: 'RS256', token: signJwt(rsa, claims) },
    { what: 'ES256', token: signJwt(ec, claims) },
    { what: 'EdDSA', token: signJwt(ed, claims) },
    { what: 'an audience among others', token: signJwt(ed, { ...claims, aud: ['other', audience] }) },
    { what: 'expired, but within the tolerance', token: signJwt(ed, { ...claims, exp: seconds - toleranceSeconds + 1 }) },
    { what: 'valid soon, within the tolerance', token: signJwt(ed, { ...claims, nbf: seconds + toleranceSeconds }) },
    { what: 'typ at+jwt', token: signJwt(ed, claims, { typ: 'at+jwt' }) },
    { what: 'no typ', token: signJwt(ed, claims, { typ: undefined }) },
  ]
}

export const badTokens = ({ rsa, ec, ed }: TokenKeys, now: number): readonly BadToken[] => {
  const claims = claimsAt(now)
  const seconds = Math.floor(now / 1000)
  const stranger = signingKey('ed', 'EdDSA')
  const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string
  const good = signJwt(ed, claims)
  const [header, payload, signature] = good.split('.') as [string, string, string]
  const refused = (what: string, token: string, cause: string): BadToken => ({ what, token, reason: 'TOKEN_REFUSED', cause })
  const claim = (what: string, changed: Record<string, unknown>, cause: string): BadToken =>
    refused(what, signJwt(ed, { ...claims, ...changed }), cause)
  return [
    refused('alg none', unsignedJwt(claims), 'algorithm_not_accepted'),
    refused('alg none with a kid', unsignedJwt(claims, { kid: 'ed' }), 'algorithm_not_accepted'),
    refused('alg nOnE', unsignedJwt(claims, { alg: 'nOnE', kid: 'ed' }), 'algorithm_not_accepted'),
    refused('HS256 under the public key of RS256', signHs256(pem, claims, { kid: 'rsa' }), 'algorithm_not_accepted'),
    refused(
      'HS256 under the public key as JWK',
      signHs256(JSON.stringify(rsa.publicJwk), claims, { kid: 'rsa' }),
      'algorithm_not_accepted',
    ),
    refused('an HMAC under the public key that says RS256', signHs256(pem, claims, { alg: 'RS256', kid: 'rsa' }), 'signature_not_valid'),
    refused('an algorithm that is not the key’s', signJwt(ec, claims, { kid: 'rsa' }), 'kid_unknown'),
    refused('RS512', signJwt(rsa, claims, { alg: 'RS512' }), 'algorithm_not_accepted'),
    refused('PS256', signJwt(rsa, claims, { alg: 'PS256' }), 'algorithm_not_accepted'),
    refused('an unknown kid', signJwt(ed, claims, { kid: 'nobody' }), 'kid_unknown'),
    refused('no kid where there are several keys', signJwt(ed, claims, { kid: undefined }), 'kid_missing'),
    refused('a kid that is not a text', signJwt(ed, claims, { kid: 7 }), 'kid_malformed'),
    refused('the signature of a stranger', signJwt(stranger, claims), 'signature_not_valid'),
    refused(
      'another payload under a good signature',
      `${header}.${Buffer.from('{"sub":"x"}').toString('base64url')}.${signature}`,
      'signature_not_valid',
    ),
    refused('no signature', `${header}.${payload}.`, 'signature_not_valid'),
    refused('a signature cut short', good.slice(0, -4), 'signature_not_valid'),
    refused('a critical extension', signJwt(ed, claims, { crit: ['x'], x: 1 }), 'critical_extension'),
    refused('an empty critical extension', signJwt(ed, claims, { crit: [] }), 'critical_extension'),
    refused('a security event token', signJwt(ed, claims, { typ: 'secevent+jwt' }), 'type_not_accepted'),
    refused('a logout token', signJwt(ed, claims, { typ: 'logout+jwt' }), 'type_not_accepted'),
    { what: 'expired', token: signJwt(ed, { ...claims, exp: seconds - toleranceSeconds }), reason: 'TOKEN_EXPIRED', cause: 'expired' },
    { what: 'expired long ago', token: signJwt(ed, { ...claims, exp: 1 }), reason: 'TOKEN_EXPIRED', cause: 'expired' },
    claim('not yet valid', { nbf: seconds + toleranceSeconds + 1 }, 'not_yet_valid'),
    claim('nbf that is not a number', { nbf: '1' }, 'not_before_malformed'),
    refused('no exp', signJwt(ed, without(claims, 'exp')), 'expiry_missing'),
    claim('exp that is not a number', { exp: String(seconds + 600) }, 'expiry_missing'),
    claim('exp without end', { exp: Number.POSITIVE_INFINITY }, 'expiry_missing'),
    refused('no sub', signJwt(ed, without(claims, 'sub')), 'subject_malformed'),
    claim('an empty sub', { sub: '' }, 'subject_malformed'),
    claim('a sub of 257 characters', { sub: 'x'.repeat(257) }, 'subject_malformed'),
    claim('a sub with a line break', { sub: 'a\nb' }, 'subject_malformed'),
    claim('a sub that is an object', { sub: { toString: 'x' } }, 'subject_malformed'),
    claim('another issuer', { iss: 'https://idp.example/' }, 'issuer_not_accepted'),
    refused('no issuer', signJwt(ed, without(claims, 'iss')), 'issuer_not_accepted'),
    claim('a list of issuers', { iss: [issuer] }, 'issuer_not_accepted'),
    claim('another audience', { aud: 'other' }, 'audience_not_accepted'),
    refused('no audience', signJwt(ed, without(claims, 'aud')), 'audience_not_accepted'),
    claim('an audience that only begins so', { aud: [`${audience}-2`] }, 'audience_not_accepted'),
    claim('the operator’s own ledger as clinic', { clinic: '_system' }, 'clinics_malformed'),
    claim('every clinic', { clinic: '*' }, 'clinics_malformed'),
    claim('a clinic that is a list', { clinic: ['north'] }, 'clinics_malformed'),
    claim('clinics that are a text', { clinics: 'north south' }, 'clinics_malformed'),
    claim('clinics with a number', { clinics: ['north', 3] }, 'clinics_malformed'),
    claim('a scope that is a list', { scope: ['access.check'] }, 'scope_malformed'),
    refused('two parts', `${header}.${payload}`, 'token_malformed'),
    refused('five parts, as of an encrypted token', `${header}.${payload}.${signature}.a.b`, 'token_malformed'),
    refused('padding', `${header}.${payload}.${signature}==`, 'token_malformed'),
    refused('a payload that is a list', signJwt(ed, [claims]), 'token_malformed'),
    refused('a header that is not JSON', `${Buffer.from('{').toString('base64url')}.${payload}.${signature}`, 'token_malformed'),
    refused('garbage', 'Zm9vYmFy', 'token_malformed'),
    { what: 'more than 8 KiB', token: signJwt(ed, { ...claims, more: 'x'.repeat(8192) }), reason: 'TOKEN_REFUSED' },
  ]
}
