import type { Pool, QueryResult } from 'pg'
import { type ClinicGate, createClinicGate, type Wanted } from '../../../kernel/clinic-gate.ts'
import { type Clock, systemClock } from '../../../kernel/clock.ts'
import { ChartwardenError } from '../../../kernel/errors.ts'
import { isUuid } from '../../../kernel/ids.ts'
import { lendConnection } from '../../../kernel/postgres/lend-connection.ts'
import type { ClinicEntries } from '../../clinic-entries.ts'
import { type EntryRow, findStatement, pagesOf, readStatement, storedEntry, unavailable } from './entry-rows.ts'

export interface ClinicReaderOptions {
  /** Connects as a member of `chartwarden_query`, to which row security shows one clinic at a time. */
  readonly pool: Pool
  /** Shared with whatever else reads through the pool. Defaults to one of its own. */
  readonly gate?: ClinicGate
  /** Defaults to the system's. */
  readonly clock?: Clock
  /** Entries fetched at once. Default 1,000. */
  readonly pageEntries?: number
}

const forEver: Wanted = { deadline: Number.POSITIVE_INFINITY }

/**
 * A reader whose every statement runs in a transaction that may see this one clinic: should the service ask for another's entries by
 * mistake, the database shows none. Each page waits for the clinic's turn.
 */
export const createClinicReader = (options: ClinicReaderOptions): ClinicEntries => {
  const { pool, clock = systemClock, gate = createClinicGate({ clock }), pageEntries = 1_000 } = options

  const query = (clinic: string, wanted: Wanted, text: string, values: readonly unknown[]): Promise<readonly EntryRow[]> =>
    gate.run(clinic, 'light', wanted, async () => {
      try {
        return await lendConnection(pool, wanted.signal, async (client) => {
          await client.query('begin read only')
          await client.query("select set_config('chartwarden.clinic', $1, true)", [clinic])
          const { rows }: QueryResult<EntryRow> = await client.query<EntryRow>(text, [...values])
          await client.query('commit')
          return rows
        })
      } catch (cause) {
        throw cause instanceof ChartwardenError ? cause : unavailable(cause)
      }
    })

  return {
    read: (clinic, from, to, wanted = forEver) =>
      pagesOf(from, to, pageEntries, (next) => query(clinic, wanted, readStatement, [clinic, next, to, pageEntries])),
    find: async (clinic, ids, wanted = forEver) => {
      const rows = await query(clinic, wanted, findStatement, [clinic, ids.filter(isUuid)])
      return new Map(rows.map((row) => [row.id, storedEntry(row)]))
    },
  }
}
