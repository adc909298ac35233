/**
 * What of the programme's migrations a database holds. During an upgrade old and new replicas use one database: the old ones go on with a
 * schema that is newer than theirs, because every step but a contract only adds. docs/explanation/upgrades.md has the rule.
 */
import type { Pool, PoolClient } from 'pg'
import { StartError } from '../start-error.ts'
import { errorCode } from './error-code.ts'
import type { MigrationSet } from './migrate.ts'

/** Holds one table a set, with the names that were applied. */
export const migrationSchema = 'chartwarden_migrations'

/** A step that takes away what the release before still uses says so in its name: `0007_contract_old_columns`. */
export const isContract = (migration: string): boolean => /^\d{4}_contract_/.test(migration)

/** No such schema or table, or no right to read it: nothing was applied, or by a release that did not tell. */
const untold = new Set(['3F000', '42P01', '42501'])

/** Names of the set that were applied, in order. */
export const appliedMigrations = async (client: Pool | PoolClient, set: string): Promise<readonly string[]> => {
  try {
    const { rows } = await client.query<{ name: string }>(`select name from ${migrationSchema}."${set}" order by name`)
    return rows.map((row) => row.name)
  } catch (thrown) {
    if (untold.has(errorCode(thrown) ?? '')) return []
    throw thrown
  }
}

/** Names applied that the programme does not know: those of a later release. Throws StartError where one of them is a contract. */
export const laterMigrations = (set: MigrationSet, applied: readonly string[]): readonly string[] => {
  const known = new Set(set.migrations.map((migration) => migration.name))
  const later = applied.filter((name) => !known.has(name))
  const contract = later.find(isContract)
  if (contract !== undefined) {
    throw new StartError(
      `The database was brought on by a later release in a way this one cannot work with (${set.name}/${contract}); start that release or a later one.`,
    )
  }
  return later
}

/**
 * For a login that may not migrate. Throws StartError when the schema lacks something this programme needs, or has been brought on past it.
 * Returns what a later release added (`set/migration`).
 */
export const checkSchema = async (pool: Pool, sets: readonly MigrationSet[]): Promise<readonly string[]> => {
  const later: string[] = []
  for (const set of sets) {
    const applied = await appliedMigrations(pool, set.name)
    const missing = set.migrations.find((migration) => !applied.includes(migration.name))
    if (missing !== undefined) {
      throw new StartError(
        `The database schema lacks ${set.name}/${missing.name}, which this release needs; run "chartwarden database migrate" first, or set CHARTWARDEN_MIGRATE_DATABASE_URL.`,
      )
    }
    later.push(...laterMigrations(set, applied).map((name) => `${set.name}/${name}`))
  }
  return later
}
