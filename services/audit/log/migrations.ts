import type { MigrationSet } from '../../kernel/postgres/migrate.ts'
import * as tables from './migrations/0001-tables.ts'
import * as guards from './migrations/0002-guards.ts'

/** Schema `chartwarden_log`: tiles and checkpoints. Run after the ledger's, which makes the roles. */
export const logMigrations: MigrationSet = {
  name: 'log',
  migrations: [
    { name: '0001_tables', up: tables.up },
    { name: '0002_guards', up: guards.up },
  ],
}
