import t from 'tap'
import type { ClinicWriter } from '../../services/access/clinic-writer.ts'
import { createPinnedReading, type Pin, type Steps } from '../../services/access/pinned-reading.ts'
import { emptyState } from '../../services/access/state.ts'
import type { CallContext } from '../../services/kernel/caller.ts'
import { fault } from '../support/fault.ts'

/** A clinic whose state a test moves, and a clock that goes on a millisecond with every look. */
const reading = (options: { readonly deadline?: number; readonly signal?: AbortSignal } = {}) => {
  const state = emptyState()
  state.revision = 5n
  let ticks = 0
  const clock = { wall: () => 0, monotonic: () => (ticks += 1) }
  const pinned = createPinnedReading({ clock, now: () => 1_000, sliceMs: 10 })
  const context = { deadline: options.deadline ?? Number.POSITIVE_INFINITY, signal: options.signal ?? new AbortController().signal }
  return {
    state,
    read: <Result>(steps: Steps<Result>, pin?: Pin) => pinned(context as CallContext, { state } as ClinicWriter, pin, steps),
  }
}

const counting = (to: number, at: (step: number) => void = () => undefined): Steps<number> =>
  function* () {
    for (let step = 0; step < to; step += 1) {
      at(step)
      yield
    }
    return to
  }

t.test('a long computation lets others have their turn', async (t) => {
  const { read } = reading()
  let turns = 0
  const timer = setInterval(() => (turns += 1), 0)
  const ends = new Promise<void>((resolve) => setImmediate(resolve))
  let endedDuring = false
  void ends.then(() => (endedDuring = true))
  t.same(await read(counting(200)), { result: 200, revision: 5n, time: 1_000 })
  clearInterval(timer)
  t.ok(endedDuring, 'what was due is done before the end')
})

t.test('once the state has moved it begins anew, on the new state', async (t) => {
  const { read, state } = reading()
  let begun = 0
  const steps: Steps<number> = function* () {
    begun += 1
    for (let step = 0; step < 50; step += 1) {
      if (begun === 1 && step === 20) queueMicrotask(() => (state.revision = 6n))
      yield
    }
    return begun
  }
  t.same(await read(steps), { result: 2, revision: 6n, time: 1_000 })
})

t.test('a pinned one rests on its state and time, or is outdated', async (t) => {
  const { read, state } = reading()
  t.same(await read(counting(3), { revision: 5n, time: 7 }), { result: 3, revision: 5n, time: 7 })
  const moving = counting(50, (step) => {
    if (step === 20) queueMicrotask(() => (state.revision = 6n))
  })
  await t.rejects(read(moving, { revision: 5n, time: 7 }), fault('PAGE_OUTDATED'))
  await t.rejects(read(counting(3), { revision: 5n, time: 7 }), fault('PAGE_OUTDATED'))
})

t.test('it ends when nobody waits any more', async (t) => {
  await t.rejects(reading({ deadline: 100 }).read(counting(10_000)), fault('DEADLINE_EXCEEDED'))
  const gone = new AbortController()
  const steps = counting(10_000, (step) => {
    if (step === 5) gone.abort()
  })
  await t.rejects(reading({ signal: gone.signal }).read(steps), fault('CALL_CANCELLED'))
})
