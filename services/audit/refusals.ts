/**
 * Refused calls are counted at once and written as at most one summary a second for each ledger: what belongs to no clinic to `_system`, a
 * valid token of the clinic that lacks a scope to that clinic's ledger. No answer waits for it, and a flood of refusals cannot become a flood
 * of entries. A summary whose writing failed is sent again as it is, under the same ids, until the ledger says that it has it: it can neither
 * be lost to a fault that passes nor count twice. One that can never be written is given up aloud, and its numbers stand in the next.
 */
import { canonicalJson } from '../kernel/canonical-json.ts'
import { isClinicId } from '../kernel/clinic-id.ts'
import type { Clock } from '../kernel/clock.ts'
import { ChartwardenError, errorCatalogue, toChartwardenError } from '../kernel/errors.ts'
import type { Randomness } from '../kernel/ids.ts'
import type { Refusal } from '../kernel/refusal.ts'
import { composeEntry } from './compose-entry.ts'
import { entryId } from './entry.ts'
import { type Ledger, type NewEntry, systemLedger } from './ledger.ts'
import { addTo, emptyTally, kindOf, merged, summaryParts, type Tally, withoutDetails } from './refusal-tally.ts'
import type { ClinicVault, Vault } from './vault.ts'

const refusalsSummarised = 'chartwarden.refusals.summarised.v1'

export interface RefusalRecorder {
  /** Counts; returns at once. */
  record(refusal: Refusal): void
  /** Writes what is counted and stops. */
  close(): Promise<void>
}

export interface RefusalRecorderOptions {
  readonly ledger: Ledger
  readonly vault: Vault
  readonly clock: Clock
  readonly randomness: Randomness
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
  /** Tells the operator that a summary could not be written: it is tried again, or its numbers go into the next one. */
  readonly onFailure: (error: unknown) => void
  /** Between summaries; after failures up to ten times as long. Milliseconds, defaults to 1,000. */
  readonly intervalMs?: number
}

/** A summary whose entries are made: sent again, it is sent as it is. */
interface Composed {
  readonly tally: Tally
  readonly entries: readonly NewEntry[]
}

/** Rows of one entry, as JSON; half of what an entry can hold, the envelope is small. */
const maxPartBytes = 32_768
const appendTimeoutMs = 10_000
const longestPause = 10

/** Whether the same append may succeed later. */
const passes = (error: unknown): boolean => errorCatalogue[toChartwardenError(error).reason].retry

export const createRefusalRecorder = (options: RefusalRecorderOptions): RefusalRecorder => {
  const { ledger, vault, clock, randomness, now, onFailure, intervalMs = 1_000 } = options
  /** Counted, and not yet in any entry. */
  const counted = new Map<string, Tally>()
  /** Sent, and not known to be stored. */
  const unsettled = new Map<string, Composed>()
  /** Numbers of summaries that were given up; they wait for the next one. */
  const givenUp = new Map<string, Tally>()
  let failures = 0
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<unknown> = Promise.resolve()

  const countIn = (tallies: Map<string, Tally>, target: string, tally: Tally): void => {
    const known = tallies.get(target)
    tallies.set(target, known === undefined ? tally : merged(known, tally))
  }

  const take = (target: string): Tally | undefined => {
    const tally = counted.get(target)
    if (tally === undefined) return undefined
    const carried = givenUp.get(target)
    counted.delete(target)
    givenUp.delete(target)
    return carried === undefined ? tally : merged(carried, tally)
  }

  const compose = async (target: string, keys: ClinicVault, tally: Tally): Promise<Composed> => {
    const time = now()
    const requestId = randomness.uuid()
    const period = { from: new Date(Math.min(tally.since, time)).toISOString(), until: new Date(time).toISOString() }
    const entries = summaryParts(tally, maxPartBytes).map((refusals, ordinal) =>
      composeEntry(keys, randomness, {
        clinic: target,
        id: entryId(target, 'refusals', requestId, ordinal),
        type: refusalsSummarised,
        stateChanging: false,
        time,
        provenance: { caller: 'chartwarden' },
        requestDigest: keys.requestDigest(canonicalJson({ operation: 'refusals', requestId })),
        data: { ...period, refusals },
      }),
    )
    return { tally, entries: await Promise.all(entries) }
  }

  /** False: there is no such ledger. */
  const settle = async (target: string, { entries }: Composed): Promise<boolean> => {
    const { kind } = await ledger.append({ clinic: target, entries, restsOn: 'any', deadline: clock.monotonic() + appendTimeoutMs })
    switch (kind) {
      case 'stored':
      case 'duplicate':
        return true
      case 'moved':
        return false
      case 'stale':
        throw new ChartwardenError('OVERLOADED')
      case 'mismatch':
        throw new ChartwardenError('INTERNAL', { cause: new Error('a summary of refusals stands in the ledger under another digest') })
    }
  }

  const write = async (target: string): Promise<void> => {
    let summary = unsettled.get(target)
    let tally = summary?.tally
    try {
      if (summary === undefined) {
        tally = take(target)
        if (tally === undefined) return
        const keys = target === systemLedger ? await vault.createClinic(target) : await vault.clinic(target)
        if (keys !== undefined) {
          summary = await compose(target, keys, tally)
          unsettled.set(target, summary)
        }
      }
      // A token may name a clinic that was never registered, or not to the end: then it belongs to no clinic after all.
      if (summary === undefined || !(await settle(target, summary))) countIn(counted, systemLedger, tally as Tally)
      unsettled.delete(target)
    } catch (error) {
      if (!passes(error)) {
        unsettled.delete(target)
        if (tally !== undefined) countIn(givenUp, target, withoutDetails(tally))
      } else if (summary === undefined && tally !== undefined) countIn(counted, target, tally)
      throw error
    }
  }

  const remains = (): boolean => counted.size > 0 || unsettled.size > 0

  /** True if every ledger took its summary. */
  const flush = async (): Promise<boolean> => {
    let complete = true
    // The operator's ledger last: it takes what turns out to belong to no clinic.
    const targets = new Set([...unsettled.keys(), ...counted.keys()])
    targets.delete(systemLedger)
    for (const target of [...targets, systemLedger]) {
      try {
        await write(target)
      } catch (error) {
        complete = false
        onFailure(error)
      }
    }
    failures = complete ? 0 : failures + 1
    return complete
  }

  const schedule = (): void => {
    timer ??= setTimeout(
      () => {
        timer = undefined
        writing = writing.then(flush).then(() => {
          if (remains()) schedule()
        })
      },
      intervalMs * Math.min(2 ** failures, longestPause),
    ).unref()
  }

  return {
    record: (refusal) => {
      const kind = kindOf(refusal)
      const target = refusal.reason === 'SCOPE_MISSING' && isClinicId(kind.clinic) ? kind.clinic : systemLedger
      const tally = counted.get(target) ?? emptyTally(now())
      counted.set(target, tally)
      addTo(tally, kind)
      schedule()
    },
    close: async () => {
      clearTimeout(timer)
      timer = undefined
      await writing
      // What was counted while an earlier summary was unsettled is written after it.
      if ((await flush()) && remains()) await flush()
      clearTimeout(timer)
    },
  }
}
