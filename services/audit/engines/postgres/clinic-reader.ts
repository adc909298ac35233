import type { Pool } from 'pg'
import { type ClinicGate, createClinicGate, type Wanted } from '../../../kernel/clinic-gate.ts'
import { type Clock, systemClock } from '../../../kernel/clock.ts'
import { isUuid } from '../../../kernel/ids.ts'
import type { ClinicEntries, ClinicRows, ClinicScan } from '../../clinic-entries.ts'
import { createClinicQuery } from './clinic-query.ts'
import { type EntryRow, findStatement, holdingStatement, pagesOf, readStatement, storedEntry } from './entry-rows.ts'

export interface ClinicReaderOptions {
  /** Connects as a member of `chartwarden_query`, to which row security shows one clinic at a time. */
  readonly pool: Pool
  /** Shared with whatever else reads through the pool. Defaults to one of its own. */
  readonly gate?: ClinicGate
  /** Defaults to the system's. */
  readonly clock?: Clock
  /** Entries fetched at once. Default 1,000. */
  readonly pageEntries?: number
  /** Revisions looked through by one statement. Default 5,000. */
  readonly scanEntries?: number
}

/** Of a `bigint`. */
const lastRevision = 2n ** 63n - 1n

const forEver: Wanted = { deadline: Number.POSITIVE_INFINITY }

/**
 * A reader whose every statement runs in a transaction that may see this one clinic: should the service ask for another's entries by
 * mistake, the database shows none. Each page waits for the clinic's turn.
 */
export const createClinicReader = (options: ClinicReaderOptions): ClinicEntries & ClinicRows & ClinicScan => {
  const { pool, clock = systemClock, gate = createClinicGate({ clock }), pageEntries = 1_000, scanEntries = 5_000 } = options

  const query = createClinicQuery({ pool, gate })

  return {
    read: (clinic, from, to, wanted = forEver) =>
      pagesOf(from, to, pageEntries, (next) => query<EntryRow>(clinic, wanted, readStatement, [clinic, next, to, pageEntries])),
    find: async (clinic, ids, wanted = forEver) => {
      const rows = await query<EntryRow>(clinic, wanted, findStatement, [clinic, ids.filter(isUuid)])
      return new Map(rows.map((row) => [row.id, storedEntry(row)]))
    },
    rows: async (clinic, from, limit, wanted = forEver) =>
      (await query<EntryRow>(clinic, wanted, readStatement, [clinic, from, lastRevision, limit])).map(storedEntry),
    async *holding(clinic, texts, from, to, wanted) {
      const bytes = texts.map((text) => Buffer.from(text, 'latin1'))
      for (let next = from; next <= to; next += BigInt(scanEntries)) {
        const last = next + BigInt(scanEntries) - 1n
        const values = [clinic, next, last < to ? last : to, bytes]
        for (const row of await query<EntryRow>(clinic, wanted, holdingStatement, values, 'heavy')) yield storedEntry(row)
      }
    },
  }
}
