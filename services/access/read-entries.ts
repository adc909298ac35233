/** Reading entries as they stand in the ledger, opened for those who may see their sealed parts. */

import type { ClinicEntries } from '../audit/clinic-entries.ts'
import { type EntryData, openEnvelope } from '../audit/entry.ts'
import type { Ledger, StoredEntry } from '../audit/ledger.ts'
import type { ClinicVault, Opened } from '../audit/vault.ts'
import type { CallContext } from '../kernel/caller.ts'
import type { JsonValue } from '../kernel/canonical-json.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { pause } from '../kernel/pause.ts'
import type { NamedPerson } from './person.ts'
import type { AuthoriseReading, ReadingRequest } from './reading.ts'
import { stillPermitted } from './still-permitted.ts'

/** The sealed part of an entry, as far as the caller may see it and keys exist. */
export type PrivatePart =
  | { readonly state: 'none' | 'no_scope' | 'key_destroyed' }
  | { readonly state: 'opened'; readonly value: JsonValue }

export interface ShownEntry {
  readonly entry: StoredEntry
  readonly private: PrivatePart
}

export interface EntryRange {
  readonly clinic: string
  readonly onBehalfOf: NamedPerson | undefined
  readonly from: bigint
  /** Inclusive; undefined: the head when the call began, or without end when following. */
  readonly until: bigint | undefined
  readonly follow: boolean
}

export interface ReadEntriesOptions {
  /** Says where the head is. */
  readonly ledger: Pick<Ledger, 'head'>
  /** Shows entries, one clinic at a time. */
  readonly entries: ClinicEntries
  readonly authorise: AuthoriseReading
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
  /** How long a following stream waits before it looks again. Defaults to 250 ms. */
  readonly pollMs?: number
}

export interface EntryReader {
  /** One entry by id or revision; throws ENTRY_UNKNOWN. */
  get(context: CallContext, clinic: string, onBehalfOf: NamedPerson | undefined, key: string | bigint): Promise<ShownEntry>
  /** Entries in order of revision; nothing is left out. Ends, when not following, at the last revision wanted. */
  read(context: CallContext, range: EntryRange): AsyncGenerator<ShownEntry, { readonly completeTo: bigint }>
}

const auditLog = { resourceType: 'audit_log', action: 'read' } as const

export const openPrivate = async (vault: ClinicVault, entry: StoredEntry, unseal: boolean): Promise<PrivatePart> => {
  const sealed = (openEnvelope(entry.bytes).data as EntryData).sealed
  if (sealed === undefined) return { state: 'none' }
  if (!unseal) return { state: 'no_scope' }
  const opened: Opened = await vault.open(sealed, { clinic: entry.clinic, entryId: entry.id, entryType: entry.type })
  return opened.kind === 'opened' ? { state: 'opened', value: opened.value } : { state: 'key_destroyed' }
}

/** Entries sent between two looks at the person. */
const pageEntries = 1_000n
/** Revisions the ledger can number. */
const maxRevision = 2n ** 63n - 1n

export const createEntryReader = ({ ledger, entries, authorise, now, pollMs = 250 }: ReadEntriesOptions): EntryReader => {
  const requestOf = (
    clinic: string,
    onBehalfOf: NamedPerson | undefined,
    query: string,
    rest: Pick<ReadingRequest, 'streamed' | 'filter' | 'record'>,
  ): ReadingRequest => ({
    clinic,
    ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
    query,
    scope: 'audit.read',
    needs: auditLog,
    ...rest,
  })

  return {
    get: async (context, clinic, onBehalfOf, key) => {
      const { writer } = await authorise(
        context,
        requestOf(clinic, onBehalfOf, 'get_entry', { record: 'viewing', streamed: false, filter: { key: String(key) } }),
      )
      let entry: StoredEntry | undefined
      if (typeof key === 'string') entry = (await entries.find(clinic, [key], context)).get(key)
      else if (key <= maxRevision) for await (const found of entries.read(clinic, key, key, context)) entry = found
      if (entry === undefined) throw new ChartwardenError('ENTRY_UNKNOWN')
      return { entry, private: await openPrivate(writer.vault, entry, context.caller.scopes.has('audit.unseal')) }
    },

    async *read(context, range) {
      const { clinic, onBehalfOf, follow } = range
      const unseal = context.caller.scopes.has('audit.unseal')
      const filter = { from: String(range.from), until: range.until === undefined ? '' : String(range.until), follow }
      const request = requestOf(clinic, onBehalfOf, 'read_entries', { record: 'viewing', streamed: true, filter })
      const authorised = await authorise(context, request)
      const { writer, revision } = authorised
      const permitted = stillPermitted({ context, request, authorised, authorise, now })
      // A follower ends itself when the caller goes away and when the service begins to stop.
      const gone = context.draining === undefined ? context.signal : AbortSignal.any([context.signal, context.draining])
      // The reading's own entry is part of what is read: nothing is left out.
      const head = (await ledger.head(clinic))?.revision ?? (revision as bigint)
      const last = range.until ?? (follow ? undefined : head)
      let next = range.from
      for (;;) {
        const known = (await ledger.head(clinic))?.revision ?? -1n
        const end = last === undefined || known < last ? known : last
        const to = end < next + pageEntries ? end : next + pageEntries - 1n
        for await (const entry of to < next ? [] : entries.read(clinic, next, to, context)) {
          yield { entry, private: await openPrivate(writer.vault, entry, unseal) }
          next = entry.revision + 1n
        }
        if (last !== undefined && next > last) return { completeTo: last }
        if (gone.aborted) return { completeTo: next - 1n }
        if (next > end) {
          if (!follow) return { completeTo: end }
          await pause(pollMs, gone)
        }
        await permitted()
      }
    },
  }
}
