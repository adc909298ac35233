import pg from 'pg'
import type { Test } from 'tap'
import { createLedgerIndex, type LedgerIndex } from '../../services/audit/engines/kurrent/ledger-index.ts'
import { kurrentMigrations } from '../../services/audit/engines/kurrent/migrations.ts'
import { ledgerMigrations } from '../../services/audit/engines/postgres/migrations.ts'
import { migrate } from '../../services/kernel/postgres/migrate.ts'
import { createTestDatabase } from './postgres.ts'
import { openPool } from './postgres-engine.ts'
import type { TestDatabase } from './postgres-server.ts'

/** A database with the ledger's schema and that of the index of ledgers in KurrentDB, migrated as its owner would. */
export const createIndexDatabase = async (test: Test): Promise<TestDatabase> => {
  const database = await createTestDatabase(test)
  const owner = new pg.Pool({ connectionString: database.migrateUrl })
  await migrate(owner, [ledgerMigrations, kurrentMigrations])
  await owner.end()
  return database
}

/** One service's index over the database, with its own connections. */
export const openIndex = (test: Test, database: TestDatabase): LedgerIndex =>
  createLedgerIndex({ writer: openPool(test, database.writerUrl), feed: openPool(test, database.feedUrl) })
