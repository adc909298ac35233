/**
 * What became of an append whose answer was lost: the connection died, or the ledger did not answer in time, after it was sent. The append is
 * sent again as it is, under the same ids, until the ledger answers: only there are ids and order judged together, so that neither a copy
 * still on its way nor another process can make a second entry of it. Entries found there with the very bytes that were sent (each holds a
 * salt of its own) are its own.
 *
 * It stands around the batcher, not under it: nothing that comes after waits for what is being found out.
 */
import type { Clock } from '../kernel/clock.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { systemTimers, type Timers } from '../kernel/timers.ts'
import type { Append, AppendOutcome, Ledger, LedgerEngine } from './ledger.ts'

/**
 * `found`: its ids had been stored, by the try whose answer was lost or by an earlier request. `appended`: they had not, and are now.
 * `refused`: they had not, and the ledger does not take them now (it is to be decided again). `unknown`: given up.
 */
export const settlements = ['found', 'appended', 'refused', 'unknown'] as const

export type Settlement = (typeof settlements)[number]

export interface SettleUnknownOptions {
  /** Answers LEDGER_UNAVAILABLE, with the engine's fault as its cause, for what failed. */
  readonly ledger: Ledger
  /** Which faults are none of this: nothing was stored. */
  readonly engine: Pick<LedgerEngine, 'storedNothing'>
  readonly clock: Clock
  readonly timers?: Timers
  /** For how long it is tried to find out, from the fault on; an append's own deadline ends it earlier. Milliseconds, default 5,000. */
  readonly maxMs?: number
  /** Told of every append whose answer was lost, once; must not throw. */
  readonly onSettled?: ((settlement: Settlement) => void) | undefined
}

/** Between tries, in milliseconds: the first follows at once, then each pause is twice the one before. */
const shortestPause = 25
const longestPause = 400

const isFault = (thrown: unknown, ...reasons: readonly ChartwardenError['reason'][]): thrown is ChartwardenError =>
  thrown instanceof ChartwardenError && reasons.includes(thrown.reason)

/**
 * The outcome as the first try would have had it. Where the state has moved on since, or the moment has come that the append names, its own
 * entries stay a duplicate: whoever asked decides whether they still hold, as for any request that comes again, and no permit is handed out
 * after its end.
 */
const asSent = (append: Append, outcome: AppendOutcome): AppendOutcome => {
  if (outcome.kind !== 'duplicate') return outcome
  const { originals, stateRevision } = outcome
  const own = append.entries.every(({ bytes }, index) => {
    const original = originals[index]
    return original !== undefined && Buffer.compare(original.bytes, bytes) === 0
  })
  const change = originals.findLast((original) => original.stateChanging)?.revision
  const stateThen = change ?? (append.restsOn === 'any' ? stateRevision : append.restsOn)
  const past = append.notAfter !== undefined && outcome.ledgerTime >= append.notAfter
  if (!own || past || stateThen !== stateRevision) return outcome
  return {
    kind: 'stored',
    revisions: originals.map((original) => original.revision),
    stateRevision,
    ledgerTime: originals[0]?.recordedAt ?? outcome.ledgerTime,
  }
}

const settlementOf = (outcome: AppendOutcome): Settlement => {
  if (outcome.kind === 'duplicate') return 'found'
  return outcome.kind === 'stored' ? 'appended' : 'refused'
}

/**
 * A ledger whose `append` is answered LEDGER_UNAVAILABLE only where nothing was stored, or where it could not be found out in time; in the
 * latter case it may still be stored, once. A sent-again append that is refused (`moved`, `stale`) was not stored; it never will be either, unless
 * the ledger's clock goes backwards or, where an append cannot be compared with the ledger's clock (KurrentDB), a copy of it is still on its way.
 */
export const settleUnknown = (options: SettleUnknownOptions): Ledger => {
  const { ledger, engine, clock, timers = systemTimers, maxMs = 5_000, onSettled } = options

  const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => void timers.after(milliseconds, resolve))

  /** Undefined if it was not answered within the time, or cannot be answered now. */
  const answerOf = async (append: Append, withinMs: number): Promise<AppendOutcome | undefined> => {
    const { promise: late, resolve } = Promise.withResolvers<undefined>()
    const cancel = timers.after(withinMs, () => resolve(undefined))
    const answer = ledger.append(append).then(
      // Never sent: it says nothing of what was sent before.
      (outcome) => (outcome.kind === 'stale' && outcome.unsent === true ? undefined : outcome),
      (fault: unknown) => {
        if (isFault(fault, 'LEDGER_UNAVAILABLE', 'OVERLOADED')) return undefined
        throw fault
      },
    )
    // What comes after the time is up is nobody's any more.
    answer.catch(() => {})
    try {
      return await Promise.race([answer, late])
    } finally {
      cancel()
    }
  }

  const settle = async (append: Append, lost: ChartwardenError): Promise<AppendOutcome> => {
    const end = Math.min(clock.monotonic() + maxMs, append.deadline ?? Number.POSITIVE_INFINITY)
    for (let wait = shortestPause; ; wait = Math.min(2 * wait, longestPause)) {
      const left = end - clock.monotonic()
      const outcome = left > 0 ? await answerOf(append, left) : undefined
      if (outcome !== undefined) {
        onSettled?.(settlementOf(outcome))
        return asSent(append, outcome)
      }
      if (clock.monotonic() + wait >= end) throw lost
      await pause(wait)
    }
  }

  const append = async (request: Append): Promise<AppendOutcome> => {
    try {
      return await ledger.append(request)
    } catch (fault) {
      if (!isFault(fault, 'LEDGER_UNAVAILABLE') || engine.storedNothing?.(fault.cause) === true) throw fault
      try {
        return await settle(request, fault)
      } catch (unsettled) {
        onSettled?.('unknown')
        throw isFault(unsettled, 'LEDGER_REGRESSED') ? unsettled : fault
      }
    }
  }

  return { ...ledger, append }
}
