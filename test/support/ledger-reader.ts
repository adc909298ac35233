/** Reads ledgers from beside the service, as the database's superuser. */
import pg from 'pg'
import type { Test } from 'tap'
import { openEnvelope } from '../../services/audit/entry.ts'
import type { TestDatabase } from './postgres-server.ts'

export interface ReadEntry {
  readonly revision: bigint
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface LedgerReader {
  entries(clinic: string): Promise<readonly ReadEntry[]>
  count(clinic: string): Promise<number>
}

export const createLedgerReader = async (test: Test, database: TestDatabase): Promise<LedgerReader> => {
  const client = new pg.Client({ connectionString: database.adminUrl })
  await client.connect()
  test.teardown(() => client.end())
  const entries = async (clinic: string): Promise<readonly ReadEntry[]> => {
    const { rows } = await client.query<{ revision: string; type: string; bytes: Buffer }>(
      'select revision, type, bytes from chartwarden_ledger.entries where clinic = $1 order by revision',
      [clinic],
    )
    return rows.map(({ revision, type, bytes }) => ({ revision: BigInt(revision), type, data: openEnvelope(bytes).data }))
  }
  return { entries, count: async (clinic) => (await entries(clinic)).length }
}
