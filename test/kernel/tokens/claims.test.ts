import fc from 'fast-check'
import t from 'tap'
import { checkClaims, checkHeader } from '../../../services/kernel/tokens/claims.ts'

const expected = { issuer: 'i', audience: 'a', clockToleranceMs: 30_000 }
const now = 1_000_000_000_000

const claim = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.constantFrom('i', 'a', 'north', '_system', 'access.check'),
  fc.jsonValue(),
  fc.constant(now / 1000 + 60),
)
const claims = fc.record(
  {
    iss: fc.oneof(fc.constant('i'), claim),
    aud: fc.oneof(fc.constant('a'), claim),
    sub: claim,
    exp: claim,
    nbf: claim,
    clinic: claim,
    clinics: claim,
    scope: claim,
  },
  { requiredKeys: [] },
)

t.test('whatever the claims are, a caller comes only from complete ones, and nothing is thrown', async () => {
  fc.assert(
    fc.property(claims, (payload) => {
      const checked = checkClaims(payload as Record<string, unknown>, expected, now)
      if (checked.kind !== 'caller') return checked.cause !== ''
      const { caller } = checked
      return (
        payload.iss === 'i' &&
        (payload.aud === 'a' || (Array.isArray(payload.aud) && payload.aud.includes('a'))) &&
        caller.id === payload.sub &&
        caller.expiresAt + expected.clockToleranceMs > now &&
        [...caller.clinics].every((clinic) => /^[a-z0-9-]{1,63}$/.test(clinic))
      )
    }),
    { numRuns: 3_000 },
  )
})

t.test('whatever the header is, only the three algorithms pass', async () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.constantFrom('alg', 'kid', 'typ', 'crit', '__proto__'),
        fc.oneof(fc.constantFrom('RS256', 'none', 'HS256', 'JWT'), fc.jsonValue()),
      ),
      (header) => {
        const checked = checkHeader(header as Record<string, unknown>)
        return checked.kind !== 'header' || (['RS256', 'ES256', 'EdDSA'].includes(checked.algorithm) && checked.algorithm === header['alg'])
      },
    ),
  )
})

t.test('expiry and start are compared to the millisecond', async (t) => {
  const base = { iss: 'i', aud: 'a', sub: 's', exp: 2_000 }
  t.equal(checkClaims(base, expected, 2_029_999).kind, 'caller')
  t.equal(checkClaims(base, expected, 2_030_000).kind, 'expired')
  t.equal(checkClaims({ ...base, nbf: 1_000 }, expected, 970_000).kind, 'caller')
  t.equal(checkClaims({ ...base, nbf: 1_000 }, expected, 969_999).kind, 'refused')
})
