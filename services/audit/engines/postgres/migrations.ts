import type { Pool } from 'pg'
import { type MigrationSet, migrate } from '../../../kernel/postgres/migrate.ts'
import * as roles from './migrations/0001-roles.ts'
import * as tables from './migrations/0002-tables.ts'
import * as guards from './migrations/0003-guards.ts'
import * as append from './migrations/0004-append.ts'
import * as appendAlone from './migrations/0005-append-alone.ts'

/** Schema `chartwarden_ledger` and the roles that reach it. */
export const ledgerMigrations: MigrationSet = {
  name: 'ledger',
  migrations: [
    { name: '0001_roles', up: roles.up },
    { name: '0002_tables', up: tables.up },
    { name: '0003_guards', up: guards.up },
    { name: '0004_append', up: append.up },
    { name: '0005_append_alone', up: appendAlone.up },
  ],
}

/**
 * Brings the ledger's schema up to date and returns what was applied. The pool's user is a superuser, or a member of
 * `chartwarden_owner` where the roles are there, or owns the database and may create roles.
 */
export const migrateLedger = (pool: Pool): Promise<readonly string[]> => migrate(pool, [ledgerMigrations])
