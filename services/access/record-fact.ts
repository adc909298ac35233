/** Facts that are recorded and not asked for: they rest on no state, since what happened happened. */
import { composeEntry } from '../audit/compose-entry.ts'
import type { Identities } from '../audit/identities.ts'
import type { Ledger, StoredEntry } from '../audit/ledger.ts'
import type { Identity, Pseudonym } from '../audit/vault.ts'
import type { CallContext } from '../kernel/caller.ts'
import { canonicalJson, type JsonValue } from '../kernel/canonical-json.ts'
import type { Clock } from '../kernel/clock.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import type { Randomness } from '../kernel/ids.ts'
import { provenanceOf } from './check.ts'
import type { ClinicWriter, ClinicWriters } from './clinic-writer.ts'
import { clockToleranceMs } from './decide.ts'
import type { EventData } from './events.ts'

export interface RecordingOptions {
  readonly ledger: Ledger
  readonly writers: ClinicWriters
  readonly identities: Identities
  readonly randomness: Randomness
  readonly clock: Clock
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
}

/** One fact, before it is recorded. */
export interface Fact<T extends keyof EventData> {
  readonly type: T
  /** E.g. `record_access`: with the request id it makes the entry's id. */
  readonly operation: string
  readonly requestId: string
  /** The request without its id. */
  readonly form: JsonValue
  /** Everybody whom the entry names. */
  readonly introduces: readonly Identity[]
  /** The key that seals the private part. */
  readonly under: Pseudonym
  readonly sealed: { readonly [name: string]: JsonValue | undefined }
  /** The rest of the entry, told of ledger time. */
  readonly data: (time: number) => Omit<EventData[T], 'sealed'>
}

export interface Recorded {
  readonly entry: StoredEntry
  /** The request was recorded before, with the same content. */
  readonly replayed: boolean
}

/** Records one fact; durable when the promise resolves. Throws REQUEST_MISMATCH when the request id was used for another one. */
export type RecordFact = <T extends keyof EventData>(context: CallContext, writer: ClinicWriter, fact: Fact<T>) => Promise<Recorded>

/** A time that lies ahead of the ledger's is kept, and marked. */
export const futureFlag = (occurredAt: number, time: number): readonly string[] =>
  occurredAt > time + clockToleranceMs ? ['future_dated'] : []

export const createRecordFact = (options: Omit<RecordingOptions, 'writers'>): RecordFact => {
  const { ledger, identities, randomness, clock, now } = options
  return async (context, { clinic, vault, entryId }, fact) => {
    const provenance = provenanceOf(context)
    const requestDigest = vault.requestDigest(canonicalJson({ operation: fact.operation, caller: context.caller.id, request: fact.form }))
    await identities.introduce(clinic, vault, fact.introduces, provenance, context.deadline)
    const id = entryId(fact.operation, fact.requestId, 0)
    for (;;) {
      if (clock.monotonic() > context.deadline) throw new ChartwardenError('DEADLINE_EXCEEDED')
      const time = now()
      const entry = await composeEntry(vault, randomness, {
        clinic,
        id,
        type: fact.type,
        stateChanging: false,
        time,
        provenance,
        requestDigest,
        data: fact.data(time),
        sealed: { under: fact.under, value: fact.sealed },
      })
      const outcome = await ledger.append({ clinic, entries: [entry], restsOn: 'any', deadline: context.deadline })
      switch (outcome.kind) {
        case 'stored':
          return { entry: { ...entry, clinic, revision: outcome.revisions[0] as bigint, recordedAt: outcome.ledgerTime }, replayed: false }
        case 'duplicate':
          return { entry: outcome.originals[0] as StoredEntry, replayed: true }
        case 'mismatch':
          throw new ChartwardenError('REQUEST_MISMATCH')
        case 'moved':
          throw new ChartwardenError('LEDGER_REGRESSED')
        case 'stale':
          break
      }
    }
  }
}
