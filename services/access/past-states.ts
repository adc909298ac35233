/** The clinic as it was at a past moment, folded anew from its ledger: what answers questions about the past without any second record. */
import type { Ledger } from '../audit/ledger.ts'
import type { CallContext } from '../kernel/caller.ts'
import type { Clock } from '../kernel/clock.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { createExpiringCache } from '../kernel/expiring-cache.ts'
import type { ClinicWriter } from './clinic-writer.ts'
import { decodeStateEntry } from './event-codec.ts'
import { stillWanted } from './pinned-reading.ts'
import { type ClinicState, emptyState, evolve } from './state.ts'

/** What reads of a clinic rest on: the state as it is, or as it was. */
export type ClinicView = Pick<ClinicWriter, 'clinic' | 'vault' | 'state'>

/** A view, and the moment for which questions are answered on it, in milliseconds since the epoch. */
export interface Moment {
  readonly view: ClinicView
  readonly time: number
}

export interface PastStatesOptions {
  readonly ledger: Pick<Ledger, 'readState'>
  readonly clock: Clock
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
}

export interface PastStates {
  /**
   * Throws INVALID_ARGUMENT for a moment still to come or from before the clinic was registered. Apart from `at`, so that it can be asked
   * before the reading is recorded. Undefined: now.
   */
  check(clinic: string, asOf: number | undefined): Promise<void>
  /**
   * The clinic at `asOf`: after the entries before the first state-changing one with a later time. Replicas read the ledger's clock with
   * differences of milliseconds, so that an entry may bear an earlier time than the one before it. Cut at the last entry with a time up to
   * `asOf`, a state would hold changes from after the moment, a permission too early; with entries chosen by time alone, it would be one that
   * never was, a revocation without its grant. Cut here it was the state once, and within that difference a change falls on either side. Throws DEADLINE_EXCEEDED or CALL_CANCELLED
   * when nobody waits any more. Costs one pass over the state-changing entries up to then.
   */
  at(context: CallContext, clinic: ClinicView, asOf: number): Promise<Moment>
}

/** States kept for the next page of the same question; each may be as large as the clinic's own. */
const keptStates = 4
const keptMs = 60_000
/** An entry stamped with a time may be stored this much later: a state younger than that is not kept. Milliseconds. */
const settlingMs = 60_000

const notAnswerable = (description: string): ChartwardenError =>
  new ChartwardenError('INVALID_ARGUMENT', { fields: [{ field: 'as_of', description }] })

export const createPastStates = ({ ledger, clock, now }: PastStatesOptions): PastStates => {
  const kept = createExpiringCache<string, ClinicState>({ max: keptStates, ttlMs: keptMs, clock })

  const fold = async (context: CallContext, clinic: string, asOf: number): Promise<ClinicState> => {
    const state = emptyState()
    for await (const entry of ledger.readState(clinic, 0n)) {
      stillWanted(context, clock)
      const event = decodeStateEntry(entry)
      if (event.time > asOf) break
      evolve(state, event)
    }
    return state
  }

  return {
    check: async (clinic, asOf) => {
      if (asOf === undefined) return
      if (asOf > now()) throw notAnswerable('must not lie ahead of the ledger')
      for await (const entry of ledger.readState(clinic, 0n)) {
        if (asOf < decodeStateEntry(entry).time) throw notAnswerable('lies before the clinic was registered')
        return
      }
    },
    at: async (context, { clinic, vault }, asOf) => {
      const key = `${clinic}/${asOf}`
      const known = kept.get(key)
      if (known !== undefined) return { view: { clinic, vault, state: known }, time: asOf }
      const asked = clock.monotonic()
      const state = await fold(context, clinic, asOf)
      if (asOf <= now() - settlingMs) kept.set(key, state, asked)
      return { view: { clinic, vault, state }, time: asOf }
    },
  }
}
