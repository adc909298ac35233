import type { Pool, QueryResult } from 'pg'
import { isUuid } from '../../../kernel/ids.ts'
import type { Ledger } from '../../ledger.ts'
import { type EntryRow, findStatement, pagesOf, readStatement, storedEntry, unavailable } from './entry-rows.ts'

/** Reads entries for people: what a caller asks for passes row security of its own clinic. */
export type ClinicReader = Pick<Ledger, 'read' | 'find'>

export interface ClinicReaderOptions {
  /** Connects as a member of `chartwarden_query`, to which row security shows one clinic at a time. */
  readonly pool: Pool
  /** Entries fetched at once. Default 1,000. */
  readonly pageEntries?: number
}

/**
 * A reader whose every statement runs in a transaction that may see this one clinic: should the service ask for another's entries by
 * mistake, the database shows none.
 */
export const createClinicReader = ({ pool, pageEntries = 1_000 }: ClinicReaderOptions): ClinicReader => {
  const query = async (clinic: string, text: string, values: readonly unknown[]): Promise<readonly EntryRow[]> => {
    let failed = true
    const client = await pool.connect().catch((cause: unknown) => {
      throw unavailable(cause)
    })
    try {
      await client.query('begin read only')
      await client.query("select set_config('chartwarden.clinic', $1, true)", [clinic])
      const { rows }: QueryResult<EntryRow> = await client.query<EntryRow>(text, [...values])
      await client.query('commit')
      failed = false
      return rows
    } catch (cause) {
      throw unavailable(cause)
    } finally {
      // A connection whose transaction is not over must not be used for another clinic.
      client.release(failed)
    }
  }
  return {
    read: (clinic, from, to) => pagesOf(from, to, pageEntries, (next) => query(clinic, readStatement, [clinic, next, to, pageEntries])),
    find: async (clinic, ids) => {
      const rows = await query(clinic, findStatement, [clinic, ids.filter(isUuid)])
      return new Map(rows.map((row) => [row.id, storedEntry(row)]))
    },
  }
}
