/** What an operator does to the database beside serving from it. */
import type { Clock } from './kernel/clock.ts'
import { type Environment, readDatabaseConfig } from './kernel/config.ts'
import type { Randomness } from './kernel/ids.ts'
import type { Logger } from './kernel/logging.ts'
import { migrate } from './kernel/postgres/migrate.ts'
import { createPool, endPool } from './kernel/postgres/pool.ts'
import { checkDatabase } from './kernel/postgres/settings.ts'
import { type UpgradeOutcome, upgradeEmbeddedPostgres } from './kernel/postgres/upgrade/upgrade-embedded.ts'
import { readSecretFiles } from './kernel/secret-files.ts'
import { StartError } from './kernel/start-error.ts'
import { derivedSchemas } from './projections/derived-schemas.ts'
import { schemaMigrations } from './schema-migrations.ts'

/**
 * Brings the schema of a server up to date as its owner and returns the names applied. Throws StartError where no server is configured: an
 * embedded database is brought up to date by the start of its service.
 */
export const migrateDatabase = async (environment: Environment, logger: Logger): Promise<readonly string[]> => {
  const { mode, migrateUrl } = readDatabaseConfig(readSecretFiles(environment))
  if (migrateUrl === undefined) {
    throw new StartError('CHARTWARDEN_MIGRATE_DATABASE_URL is required; an embedded database is migrated when its service starts.')
  }
  const pool = createPool({
    url: migrateUrl,
    applicationName: 'chartwarden-migrate',
    logger,
    max: 2,
    statementTimeoutMs: 0,
    idleInTransactionTimeoutMs: 0,
  })
  try {
    await checkDatabase(pool, { mode, role: 'migrate', logger })
    return await migrate(pool, schemaMigrations)
  } finally {
    await endPool(pool)
  }
}

export interface UpgradeDatabaseOptions {
  readonly environment: Environment
  /** As in `upgradeEmbeddedPostgres`. */
  readonly oldServer: string | undefined
  readonly logger: Logger
  readonly clock: Clock
  readonly randomness: Randomness
}

/** Brings the embedded database to the PostgreSQL of this release. The read models are built again from the ledger by the next start. */
export const upgradeDatabase = async ({ environment, ...options }: UpgradeDatabaseOptions): Promise<UpgradeOutcome> => {
  const { stateDir, migrateUrl } = readDatabaseConfig(readSecretFiles(environment))
  if (migrateUrl !== undefined) {
    throw new StartError('A server is configured, not the embedded database: upgrade it with the tools of PostgreSQL.')
  }
  return upgradeEmbeddedPostgres({ ...options, stateDir, sets: schemaMigrations, derived: derivedSchemas })
}
