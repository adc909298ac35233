import type { MigrationSet } from '../../../kernel/postgres/migrate.ts'
import * as tables from './migrations/0001-tables.ts'
import * as guards from './migrations/0002-guards.ts'
import * as add from './migrations/0003-add.ts'

/** Schema `chartwarden_kurrent`. Needs the roles and the guard function that the ledger's migrations make; empty where KurrentDB is not used. */
export const kurrentMigrations: MigrationSet = {
  name: 'kurrent',
  migrations: [
    { name: '0001_tables', up: tables.up },
    { name: '0002_guards', up: guards.up },
    { name: '0003_add', up: add.up },
  ],
}
