/**
 * Says of grants, care-team places, shares, consents and emergencies that they have ended, once their `until` has passed. Off the hot path:
 * no decision waits for it and none depends on it. Two lanes: clinics whose state this process holds are looked at every tick, all others in
 * a slow round, so that the end of a quiet clinic's grants is recorded too.
 */
import { LRUCache } from 'lru-cache'
import type { Ledger } from '../audit/ledger.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { pause } from '../kernel/pause.ts'
import type { ClinicWriter, ClinicWriters } from './clinic-writer.ts'
import { nextEnd } from './expiry/due.ts'
import { createSweep, type SweepOptions } from './expiry/sweep.ts'

export interface ExpiryOptions extends SweepOptions {
  readonly ledger: Pick<Ledger, 'head' | 'clinics'>
  readonly writers: Pick<ClinicWriters, 'kept' | 'visit'>
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
  /** Told of each fault, with the clinic it concerns or undefined for all of them; tried again later. Must not throw. */
  readonly onFault: (error: unknown, clinic: string | undefined) => void
  /** How often clinics held in memory are looked at. An entry comes at most about this and `marginMs` after the end. Milliseconds; defaults to 1,000. */
  readonly tickMs?: number
  /**
   * Other clinics looked at in a second; each costs one look at its head, and a fold where its state has moved since the last round. Defaults
   * to 10. An entry of a clinic nobody asks about comes at most about (clinics / this) seconds and `roundRestMs` after the end.
   */
  readonly clinicsPerSecond?: number
  /** Rest between two rounds over all clinics. Milliseconds; defaults to 60,000. */
  readonly roundRestMs?: number
  /** Rest after a fault of one clinic, doubled up to `longestRetryMs`. Milliseconds; default 1,000 and 300,000. */
  readonly firstRetryMs?: number
  readonly longestRetryMs?: number
}

export interface Expiry {
  /** Returns at once. Without rounds, only the clinics held in memory are looked at, and another process goes the rounds. */
  start(options?: { readonly rounds?: boolean }): void
  /** Finishes the append at hand. */
  stop(): Promise<void>
}

/** What is remembered of a clinic: when something ends next, as of a state revision. */
interface Noted {
  readonly revision: bigint
  readonly nextEnd: number
}

const pageSize = 100
/** More clinics than these are folded once in every round. */
const maxNoted = 100_000

export const createExpiry = (options: ExpiryOptions): Expiry => {
  const { ledger, writers, now, clock, onFault, marginMs = 1_000, tickMs = 1_000, clinicsPerSecond = 10, roundRestMs = 60_000 } = options
  const { firstRetryMs = 1_000, longestRetryMs = 300_000 } = options
  const sweep = createSweep(options)
  const noted = new LRUCache<string, Noted>({ max: maxNoted })
  const faults = new LRUCache<string, { readonly count: number; readonly retryAt: number }>({ max: maxNoted })
  const busy = new Set<string>()
  const stopping = new AbortController()
  const { signal } = stopping
  let lanes: readonly Promise<void>[] = []

  const hasEnded = (moment: number): boolean => moment + marginMs <= now()

  /** The next end is looked for once for each state, however often it is asked for. */
  const note = ({ clinic, state }: ClinicWriter): Noted => {
    const known = noted.get(clinic)
    if (known !== undefined && known.revision === state.revision) return known
    const fresh = { revision: state.revision, nextEnd: nextEnd(state) }
    noted.set(clinic, fresh)
    return fresh
  }

  const sweepIfEnded = async (writer: ClinicWriter): Promise<void> => {
    if (!hasEnded(note(writer).nextEnd)) return
    await sweep(writer, signal)
    note(writer)
  }

  /** Undefined for a ledger that was imported without its keys: nothing is recorded in it. */
  const served = async (clinic: string): Promise<ClinicWriter | undefined> => {
    try {
      return await writers.visit(clinic)
    } catch (thrown) {
      if (thrown instanceof ChartwardenError && thrown.reason === 'CLINIC_NOT_ALLOWED') return undefined
      throw thrown
    }
  }

  /** A ledger behind what was seen of it is not written to: that it regressed is for an operator to look at. */
  const visit = async (clinic: string): Promise<void> => {
    const head = await ledger.head(clinic)
    const known = noted.get(clinic)
    if (known !== undefined && (head === undefined || head.stateRevision < known.revision)) throw new ChartwardenError('LEDGER_REGRESSED')
    if (known !== undefined && head?.stateRevision === known.revision && !hasEnded(known.nextEnd)) return
    const writer = await served(clinic)
    if (writer === undefined) return
    await writer.refresh()
    await sweepIfEnded(writer)
  }

  /** One clinic's fault keeps nothing from the others; a clinic at fault is left alone for a while. */
  const guarded = async (clinic: string, work: () => Promise<void>): Promise<void> => {
    const before = faults.get(clinic)
    if (busy.has(clinic) || (before !== undefined && clock.monotonic() < before.retryAt)) return
    busy.add(clinic)
    try {
      await work()
      faults.delete(clinic)
    } catch (error) {
      if (signal.aborted) return
      const count = (before?.count ?? 0) + 1
      const regressed = error instanceof ChartwardenError && error.reason === 'LEDGER_REGRESSED'
      const rest = regressed ? longestRetryMs : Math.min(firstRetryMs * 2 ** (count - 1), longestRetryMs)
      faults.set(clinic, { count, retryAt: clock.monotonic() + rest })
      onFault(error, clinic)
    } finally {
      busy.delete(clinic)
    }
  }

  const lookAtKept = async (): Promise<void> => {
    while (!signal.aborted) {
      for (const writer of writers.kept()) await guarded(writer.clinic, () => sweepIfEnded(writer))
      await pause(tickMs, signal)
    }
  }

  const round = async (): Promise<void> => {
    for (let after = ''; !signal.aborted; ) {
      const page = await ledger.clinics(after, pageSize)
      if (page.length === 0) return
      for (const clinic of page) {
        if (signal.aborted) return
        await guarded(clinic, () => visit(clinic))
        await pause(1_000 / clinicsPerSecond, signal)
      }
      after = page.at(-1) as string
    }
  }

  const goRound = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await round()
      } catch (error) {
        if (!signal.aborted) onFault(error, undefined)
      }
      await pause(roundRestMs, signal)
    }
  }

  return {
    start: ({ rounds = true } = {}) => {
      if (lanes.length === 0) lanes = rounds ? [lookAtKept(), goRound()] : [lookAtKept()]
    },
    stop: async () => {
      stopping.abort()
      await Promise.all(lanes)
    },
  }
}
