import t from 'tap'
import { type AdmissionOptions, type AdmissionRefusal, createAdmission, leastUnderWay } from '../../../services/kernel/calls/admission.ts'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { caught } from '../../support/caught.ts'
import { manualClock } from '../../support/manual-clock.ts'

const software = (id: string) => ({ issuer: 'https://idp.example', id })

const setUp = (options: Partial<AdmissionOptions> = {}) => {
  const clock = manualClock()
  const refused: [AdmissionRefusal, number][] = []
  const admission = createAdmission({ maxUnderWay: 100, clock, onRefused: (cause, units) => refused.push([cause, units]), ...options })
  /** What lets it out, or the error. */
  const enter = (caller: string, clinic: string, units = 1): (() => void) | ChartwardenError => {
    try {
      return admission.enter({ caller: software(caller), clinic, units })
    } catch (thrown) {
      if (thrown instanceof ChartwardenError) return thrown
      throw thrown
    }
  }
  return { admission, clock, refused, enter }
}

t.test('one clinic gets half of an empty room, the next finds the rest', async (t) => {
  const { admission, refused, enter } = setUp()
  for (let unit = 0; unit < 50; unit += 1) t.type(enter('a', 'north'), 'function')
  t.match(enter('a', 'north'), { reason: 'OVERLOADED', retryAfterSeconds: 1 })
  t.type(enter('a', 'south', 50), 'function')
  t.match(enter('a', 'east'), { reason: 'OVERLOADED' })
  t.strictSame(refused, [
    ['clinic_share', 1],
    ['room', 1],
  ])
  t.equal(admission.underWay, 100)
})

t.test('where work takes long, a clinic that sends nothing but the largest batches still leaves half of the room', async (t) => {
  const { admission, clock, enter } = setUp({ maxUnderWay: 2_048 })
  const leaving = Array.from({ length: leastUnderWay }, (_, clinic) => enter('a', `clinic-${clinic}`) as () => void)
  clock.advance(60_000)
  for (const leave of leaving) leave()
  t.equal(admission.limit, leastUnderWay)
  t.type(enter('a', 'greedy', 512), 'function')
  t.match(enter('a', 'greedy', 512), { reason: 'OVERLOADED' })
  for (let unit = 0; unit < 100; unit += 1) t.type(enter('a', 'modest'), 'function')
})

t.test('what is done makes room', async (t) => {
  const { admission, enter } = setUp()
  const leave = enter('a', 'north', 100) as () => void
  t.match(enter('a', 'south'), { reason: 'OVERLOADED' })
  leave()
  t.equal(admission.underWay, 0)
  t.type(enter('a', 'south'), 'function')
})

t.test('a caller has one quota over all clinics, a clinic one over all callers', async (t) => {
  const { clock, refused, enter } = setUp({ callerQuota: { perSecond: 2, burst: 4 }, clinicQuota: { perSecond: 1, burst: 6 } })
  t.type(enter('a', 'north', 3), 'function')
  t.type(enter('a', 'south'), 'function')
  t.match(enter('a', 'east'), { reason: 'QUOTA_EXCEEDED', retryAfterSeconds: 0.5, metadata: { quota: 'caller' } })
  t.type(enter('b', 'north', 3), 'function')
  t.match(enter('b', 'north'), { reason: 'QUOTA_EXCEEDED', retryAfterSeconds: 1, metadata: { quota: 'clinic' } })
  t.type(enter('b', 'south'), 'function')
  clock.advance(1_000)
  t.type(enter('b', 'north'), 'function')
  t.strictSame(refused, [
    ['caller_quota', 1],
    ['clinic_quota', 1],
  ])
})

t.test('callers of the same name from two issuers are two', async (t) => {
  const { admission } = setUp({ callerQuota: { perSecond: 1, burst: 1 } })
  const enter = (issuer: string) => () => admission.enter({ caller: { issuer, id: 'a' }, clinic: 'north', units: 1 })
  t.doesNotThrow(enter('https://one.example'))
  t.doesNotThrow(enter('https://other.example'))
  t.throws(enter('https://one.example'))
})

t.test('what is refused counts against no quota, whatever refused it', async (t) => {
  const { clock, enter } = setUp({ callerQuota: { perSecond: 1, burst: 10 }, clinicQuota: { perSecond: 1, burst: 5 } })
  const inTheWay = enter('other', 'far-away', 100) as () => void
  for (let asked = 0; asked < 20; asked += 1) t.match(enter('a', 'north', 5), { reason: 'OVERLOADED' })
  inTheWay()
  t.type(enter('a', 'north', 5), 'function')
  for (let asked = 0; asked < 20; asked += 1) t.match(enter('a', 'north'), { metadata: { quota: 'clinic' } })
  t.type(enter('a', 'south', 5), 'function', 'half of the caller’s quota is still there')
  t.match(enter('a', 'west'), { metadata: { quota: 'caller' } })
  clock.advance(5_000)
  t.type(enter('a', 'north', 5), 'function')
})

t.test('items of streams wait in the lines of their clinics, which take turns', async (t) => {
  const { admission, refused, enter } = setUp({ maxUnderWay: 4 })
  const leaving = [enter('a', 'north', 2), enter('b', 'south', 2)] as (() => void)[]
  const entered: string[] = []
  const leaves: (() => void)[] = []
  const wait = async (clinic: string, name: string): Promise<void> => {
    leaves.push(await admission.enterInTurn({ caller: software('a'), clinic }))
    entered.push(name)
  }
  const waiting = [wait('east', 'east 1'), wait('east', 'east 2'), wait('west', 'west 1')]
  await Promise.resolve()
  t.strictSame(entered, [])
  for (const leave of leaving) leave()
  await Promise.all([waiting[0], waiting[2]])
  t.strictSame(entered, ['east 1', 'west 1'], 'not both of one clinic first, and none beyond its share')
  for (const leave of leaves.splice(0)) leave()
  await Promise.all(waiting)
  for (const leave of leaves) leave()
  t.equal(admission.underWay, 0)
  t.strictSame(refused, [], 'nothing was refused')
})

t.test('beyond its quota an item of a stream is refused at once', async (t) => {
  const { admission, refused } = setUp({ callerQuota: { perSecond: 1, burst: 1 } })
  const ask = () => admission.enterInTurn({ caller: software('a'), clinic: 'north' })
  await ask()
  t.match(await caught(ask()), { reason: 'QUOTA_EXCEEDED' })
  t.strictSame(refused, [['caller_quota', 1]])
})
