import pg from 'pg'
import type { Test } from 'tap'
import { ledgerMigrations } from '../../services/audit/engines/postgres/migrations.ts'
import { vaultMigrations } from '../../services/audit/vault/migrations.ts'
import { migrate } from '../../services/kernel/postgres/migrate.ts'
import { createTestDatabase } from './postgres.ts'
import type { TestDatabase, TestServer } from './postgres-server.ts'

/** A database with the schemas of the ledger and the vault, migrated as their owner would. */
export const createVaultDatabase = async (test: Test, options: { readonly server?: TestServer } = {}): Promise<TestDatabase> => {
  const database = await createTestDatabase(test, options)
  const owner = new pg.Pool({ connectionString: database.migrateUrl })
  await migrate(owner, [ledgerMigrations, vaultMigrations])
  await owner.end()
  return database
}
