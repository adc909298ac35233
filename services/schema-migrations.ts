import { snapshotMigrations } from './access/snapshot/migrations.ts'
import { kurrentMigrations } from './audit/engines/kurrent/migrations.ts'
import { ledgerMigrations } from './audit/engines/postgres/migrations.ts'
import { logMigrations } from './audit/log/migrations.ts'
import { vaultMigrations } from './audit/vault/migrations.ts'
import type { MigrationSet } from './kernel/postgres/migrate.ts'
import { projectionMigrations } from './projections/migrations.ts'

/** Everything the service keeps in its database, in the order it is made: the ledger's come first, since they make the roles. */
export const schemaMigrations: readonly MigrationSet[] = [
  ledgerMigrations,
  kurrentMigrations,
  vaultMigrations,
  logMigrations,
  snapshotMigrations,
  projectionMigrations,
]
