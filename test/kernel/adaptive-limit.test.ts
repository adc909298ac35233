import fc from 'fast-check'
import t from 'tap'
import { type AdaptiveLimit, createAdaptiveLimit } from '../../services/kernel/adaptive-limit.ts'
import { leastUnderWay } from '../../services/kernel/calls/admission.ts'

const targetMs = 1_000
const options = { least: 64, most: 2_048, first: 1_024, targetMs }

interface Seen {
  readonly answered: number
  readonly slowestMs: number
}

/** A service that does one unit after the other is asked ten times as much as it can do for some time; what became of the second half of it. */
const flooded = (limit: AdaptiveLimit, perSecond: number, seconds: number): Seen => {
  const underWay: { readonly began: number; readonly withIt: number }[] = []
  let done = 0
  let answered = 0
  let slowestMs = 0
  const arrivals = Math.ceil(perSecond * 10 * seconds)
  for (let arrival = 0; arrival < arrivals; arrival += 1) {
    const now = (arrival / arrivals) * seconds * 1_000
    // It was never idle: the next unit is done at its turn.
    for (; underWay.length > 0 && ((done + 1) * 1_000) / perSecond <= now; done += 1) {
      const work = underWay.shift() as (typeof underWay)[number]
      const ended = ((done + 1) * 1_000) / perSecond
      limit.learn({ ...work, units: 1, ended })
      if (ended < (seconds * 1_000) / 2) continue
      answered += 1
      slowestMs = Math.max(slowestMs, ended - work.began)
    }
    if (underWay.length < limit.units) underWay.push({ began: now, withIt: underWay.length + 1 })
  }
  return { answered, slowestMs }
}

const keepsTime = (make: () => AdaptiveLimit, slowest = 64) =>
  fc.property(fc.integer({ min: slowest, max: 1_500 }), (perSecond) => {
    const { answered, slowestMs } = flooded(make(), perSecond, 40)
    return slowestMs <= 1.5 * targetMs && answered >= perSecond * 20 * 0.95
  })

t.test('at ten times what a machine of any speed can do, what is let in is done in time, and the machine is kept busy', async () => {
  fc.assert(
    keepsTime(() => createAdaptiveLimit(options)),
    { numRuns: 15 },
  )
})

t.test('the same with the limits of a service, for a machine that does as much in a second as it always lets in', async () => {
  fc.assert(
    keepsTime(() => createAdaptiveLimit({ ...options, least: leastUnderWay, first: leastUnderWay }), leastUnderWay),
    { numRuns: 15 },
  )
})

t.test('sabotage: with a limit that learns nothing, callers of a slow machine wait too long', async (t) => {
  t.ok(fc.check(keepsTime(() => ({ units: options.most, learn: () => undefined }))).failed)
})

const late = { units: 1, withIt: 500, began: 0, ended: 2_000 }

t.test('what was under way together cuts it once', async (t) => {
  const limit = createAdaptiveLimit(options)
  for (let work = 0; work < 500; work += 1) limit.learn({ ...late, ended: 2_000 + work })
  t.equal(limit.units, 250)
  limit.learn({ ...late, withIt: 200, began: 2_001, ended: 4_001 })
  t.equal(limit.units, 100)
})

t.test('a slow call among few says nothing, and it never falls below the least', async (t) => {
  const limit = createAdaptiveLimit(options)
  limit.learn({ ...late, withIt: 63, ended: 60_000 })
  t.equal(limit.units, 1_024)
  limit.learn({ ...late, ended: 600_000 })
  t.equal(limit.units, 64)
})

t.test('it grows again while it is made use of, up to the most, and not by idle calls', async (t) => {
  const limit = createAdaptiveLimit(options)
  limit.learn({ ...late, ended: 600_000 })
  for (let work = 0; work < 100_000; work += 1) limit.learn({ units: 1, withIt: 10, began: 600_001, ended: 600_002 })
  t.equal(limit.units, 64)
  let calls = 0
  for (; limit.units < 2_048; calls += 1) limit.learn({ units: 1, withIt: limit.units, began: 600_001, ended: 600_002 })
  t.ok(calls <= 8_000, `${calls} calls`)
  for (let work = 0; work < 100; work += 1) limit.learn({ units: 50, withIt: 2_000, began: 600_001, ended: 600_002 })
  t.equal(limit.units, 2_048)
})
