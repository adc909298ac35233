import t from 'tap'
import { systemClock } from '../../services/kernel/clock.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { createProgress } from '../../services/projections/progress.ts'
import { fault } from '../support/fault.ts'
import { waitFor } from '../support/wait-for.ts'

/** Waiting never keeps a process alive; here nothing else does. */
const alive = setInterval(() => {}, 1_000)
t.teardown(() => clearInterval(alive))

const forever = new AbortController().signal
const soon = (milliseconds: number) => systemClock.monotonic() + milliseconds

t.test('whoever waits is woken by the runner of this process and looks again', async (t) => {
  let complete = 4n
  let looks = 0
  const progress = createProgress({
    read: async () => {
      looks += 1
      return complete
    },
    clock: systemClock,
  })
  await progress.waitFor('north', 4n, soon(5_000), forever)
  t.equal(looks, 1, 'what is there already is answered at once')
  let done = false
  const waiting = progress.waitFor('north', 6n, soon(20_000), forever).then(() => {
    done = true
  })
  progress.advanced('south', 9n)
  progress.advanced('north', 5n)
  t.notOk(done)
  complete = 6n
  progress.advanced('north', 6n)
  await waiting
})

t.test('another replica is noticed by looking at the database', async (t) => {
  let looks = 0
  const progress = createProgress({
    read: async () => {
      looks += 1
      return looks < 4 ? undefined : 0n
    },
    clock: systemClock,
  })
  await progress.waitFor('north', 0n, soon(20_000), forever)
  t.equal(looks, 4)
})

t.test('waiting ends with the deadline or the caller', async (t) => {
  const progress = createProgress({ read: async () => 1n, clock: systemClock })
  await t.rejects(progress.waitFor('north', 2n, soon(60), forever), fault('DEADLINE_EXCEEDED'))
  await t.rejects(progress.waitFor('north', 1n, soon(-1), forever), fault('DEADLINE_EXCEEDED'))
  const gone = new AbortController()
  const waiting = progress.waitFor('north', 2n, Number.POSITIVE_INFINITY, gone.signal)
  gone.abort()
  await t.rejects(waiting, fault('CALL_CANCELLED'))
})

t.test('all who wait for a clinic share their looks, and nobody is answered by one begun before', async (t) => {
  let complete = 0n
  const begun: { readonly clinic: string; readonly end: () => void }[] = []
  const progress = createProgress({
    read: (clinic) => {
      const found = complete
      return new Promise((resolve) => begun.push({ clinic, end: () => resolve(found) }))
    },
    clock: systemClock,
  })
  const wait = (clinic: string) => progress.waitFor(clinic, 1n, soon(20_000), forever)
  const all = [wait('north'), wait('north'), wait('north'), wait('south')]
  t.same(
    begun.map(({ clinic }) => clinic),
    ['north', 'south'],
    'one look of each clinic at a time',
  )
  complete = 1n
  const late = wait('north')
  begun[0]?.end()
  await waitFor('the next look', () => begun.length === 3)
  t.equal(begun[2]?.clinic, 'north')
  begun[2]?.end()
  await late
  t.equal(begun.length, 3, 'what it found is the answer of all who asked while the first was under way')
  begun[1]?.end()
  for (let next = 3; ; next += 1) {
    if (await Promise.race([Promise.all(all).then(() => true), waitFor('a look', () => begun.length > next).then(() => false)])) break
    begun[next]?.end()
  }
})

t.test('a look that ends by itself is no end of the waiting, and one that hangs ends with its waiter', async (t) => {
  let looks = 0
  const progress = createProgress({
    read: async () => {
      looks += 1
      if (looks === 1) throw new ChartwardenError('DEADLINE_EXCEEDED')
      return 1n
    },
    clock: systemClock,
  })
  await progress.waitFor('north', 1n, soon(20_000), forever)
  t.equal(looks, 2)
  const hanging = createProgress({ read: () => new Promise(() => {}), clock: systemClock })
  await t.rejects(hanging.waitFor('north', 1n, soon(60), forever), fault('DEADLINE_EXCEEDED'))
  const gone = new AbortController()
  const waiting = hanging.waitFor('north', 1n, soon(60_000), gone.signal)
  gone.abort()
  await t.rejects(waiting, fault('CALL_CANCELLED'))
})
