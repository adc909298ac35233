/**
 * Long computations over a clinic's state. They are cut into slices so that other calls are answered in between, and rest on one state
 * from beginning to end: the state changes in place, so once it has moved a computation begins anew.
 */
import { setImmediate } from 'node:timers/promises'
import type { CallContext } from '../kernel/caller.ts'
import type { Clock } from '../kernel/clock.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import type { ClinicState } from './state.ts'

export interface PinnedReadingOptions {
  readonly clock: Clock
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
  /** How long one slice may take before others get their turn, in milliseconds. Defaults to 10. */
  readonly sliceMs?: number
}

/** The state and moment that every part of an answer rests on. */
export interface Pin {
  readonly revision: bigint
  /** Milliseconds since the epoch. */
  readonly time: number
}

/** Steps of a computation: each `yield` is a place where it may be interrupted. It must not keep what it read across a new beginning. */
export type Steps<Result> = (state: ClinicState, time: number) => Generator<void, Result>

/**
 * Runs a computation on the state as it is, or, with a pin, on that state and at that time. Throws PAGE_OUTDATED when the state is no
 * longer the pinned one, DEADLINE_EXCEEDED or CALL_CANCELLED when nobody waits any more.
 */
export type PinnedReading = <Result>(
  context: CallContext,
  clinic: { readonly state: ClinicState },
  pin: Pin | undefined,
  steps: Steps<Result>,
) => Promise<Pin & { readonly result: Result }>

/** Throws when nobody waits for the answer any more. */
export const stillWanted = ({ deadline, signal }: CallContext, clock: Clock): void => {
  if (signal.aborted) throw new ChartwardenError('CALL_CANCELLED')
  if (clock.monotonic() > deadline) throw new ChartwardenError('DEADLINE_EXCEEDED')
}

export const createPinnedReading = ({ clock, now, sliceMs = 10 }: PinnedReadingOptions): PinnedReading => {
  return async (context, { state }, pin, steps) => {
    for (;;) {
      if (pin !== undefined && state.revision !== pin.revision) throw new ChartwardenError('PAGE_OUTDATED')
      const { revision } = state
      const time = pin?.time ?? now()
      const running = steps(state, time)
      let sliceEnds = clock.monotonic() + sliceMs
      while (state.revision === revision) {
        const step = running.next()
        if (step.done === true) return { revision, time, result: step.value }
        if (clock.monotonic() < sliceEnds) continue
        stillWanted(context, clock)
        await setImmediate()
        sliceEnds = clock.monotonic() + sliceMs
      }
    }
  }
}
