import type { Clock } from '../kernel/clock.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { pause } from '../kernel/pause.ts'
import { createSharedLooks } from '../kernel/shared-looks.ts'

/** How far the read models of each clinic have come, for whoever waits for a revision. */
export interface Progress {
  /** The runner of this process has committed a clinic's read models up to a revision. */
  advanced(clinic: string, revision: bigint): void
  /**
   * Returns once the read models of the clinic are complete to the revision: at once when this process brings them there, within a second
   * when another replica does. All who wait for a clinic share their looks at the database. Throws DEADLINE_EXCEEDED when the deadline (a
   * reading of the monotonic clock, in milliseconds) passes first, CALL_CANCELLED when the signal aborts.
   */
  waitFor(clinic: string, revision: bigint, deadline: number, signal: AbortSignal): Promise<void>
}

export interface ProgressOptions {
  /** Reads a clinic's committed progress; undefined when it has none. */
  readonly read: (clinic: string, deadline: number) => Promise<bigint | undefined>
  readonly clock: Clock
}

/** Milliseconds between two looks at the database: short at first, since most waiters are a moment early. */
const firstPoll = 25
const longestPoll = 1_000
/** For how long a look is worth waiting for, whoever shares it, in milliseconds. */
const longestLook = 10_000

export const createProgress = ({ read, clock }: ProgressOptions): Progress => {
  const look = createSharedLooks((clinic: string) =>
    read(clinic, clock.monotonic() + longestLook).catch((thrown) => {
      // The look's own time is over, not that of whoever waits.
      if (thrown instanceof ChartwardenError && thrown.reason === 'DEADLINE_EXCEEDED') return undefined
      throw thrown
    }),
  )

  /** Answers undefined when the time is over or the caller has gone; the look goes on for the others. */
  const lookWithin = async (clinic: string, milliseconds: number, signal: AbortSignal): Promise<bigint | undefined> => {
    const enough = new AbortController()
    const found = look(clinic)
    try {
      const over = AbortSignal.any([signal, enough.signal])
      return await Promise.race([found, pause(Math.min(milliseconds, longestLook), over).then(() => undefined)])
    } finally {
      enough.abort()
      found.catch(() => {})
    }
  }

  const waiting = new Map<string, Set<{ readonly revision: bigint; readonly wake: () => void }>>()

  /** Until the clinic has advanced, the time is over, or the caller has gone. */
  const sleep = async (clinic: string, revision: bigint, milliseconds: number, signal: AbortSignal): Promise<void> => {
    const woken = new AbortController()
    const waiter = { revision, wake: () => woken.abort() }
    const waiters = waiting.get(clinic) ?? new Set()
    waiting.set(clinic, waiters.add(waiter))
    try {
      await pause(milliseconds, AbortSignal.any([signal, woken.signal]))
    } finally {
      waiters.delete(waiter)
      if (waiters.size === 0 && waiting.get(clinic) === waiters) waiting.delete(clinic)
    }
  }

  return {
    advanced: (clinic, revision) => {
      for (const waiter of waiting.get(clinic) ?? []) if (waiter.revision <= revision) waiter.wake()
    },
    waitFor: async (clinic, revision, deadline, signal) => {
      for (let poll = firstPoll; ; poll = Math.min(poll * 2, longestPoll)) {
        if (clock.monotonic() >= deadline) throw new ChartwardenError('DEADLINE_EXCEEDED')
        if (signal.aborted) throw new ChartwardenError('CALL_CANCELLED')
        const reached = await lookWithin(clinic, deadline - clock.monotonic(), signal)
        if (reached !== undefined && reached >= revision) return
        await sleep(clinic, revision, Math.max(1, Math.min(poll, deadline - clock.monotonic())), signal)
      }
    },
  }
}
