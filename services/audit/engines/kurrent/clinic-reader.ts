/**
 * Entries for people, straight from the clinic's own stream. Which stream that is follows from the clinic alone, and every event is held against
 * it; what is looked up in the index is looked up in a transaction that may see this one clinic, as the other reader does.
 */
import type { Pool } from 'pg'
import type { ClinicGate, Wanted, Weight } from '../../../kernel/clinic-gate.ts'
import { ChartwardenError } from '../../../kernel/errors.ts'
import { isUuid } from '../../../kernel/ids.ts'
import type { ClinicEntries, ClinicRows, ClinicScan } from '../../clinic-entries.ts'
import type { StoredEntry } from '../../ledger.ts'
import { createClinicQuery } from '../postgres/clinic-query.ts'
import { inPages, type StreamReader } from './stream-reader.ts'

export interface KurrentClinicReaderOptions {
  readonly reader: StreamReader
  /** Connects as a member of `chartwarden_query`, to which row security shows one clinic at a time. */
  readonly pool: Pool
  /** Shared with whatever else reads through the pool. */
  readonly gate: ClinicGate
  /** Entries fetched at once. Default 1,000. */
  readonly pageEntries?: number
}

const forEver: Wanted = { deadline: Number.POSITIVE_INFINITY }

const revisionsOf = 'select revision from chartwarden_kurrent.entries where clinic = $1 and id = any ($2::uuid[]) order by revision'

/** Each page waits for the clinic's turn. */
export const createKurrentClinicReader = (options: KurrentClinicReaderOptions): ClinicEntries & ClinicRows & ClinicScan => {
  const { reader, pool, gate, pageEntries = 1_000 } = options
  const query = createClinicQuery({ pool, gate })

  const page = (clinic: string, from: bigint, most: number, wanted: Wanted, weight: Weight): Promise<readonly StoredEntry[]> =>
    gate.run(clinic, weight, wanted, async () => {
      const entries = await reader.page(clinic, from, most)
      // KurrentDB finishes a read that nobody waits for any more; a page of it is soon over.
      if (wanted.signal?.aborted) throw new ChartwardenError('CALL_CANCELLED')
      return entries
    })

  const read = (clinic: string, from: bigint, to: bigint, wanted: Wanted, weight: Weight): AsyncGenerator<StoredEntry> =>
    inPages(from, to, {
      pageEntries,
      fetch: (next, most) => page(clinic, next, most, wanted, weight),
      ended: (next) => reader.requireEnd(clinic, next),
    })

  return {
    read: (clinic, from, to, wanted = forEver) => read(clinic, from, to, wanted, 'light'),
    find: async (clinic, ids, wanted = forEver) => {
      const rows = await query<{ revision: string }>(clinic, wanted, revisionsOf, [clinic, ids.filter(isUuid)])
      const found = new Map<string, StoredEntry>()
      const revisions = rows.map(({ revision }) => BigInt(revision))
      const entries = reader.at(clinic, revisions)
      for await (const entry of entries) found.set(entry.id, entry)
      return found
    },
    rows: (clinic, from, limit, wanted = forEver) => gate.run(clinic, 'light', wanted, () => reader.found(clinic, from, limit)),
    async *holding(clinic, texts, from, to, wanted) {
      const sought = texts.map((text) => Buffer.from(text, 'latin1'))
      for await (const entry of read(clinic, from, to, wanted, 'heavy')) {
        const bytes = Buffer.from(entry.bytes.buffer, entry.bytes.byteOffset, entry.bytes.byteLength)
        if (sought.every((text) => bytes.includes(text))) yield entry
      }
    },
  }
}
