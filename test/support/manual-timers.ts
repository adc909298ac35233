import type { Timers } from '../../services/kernel/timers.ts'

export interface ManualTimers extends Timers {
  /** Delays asked for and neither run nor cancelled. */
  pending(): readonly number[]
  /** Runs everything asked for so far, whatever its delay. */
  runAll(): void
}

/** Timers that run when they are told to. */
export const manualTimers = (): ManualTimers => {
  const waiting = new Map<symbol, { milliseconds: number; run: () => void }>()
  return {
    after: (milliseconds, run) => {
      const id = Symbol('timer')
      waiting.set(id, { milliseconds, run })
      return () => waiting.delete(id)
    },
    pending: () => [...waiting.values()].map(({ milliseconds }) => milliseconds),
    runAll: () => {
      for (const [id, { run }] of [...waiting]) {
        if (waiting.delete(id)) run()
      }
    },
  }
}
