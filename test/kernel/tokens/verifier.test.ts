import t from 'tap'
import type { ChartwardenError } from '../../../services/kernel/errors.ts'
import { createTokenVerifier } from '../../../services/kernel/tokens/verifier.ts'
import { fault } from '../../support/fault.ts'
import { logLines } from '../../support/log-lines.ts'
import { manualClock } from '../../support/manual-clock.ts'
import { manualTimers } from '../../support/manual-timers.ts'
import { keySetOf, signingKey, signJwt } from '../../support/signing-key.ts'
import { audience, badTokens, claimsAt, goodTokens, issuer, tokenKeys, toleranceSeconds } from '../../support/token-cases.ts'

const keys = tokenKeys()

const setUp = async (jwks: Parameters<typeof createTokenVerifier>[0]['jwks'] = keySetOf(keys.rsa, keys.ec, keys.ed)) => {
  const clock = manualClock()
  const log = logLines()
  const timers = manualTimers()
  const verifier = await createTokenVerifier({
    jwks,
    issuer,
    audience,
    clockToleranceSeconds: toleranceSeconds,
    clock,
    logger: log.logger,
    timers,
  })
  t.teardown(() => verifier.close())
  return { clock, log, timers, verifier }
}

t.test('a good token gives the caller it describes', async (t) => {
  const { clock, verifier } = await setUp()
  for (const { what, token } of goodTokens(keys, clock.wall())) t.equal((await verifier.verify(token)).id, 'practice-software', what)
  const claims = { ...claimsAt(clock.wall()), clinic: undefined, clinics: ['north', 'south-2'], scope: 'act access.check unheard.of' }
  const caller = await verifier.verify(signJwt(keys.ed, claims))
  t.equal(caller.issuer, issuer)
  t.strictSame([...caller.clinics], ['north', 'south-2'])
  t.strictSame([...caller.scopes], ['act', 'access.check'], 'a scope that is not known is no scope')
  t.equal(caller.expiresAt, (claims['exp' as keyof typeof claims] as unknown as number) * 1000)
})

t.test('clinic and clinics are taken together; a token may name none', async (t) => {
  const { clock, verifier } = await setUp()
  const claims = claimsAt(clock.wall())
  t.strictSame([...(await verifier.verify(signJwt(keys.ed, { ...claims, clinics: ['south'] }))).clinics], ['north', 'south'])
  t.strictSame([...(await verifier.verify(signJwt(keys.ed, { ...claims, clinic: undefined }))).clinics], [])
})

t.test('every bad token is refused, and only the log says why', async (t) => {
  const { clock, log, verifier } = await setUp()
  for (const { what, token, reason, cause } of badTokens(keys, clock.wall())) {
    log.lines.length = 0
    const thrown = await verifier.verify(token).then(
      () => undefined,
      (error: ChartwardenError) => error,
    )
    t.equal(thrown?.reason, reason, what)
    if (cause !== undefined) t.equal(log.of('token.refused')[0]?.['cause'], cause, `${what}: the log`)
    t.notMatch(thrown?.message, /signature|issuer|audience|kid/, `${what}: the message says nothing`)
    t.notOk(JSON.stringify(log.lines).includes(token), `${what}: the token is not in the log`)
  }
})

t.test('a token without kid is taken where the set has one key', async (t) => {
  const { clock, verifier } = await setUp(keySetOf(keys.ed))
  const token = signJwt(keys.ed, claimsAt(clock.wall()), { kid: undefined })
  t.equal((await verifier.verify(token)).id, 'practice-software')
})

t.test('a token verified before is cached until it expires', async (t) => {
  const { clock, verifier } = await setUp()
  const token = signJwt(keys.ed, { ...claimsAt(clock.wall()), exp: clock.wall() / 1000 + 60 })
  t.equal(verifier.cached(token), undefined)
  const caller = await verifier.verify(token)
  t.equal(verifier.cached(token), caller)
  t.equal(await verifier.verify(token), caller, 'the same object: it was not verified again')
  clock.advance(60_000 + toleranceSeconds * 1000 - 1)
  t.equal(verifier.cached(token), caller, 'until the very end')
  clock.advance(1)
  t.equal(verifier.cached(token), undefined)
  await t.rejects(verifier.verify(token), fault('TOKEN_EXPIRED'))
})

t.test('a cached token is looked at again after five minutes', async (t) => {
  const { clock, verifier } = await setUp()
  const token = signJwt(keys.ed, { ...claimsAt(clock.wall()), exp: clock.wall() / 1000 + 3600 })
  const caller = await verifier.verify(token)
  clock.advance(299_999)
  t.equal(await verifier.verify(token), caller)
  clock.advance(1)
  t.equal(verifier.cached(token), undefined)
  t.not(await verifier.verify(token), caller, 'verified anew')
})

t.test('a refused token is not cached as good', async (t) => {
  const { clock, verifier } = await setUp()
  const token = signJwt(signingKey('ed'), claimsAt(clock.wall()))
  await t.rejects(verifier.verify(token), fault('TOKEN_REFUSED'))
  t.equal(verifier.cached(token), undefined)
  await t.rejects(verifier.verify(token), fault('TOKEN_REFUSED'))
})
