import type { MigrationSet } from '../kernel/postgres/migrate.ts'
import { accessHistoryTable } from './read-models/access-history.ts'
import { identitiesTable } from './read-models/identities.ts'
import { offboardingsTable } from './read-models/offboardings.ts'
import { roleGrantsTable } from './read-models/role-grants.ts'
import { runnerTables } from './runner-tables.ts'

/** Migrations of the read models; run after the ledger's, which makes the roles. A name once published is never changed or reordered. */
export const projectionMigrations: MigrationSet = {
  name: 'projections',
  migrations: [
    { name: '0001_runner', ...runnerTables },
    { name: '0002_identities', ...identitiesTable },
    { name: '0003_access_history', ...accessHistoryTable },
    { name: '0004_role_grants', ...roleGrantsTable },
    { name: '0005_offboardings', ...offboardingsTable },
  ],
}
