/** Waiting for something that nobody announces: however many wait for a clinic, one of them looks. */
import { pause } from '../../../kernel/pause.ts'

export interface SharedPollOptions<Found> {
  readonly look: (clinic: string) => Promise<Found>
  /** Milliseconds between two looks. */
  readonly pollMs: number
}

/** Resolves with the first that is enough; looks after a pause, not at once. Rejects with what a look throws, and when the signal aborts. */
export type SharedPoll<Found> = (clinic: string, enough: (found: Found) => boolean, signal: AbortSignal) => Promise<Found>

interface Waiter<Found> {
  readonly enough: (found: Found) => boolean
  readonly resolve: (found: Found) => void
  readonly reject: (thrown: unknown) => void
}

interface Round<Found> {
  readonly waiters: Set<Waiter<Found>>
  readonly nobody: AbortController
}

export const createSharedPoll = <Found>({ look, pollMs }: SharedPollOptions<Found>): SharedPoll<Found> => {
  const rounds = new Map<string, Round<Found>>()

  const leave = (clinic: string, round: Round<Found>, waiter: Waiter<Found>): void => {
    round.waiters.delete(waiter)
    if (round.waiters.size > 0) return
    round.nobody.abort()
    if (rounds.get(clinic) === round) rounds.delete(clinic)
  }

  const run = async (clinic: string, round: Round<Found>): Promise<void> => {
    while (round.waiters.size > 0) {
      await pause(pollMs, round.nobody.signal)
      if (round.nobody.signal.aborted) return
      // Whoever comes while it looks waits for the next look.
      const waiting = [...round.waiters]
      try {
        const found = await look(clinic)
        for (const waiter of waiting) if (waiter.enough(found)) waiter.resolve(found)
      } catch (thrown) {
        for (const waiter of waiting) waiter.reject(thrown)
      }
    }
  }

  return (clinic, enough, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const round = rounds.get(clinic) ?? { waiters: new Set(), nobody: new AbortController() }
      const over = (): void => {
        signal.removeEventListener('abort', cancelled)
        leave(clinic, round, waiter)
      }
      const waiter: Waiter<Found> = {
        enough,
        resolve: (found) => {
          over()
          resolve(found)
        },
        reject: (thrown) => {
          over()
          reject(thrown)
        },
      }
      const cancelled = (): void => waiter.reject(signal.reason)
      signal.addEventListener('abort', cancelled, { once: true })
      round.waiters.add(waiter)
      if (rounds.get(clinic) === round) return
      rounds.set(clinic, round)
      void run(clinic, round)
    })
}
