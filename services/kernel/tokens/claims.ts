/** What the header and the claims of a bearer token must say (RFC 7519, RFC 8725). Pure; the signature is checked elsewhere. */
import type { Caller } from '../caller.ts'
import { isClinicId } from '../clinic-id.ts'
import { isScope, type Scope } from '../scopes.ts'
import { type TokenAlgorithm, tokenAlgorithms } from './key-set.ts'

export type Json = Readonly<Record<string, unknown>>

export interface ExpectedClaims {
  readonly issuer: string
  readonly audience: string
  readonly clockToleranceMs: number
}

export type Refused = { readonly kind: 'refused'; readonly cause: string } | { readonly kind: 'expired'; readonly cause: string }

export type CheckedHeader = { readonly kind: 'header'; readonly kid: string | undefined; readonly algorithm: TokenAlgorithm } | Refused

export type CheckedClaims = { readonly kind: 'caller'; readonly caller: Caller } | Refused

const refused = (cause: string): Refused => ({ kind: 'refused', cause })

/** Types of other tokens the same issuer may sign, such as logout and security event tokens, are not bearer tokens (RFC 8725, section 3.11). */
const acceptedTypes = new Set(['jwt', 'at+jwt', 'application/at+jwt'])

export const checkHeader = (header: Json): CheckedHeader => {
  const { alg, kid, typ } = header
  const algorithm = tokenAlgorithms.find((known) => known === alg)
  if (algorithm === undefined) return refused('algorithm_not_accepted')
  if (kid !== undefined && typeof kid !== 'string') return refused('kid_malformed')
  if (typ !== undefined && (typeof typ !== 'string' || !acceptedTypes.has(typ.toLowerCase()))) return refused('type_not_accepted')
  // No extension is understood, so a token that insists on one is refused (RFC 7515, section 4.1.11).
  if (Object.hasOwn(header, 'crit')) return refused('critical_extension')
  return { kind: 'header', kid, algorithm }
}

const maxSubject = 256

const readClinics = ({ clinic, clinics }: Json): ReadonlySet<string> | undefined => {
  const named = [
    ...(clinic === undefined ? [] : [clinic]),
    ...(clinics === undefined ? [] : Array.isArray(clinics) ? clinics : [undefined]),
  ]
  // The operator's own ledger has a name no clinic can have, so a token that asks for it is refused here.
  return named.every((name) => typeof name === 'string' && isClinicId(name)) ? new Set(named as string[]) : undefined
}

const readScopes = (scope: unknown): ReadonlySet<Scope> | undefined => {
  if (scope === undefined) return new Set()
  return typeof scope === 'string' ? new Set(scope.split(' ').filter(isScope)) : undefined
}

const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)

/** The caller that the claims describe. `now`: milliseconds since the epoch. */
export const checkClaims = (claims: Json, { issuer, audience, clockToleranceMs }: ExpectedClaims, now: number): CheckedClaims => {
  const { iss, aud, exp, nbf, sub } = claims
  if (iss !== issuer) return refused('issuer_not_accepted')
  if (Array.isArray(aud) ? !aud.includes(audience) : aud !== audience) return refused('audience_not_accepted')
  if (!isTime(exp)) return refused('expiry_missing')
  if (nbf !== undefined && !isTime(nbf)) return refused('not_before_malformed')
  if (typeof sub !== 'string' || sub === '' || sub.length > maxSubject || !sub.isWellFormed() || /\p{Cc}/u.test(sub))
    return refused('subject_malformed')
  const clinics = readClinics(claims)
  if (clinics === undefined) return refused('clinics_malformed')
  const scopes = readScopes(claims['scope'])
  if (scopes === undefined) return refused('scope_malformed')
  if (nbf !== undefined && now < nbf * 1000 - clockToleranceMs) return refused('not_yet_valid')
  if (now >= exp * 1000 + clockToleranceMs) return { kind: 'expired', cause: 'expired' }
  return { kind: 'caller', caller: { id: sub, issuer, clinics, scopes, expiresAt: exp * 1000 } }
}
