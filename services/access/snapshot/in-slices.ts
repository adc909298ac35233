import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../kernel/clock.ts'

/** Runs a long piece of work step by step, letting everything else have its turn whenever `sliceMs` milliseconds (default 4) have passed. */
export const inSlices = async <Result>(steps: Iterator<unknown, Result>, clock: Clock, sliceMs = 4): Promise<Result> => {
  let started = clock.monotonic()
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return step.value
    if (clock.monotonic() - started < sliceMs) continue
    await setImmediate()
    started = clock.monotonic()
  }
}
