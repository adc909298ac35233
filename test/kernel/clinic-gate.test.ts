import fc from 'fast-check'
import t from 'tap'
import { type ClinicGateOptions, createClinicGate, type Wanted, type Weight } from '../../services/kernel/clinic-gate.ts'
import { caught } from '../support/caught.ts'
import { fault } from '../support/fault.ts'
import { manualClock } from '../support/manual-clock.ts'
import { manualTimers } from '../support/manual-timers.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const forEver: Wanted = { deadline: Number.POSITIVE_INFINITY }

/** A gate whose work goes on until it is told to end. */
const gated = (limits: Omit<ClinicGateOptions, 'clock' | 'timers'>) => {
  const clock = manualClock()
  const timers = manualTimers()
  const gate = createClinicGate({ ...limits, clock, timers })
  const running: { readonly clinic: string; readonly weight: Weight; readonly end: () => void }[] = []
  const run = (clinic: string, weight: Weight = 'light', wanted = forEver): Promise<void> =>
    gate.run(clinic, weight, wanted, async () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const one = { clinic, weight, end: resolve }
      running.push(one)
      await promise
      running.splice(running.indexOf(one), 1)
    })
  const names = () => running.map(({ clinic }) => clinic).join(' ')
  const endAll = async (): Promise<void> => {
    while (running.length > 0) {
      running[0]?.end()
      await turn()
    }
  }
  return { clock, timers, run, running, names, endAll }
}

t.test('one clinic has its share and no more, and another is let in at once', async (t) => {
  const { run, names, endAll } = gated({ places: 4, clinicPlaces: 2 })
  const all = [...Array.from({ length: 5 }, () => run('north')), run('south')]
  await turn()
  t.equal(names(), 'north north south')
  await endAll()
  await Promise.all(all)

  const twin = gated({ places: 4, clinicPlaces: 4 })
  const shut = [...Array.from({ length: 5 }, () => twin.run('north')), twin.run('south')]
  await turn()
  t.equal(twin.names(), 'north north north north', 'the twin: without a share the other clinic waits for all of it')
  await twin.endAll()
  await Promise.all(shut)
})

t.test('where more is wanted than there is, clinics take turns', async (t) => {
  const { run, running, names, endAll } = gated({ places: 2, clinicPlaces: 2 })
  const all = ['north', 'north', 'north', 'north', 'south', 'west'].map((clinic) => run(clinic))
  await turn()
  const seen = [names()]
  for (let ended = 0; ended < 3; ended += 1) {
    running[0]?.end()
    await turn()
    seen.push(names())
  }
  t.same(seen, ['north north', 'north south', 'south west', 'west north'], 'whoever has had a turn waits for the others')
  await endAll()
  await Promise.all(all)
})

t.test('heavy work has a smaller share, of its clinic and of all, and light work does not wait behind it', async (t) => {
  const { run, names, running, endAll } = gated({ places: 8, clinicPlaces: 4, clinicHeavyPlaces: 2, heavyPlaces: 3 })
  const all = [...Array.from({ length: 6 }, () => run('north', 'heavy')), run('north'), run('south', 'heavy'), run('south', 'heavy')]
  await turn()
  t.equal(names(), 'north north north south')
  t.same(
    running.map(({ weight }) => weight),
    ['heavy', 'heavy', 'light', 'heavy'],
  )
  await endAll()
  await Promise.all(all)
})

t.test('as much waits as may, and the rest is told when to call again', async (t) => {
  const { run, endAll } = gated({ places: 1, clinicWaiting: 2 })
  const all = [run('north'), run('north'), run('north')]
  const refused = await caught(run('north'))
  t.match(refused, { reason: 'OVERLOADED', retryAfterSeconds: 1 })
  t.match(await caught(Promise.all([run('north', 'heavy'), run('north', 'heavy'), run('north', 'heavy')])), { retryAfterSeconds: 5 })
  const other = run('south')
  await endAll()
  await Promise.all([...all, other])
})

t.test('waiting ends with the deadline or the caller, and leaves no trace', async (t) => {
  const { run, running, clock, timers, names, endAll } = gated({ places: 1 })
  const first = run('north')
  const late = run('north', 'light', { deadline: clock.monotonic() + 100 })
  const gone = new AbortController()
  const left = run('north', 'light', { ...forEver, signal: gone.signal })
  const last = run('north')
  t.same(timers.pending(), [100])
  timers.runAll()
  gone.abort()
  await t.rejects(late, fault('DEADLINE_EXCEEDED'))
  await t.rejects(left, fault('CALL_CANCELLED'))
  await t.rejects(run('north', 'light', { ...forEver, signal: gone.signal }), fault('CALL_CANCELLED'))
  await t.rejects(run('north', 'light', { deadline: clock.monotonic() }), fault('DEADLINE_EXCEEDED'))
  t.equal(names(), 'north')
  running[0]?.end()
  await first
  await turn()
  t.equal(running.length, 1, 'the next one has the place')
  await endAll()
  await last
})

t.test('work that fails gives its place back', async (t) => {
  const gate = createClinicGate({ places: 1, clock: manualClock() })
  for (let attempt = 0; attempt < 3; attempt += 1) {
    await t.rejects(
      gate.run('north', 'light', forEver, () => Promise.reject(new Error('broken'))),
      { message: 'broken' },
    )
  }
  t.equal(await gate.run('south', 'heavy', forEver, async () => 'done'), 'done')
})

t.test('whatever comes and goes, no bound is passed and everybody is served', async () => {
  const wants = fc.array(fc.record({ clinic: fc.constantFrom('a', 'b', 'c'), weight: fc.constantFrom<Weight>('light', 'heavy') }))
  await fc.assert(
    fc.asyncProperty(wants, fc.scheduler(), async (all, scheduler) => {
      const gate = createClinicGate({
        places: 3,
        clinicPlaces: 2,
        heavyPlaces: 2,
        clinicHeavyPlaces: 1,
        clinicWaiting: 1_000,
        clock: manualClock(),
      })
      const running: { clinic: string; weight: Weight }[] = []
      const most = (count: number, matches: (one: { clinic: string; weight: Weight }) => boolean) => running.filter(matches).length <= count
      const done = all.map((one) =>
        gate.run(one.clinic, one.weight, forEver, async () => {
          running.push(one)
          const heavy = ({ weight }: { weight: Weight }) => weight === 'heavy'
          const own = ({ clinic }: { clinic: string }) => clinic === one.clinic
          if (!most(3, () => true) || !most(2, own) || !most(2, heavy) || !most(1, (other) => own(other) && heavy(other))) {
            throw new Error('a bound is passed')
          }
          await scheduler.schedule(Promise.resolve())
          running.splice(running.indexOf(one), 1)
        }),
      )
      await scheduler.waitFor(Promise.all(done))
    }),
  )
})
