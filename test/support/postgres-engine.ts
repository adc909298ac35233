import pg from 'pg'
import type { Test } from 'tap'
import { createPostgresEngine, type PostgresEngineOptions } from '../../services/audit/engines/postgres/engine.ts'
import { migrateLedger } from '../../services/audit/engines/postgres/migrations.ts'
import type { LedgerEngine } from '../../services/audit/ledger.ts'
import { createTestDatabase } from './postgres.ts'
import type { TestDatabase } from './postgres-server.ts'

/** A pool that ends with the test; faults of idle connections are not the test's. */
export const openPool = (test: Test, url: string, config: pg.PoolConfig = {}): pg.Pool => {
  const pool = new pg.Pool({ connectionString: url, max: 4, ...config })
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  test.teardown(() => pool.end())
  return pool
}

/** A database with the ledger's schema, migrated as its owner would. */
export const createLedgerDatabase = async (test: Test): Promise<TestDatabase> => {
  const database = await createTestDatabase(test)
  const owner = new pg.Pool({ connectionString: database.migrateUrl })
  await migrateLedger(owner)
  await owner.end()
  return database
}

/** One service's engine over the database, with its own connections; closed when the test ends. */
export const openEngine = (test: Test, database: TestDatabase, options: Partial<PostgresEngineOptions> = {}): LedgerEngine => {
  const writer = openPool(test, database.writerUrl)
  const feed = openPool(test, database.feedUrl, { max: 6 })
  const engine = createPostgresEngine({ writer, feed, ...options })
  test.teardown(() => engine.close())
  return engine
}
