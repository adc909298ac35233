/**
 * Refused calls are counted at once and written as at most one summary entry a second for each ledger: what belongs to no clinic to
 * `_system`, a valid token of the clinic that lacks a scope to that clinic's ledger. No answer waits for it, and a flood of refusals
 * cannot become a flood of entries.
 */
import { canonicalJson } from '../kernel/canonical-json.ts'
import type { Clock } from '../kernel/clock.ts'
import type { Randomness } from '../kernel/ids.ts'
import type { Refusal } from '../kernel/refusal.ts'
import { composeEntry } from './compose-entry.ts'
import { entryId } from './entry.ts'
import { type Ledger, systemLedger } from './ledger.ts'
import type { Vault } from './vault.ts'

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
  /** Tells the operator that a summary could not be written; its counts go into the next one. */
  readonly onFailure: (error: unknown) => void
  /** Defaults to 1,000. */
  readonly intervalMs?: number
}

interface Counted {
  readonly refusal: Required<Refusal>
  count: number
}

/** Different refusals kept apart in one summary; the rest is counted under `other`, so that an attacker cannot make it grow. */
const maxKinds = 100
const maxText = 128

const shorten = (text: string | undefined): string => (text ?? '').toWellFormed().slice(0, maxText)

export const createRefusalRecorder = (options: RefusalRecorderOptions): RefusalRecorder => {
  const { ledger, vault, clock, randomness, now, onFailure } = options
  const pending = new Map<string, { since: number; kinds: Map<string, Counted> }>()
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  const add = (target: string, refusal: Required<Refusal>, count: number, since: number): void => {
    let summary = pending.get(target)
    if (summary === undefined) {
      summary = { since, kinds: new Map() }
      pending.set(target, summary)
    }
    const key = canonicalJson([refusal.reason, refusal.caller, refusal.clinic, refusal.address])
    const known = summary.kinds.get(key)
    if (known !== undefined) known.count += count
    else if (summary.kinds.size < maxKinds) summary.kinds.set(key, { refusal, count })
    else if (refusal.caller !== 'other')
      add(target, { reason: refusal.reason, caller: 'other', clinic: 'other', address: 'other' }, count, since)
    else summary.kinds.set(key, { refusal, count })
  }

  const write = async (target: string, since: number, kinds: ReadonlyMap<string, Counted>): Promise<void> => {
    const keys = target === systemLedger ? await vault.createClinic(target) : await vault.clinic(target)
    if (keys === undefined) {
      // A token may name a clinic that was never registered: then it belongs to no clinic after all.
      for (const { refusal, count } of kinds.values()) add(systemLedger, refusal, count, since)
      return
    }
    const time = now()
    const requestId = randomness.uuid()
    const data = {
      from: new Date(Math.min(since, time)).toISOString(),
      until: new Date(time).toISOString(),
      refusals: [...kinds.values()].map(({ refusal, count }) => ({ ...refusal, count })),
    }
    const entry = await composeEntry(keys, randomness, {
      clinic: target,
      id: entryId(target, 'refusals', requestId, 0),
      type: refusalsSummarised,
      stateChanging: false,
      time,
      provenance: { caller: 'chartwarden' },
      requestDigest: keys.requestDigest(canonicalJson({ operation: 'refusals', requestId })),
      data,
    })
    const outcome = await ledger.append({ clinic: target, entries: [entry], restsOn: 'any', deadline: clock.monotonic() + 10_000 })
    if (outcome.kind !== 'stored') throw new Error(`a summary of refusals was ${outcome.kind}`)
  }

  const flush = async (): Promise<void> => {
    const summaries = [...pending]
    pending.clear()
    for (const [target, { since, kinds }] of summaries) {
      try {
        await write(target, since, kinds)
      } catch (error) {
        for (const { refusal, count } of kinds.values()) add(target, refusal, count, since)
        onFailure(error)
      }
    }
    if (pending.size > 0) schedule()
  }

  const schedule = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      writing = writing.then(flush)
    }, options.intervalMs ?? 1_000).unref()
  }

  return {
    record: (refusal) => {
      const complete = {
        reason: refusal.reason,
        caller: shorten(refusal.caller),
        clinic: shorten(refusal.clinic),
        address: shorten(refusal.address),
      }
      const target = refusal.reason === 'SCOPE_MISSING' && complete.clinic !== '' ? complete.clinic : systemLedger
      add(target, complete, 1, now())
      schedule()
    },
    close: async () => {
      clearTimeout(timer)
      timer = undefined
      writing = writing.then(flush)
      await writing
      clearTimeout(timer)
    },
  }
}
