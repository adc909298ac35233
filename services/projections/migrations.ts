import type { MigrationSet } from '../kernel/postgres/migrate.ts'
import { allProjections } from './all-projections.ts'
import { publishDefinitions } from './definitions.ts'
import { runnerTables } from './migrations/0001-runner.ts'
import { identitiesTable } from './migrations/0002-identities.ts'
import { accessHistoryTable } from './migrations/0003-access-history.ts'
import { roleGrantsTable } from './migrations/0004-role-grants.ts'
import { offboardingsTable } from './migrations/0005-offboardings.ts'
import { generations } from './migrations/0006-generations.ts'
import { parkedCounted } from './migrations/0007-parked-counted.ts'
import { comparisons } from './migrations/0008-comparisons.ts'

/** Migrations of the read models; run after the ledger's, which makes the roles. A name once published is never changed or reordered. */
export const projectionMigrations: MigrationSet = {
  name: 'projections',
  migrations: [
    { name: '0001_runner', ...runnerTables },
    { name: '0002_identities', ...identitiesTable },
    { name: '0003_access_history', ...accessHistoryTable },
    { name: '0004_role_grants', ...roleGrantsTable },
    { name: '0005_offboardings', ...offboardingsTable },
    { name: '0006_generations', ...generations },
    { name: '0007_parked_counted', ...parkedCounted },
    { name: '0008_comparisons', ...comparisons },
  ],
  afterwards: (db) => publishDefinitions(db, allProjections),
}
