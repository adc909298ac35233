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

const requestDigestOf = <T extends keyof EventData>({ caller }: CallContext, { vault }: ClinicWriter, fact: Fact<T>): Uint8Array =>
  vault.requestDigest(canonicalJson({ operation: fact.operation, caller: caller.id, request: fact.form }))

/** What recording would meet now: nothing yet, the same fact, or another one under its request id. */
export type FactFound =
  | { readonly kind: 'new' }
  | { readonly kind: 'replayed'; readonly entry: StoredEntry }
  | { readonly kind: 'mismatch' }

/** Looks facts of one clinic up without recording anything; in order. Of two under one new request id both are new. */
export const createFindFacts =
  ({ ledger }: Pick<RecordingOptions, 'ledger'>) =>
  async <T extends keyof EventData>(
    context: CallContext,
    writer: ClinicWriter,
    facts: readonly Fact<T>[],
  ): Promise<readonly FactFound[]> => {
    const ids = facts.map(({ operation, requestId }) => writer.entryId(operation, requestId, 0))
    const found = await ledger.find(writer.clinic, [...new Set(ids)])
    return facts.map((fact, index) => {
      const entry = found.get(ids[index] as string)
      if (entry === undefined) return { kind: 'new' }
      const same = Buffer.from(entry.requestDigest).equals(requestDigestOf(context, writer, fact))
      return same ? { kind: 'replayed', entry } : { kind: 'mismatch' }
    })
  }

export const createRecordFact = (options: Omit<RecordingOptions, 'writers'>): RecordFact => {
  const { ledger, identities, randomness, clock, now } = options
  return async (context, writer, fact) => {
    const { clinic, vault, entryId } = writer
    const provenance = provenanceOf(context)
    const requestDigest = requestDigestOf(context, writer, fact)
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
