import fc from 'fast-check'
import t from 'tap'
import { createQuotaMeter, type Quota, type QuotaMeter } from '../../services/kernel/quota.ts'
import { manualClock } from '../support/manual-clock.ts'

const quotas = fc
  .record({ perSecond: fc.integer({ min: 1, max: 500 }), more: fc.integer({ min: 0, max: 500 }) })
  .map(({ perSecond, more }) => ({ perSecond, burst: perSecond + more }))

const asking = fc.array(
  fc.record({
    afterMs: fc.integer({ min: 0, max: 700 }),
    key: fc.constantFrom('a', 'b'),
    share: fc.double({ min: 0.001, max: 1, noNaN: true }),
  }),
  { maxLength: 60 },
)

/** In no stretch of time is more let in than the rate gives, and what may come at once besides. */
const keepsToQuota = (sabotage: (meter: QuotaMeter) => QuotaMeter = (meter) => meter) =>
  fc.property(quotas, asking, (quota: Quota, asked) => {
    const clock = manualClock()
    const meter = sabotage(createQuotaMeter(quota, clock))
    const letIn = new Map<string, { readonly at: number; readonly units: number }[]>()
    for (const { afterMs, key, share } of asked) {
      clock.advance(afterMs)
      const units = Math.ceil(quota.burst * share)
      if (meter.waitMs(key, units) > 0) continue
      meter.take(key, units)
      letIn.set(key, [...(letIn.get(key) ?? []), { at: clock.monotonic(), units }])
    }
    for (const taken of letIn.values()) {
      for (const [from, { at }] of taken.entries()) {
        let units = 0
        for (const later of taken.slice(from)) {
          units += later.units
          if (units > quota.burst + (quota.perSecond * (later.at - at)) / 1_000 + 1e-6) return false
        }
      }
    }
    return true
  })

t.test('no stretch of time sees more than the quota', async () => {
  fc.assert(keepsToQuota())
})

t.test('sabotage: a meter that counts a batch as one is noticed, and so is one that forgets', async (t) => {
  const countsCalls = (meter: QuotaMeter): QuotaMeter => ({
    ...meter,
    waitMs: (key) => meter.waitMs(key, 1),
    take: (key) => meter.take(key, 1),
  })
  t.ok(fc.check(keepsToQuota(countsCalls)).failed)
  t.ok(fc.check(keepsToQuota((meter) => ({ ...meter, take: () => undefined }))).failed)
})

t.test('whoever waits as long as is said is let in, and not a millisecond earlier', async () => {
  fc.assert(
    fc.property(quotas, fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 1_000 }), (quota, first, second) => {
      const clock = manualClock()
      const meter = createQuotaMeter(quota, clock)
      meter.take('a', first)
      // Less a rounding error.
      const wait = Math.ceil(meter.waitMs('a', second) - 1e-6)
      if (wait === 0) return true
      clock.advance(wait - 1)
      if (meter.waitMs('a', second) === 0) return false
      clock.advance(1)
      return meter.waitMs('a', second) === 0
    }),
  )
})

t.test('more at once than a bucket holds passes after a quiet time and is paid for afterwards', async (t) => {
  const clock = manualClock()
  const meter = createQuotaMeter({ perSecond: 10, burst: 20 }, clock)
  t.equal(meter.waitMs('a', 50), 0)
  meter.take('a', 50)
  t.equal(meter.waitMs('a', 1), 3_100, 'thirty are owed, and one more is wanted')
  clock.advance(3_100)
  t.equal(meter.waitMs('a', 1), 0)
  t.equal(meter.waitMs('a', 50), 1_900, 'full again first')
  clock.advance(1_900)
  t.equal(meter.waitMs('a', 50), 0)
})

t.test('asking takes nothing, and one key costs another nothing', async (t) => {
  const clock = manualClock()
  const meter = createQuotaMeter({ perSecond: 1, burst: 1 }, clock)
  for (let asked = 0; asked < 100; asked += 1) t.equal(meter.waitMs('a', 1), 0)
  meter.take('a', 1)
  t.equal(meter.waitMs('a', 1), 1_000)
  t.equal(meter.waitMs('b', 1), 0)
})

t.test('a quiet time saves up no more than may come at once', async (t) => {
  const clock = manualClock()
  const meter = createQuotaMeter({ perSecond: 5, burst: 10 }, clock)
  clock.advance(86_400_000)
  meter.take('a', 10)
  t.equal(meter.waitMs('a', 1), 200)
})

t.test('keys whose bucket is full again are forgotten, so that a day of many callers fills no memory', async (t) => {
  const clock = manualClock()
  const meter = createQuotaMeter({ perSecond: 100, burst: 100 }, clock)
  for (let caller = 0; caller < 100_000; caller += 1) {
    meter.take(`caller-${caller}`, 1)
    clock.advance(1)
  }
  t.ok(meter.keys <= 2_048, `${meter.keys} of 100,000 are remembered`)
})
