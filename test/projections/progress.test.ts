import t from 'tap'
import { systemClock } from '../../services/kernel/clock.ts'
import { createProgress } from '../../services/projections/progress.ts'
import { fault } from '../support/fault.ts'

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
