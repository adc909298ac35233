/** Backups brought back into databases of their own, and what is then in them. */
import pg from 'pg'
import type { Test } from 'tap'
import { changesState } from '../../services/access/changes-state.ts'
import { BackupError } from '../../services/audit/backup/backup-error.ts'
import type { Backup } from '../../services/audit/backup/open-backup.ts'
import { type RestoreBackupOptions, type Restored, restoreBackup } from '../../services/audit/backup/restore/restore-backup.ts'
import { createMasterKey } from '../../services/audit/vault/master-key.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { migrate } from '../../services/kernel/postgres/migrate.ts'
import { digestTable, listTables, sameText, tableName } from '../../services/kernel/postgres/upgrade/copy-tables.ts'
import { schemaMigrations } from '../../services/schema-migrations.ts'
import { createTestDatabase } from './postgres.ts'
import { openPool } from './postgres-engine.ts'
import type { TestDatabase } from './postgres-server.ts'

/** An empty database with the schema of this release, and restores into it; what is not given is what changes nothing. */
export const emptyDatabase = async (test: Test, masterKey: Uint8Array) => {
  const database = await createTestDatabase(test)
  const owner = openPool(test, database.migrateUrl, { max: 2 })
  await migrate(owner, schemaMigrations)
  const restore = async (backup: Backup, over: Partial<RestoreBackupOptions> = {}): Promise<Restored> => {
    const client = await owner.connect()
    try {
      return await restoreBackup({ backup, client, masterKey: createMasterKey(masterKey, systemRandomness), changesState, ...over })
    } finally {
      client.release(true)
    }
  }
  return { database, restore }
}

/** What a refused restore was refused for: the fault, and the words. Throws when it was not refused, or otherwise. */
export const refusal = async (restore: Promise<unknown>): Promise<BackupError> => {
  try {
    await restore
  } catch (thrown) {
    if (thrown instanceof BackupError) return thrown
    throw thrown
  }
  throw new Error('the backup was restored')
}

/** A digest for each table that a backup brings back, by all its rows in the order of its key; seen by a superuser. */
export const contentsOf = async (database: Pick<TestDatabase, 'adminUrl'>): Promise<Readonly<Record<string, string>>> => {
  const client = new pg.Client({ connectionString: database.adminUrl })
  await client.connect()
  try {
    await client.query(sameText)
    const tables = await listTables(client, ['chartwarden\\_projection%', 'chartwarden\\_snapshot', 'chartwarden\\_migrations'])
    const kept = tables.filter(
      ({ schema, name }) => /^chartwarden_(ledger|vault|log)$/.test(schema) && name !== 'strips' && name !== 'logs',
    )
    const digests: Record<string, string> = {}
    for (const table of kept) {
      const { rows, digest } = await digestTable(client, table)
      digests[tableName(table)] = `${rows} ${digest}`
    }
    return digests
  } finally {
    await client.end()
  }
}
