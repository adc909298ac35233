/**
 * Brings a database's schemas up to date. Each part of the service keeps its own set of migrations with its own table of what was applied,
 * so that no part has to know another's. Migrations are modules of the programme: they cannot be lost or mixed with another version's.
 */
import { Kysely, PostgresDialect } from 'kysely'
import { Migrator } from 'kysely/migration'
import type { Pool, PoolClient } from 'pg'
import { ChartwardenError } from '../errors.ts'

export interface SetMigration {
  /** Sorts after every earlier one, e.g. `0001_entries`; never renamed or changed once released. */
  readonly name: string
  /** Runs in one transaction with the others of its set that are due. */
  up(db: Kysely<unknown>): Promise<void>
}

export interface MigrationSet {
  /** Lower-case word; names the table in `chartwarden_migrations` that holds what was applied. */
  readonly name: string
  readonly migrations: readonly SetMigration[]
}

const migrationSchema = 'chartwarden_migrations'
/** ASCII "chartwar" as a signed 64-bit integer: one migration at a time per database, whoever runs it. */
const advisoryLock = '7163082351540920690'

/** A Kysely over one connection that stays with whoever holds it, so that the advisory lock and the migrations share a session. */
const overOneConnection = (client: PoolClient): Kysely<unknown> =>
  new Kysely<unknown>({
    dialect: new PostgresDialect({
      pool: async () => ({
        connect: async () => ({ query: client.query.bind(client) as never, release: () => {} }),
        end: async () => {},
        options: {},
      }),
    }),
  })

const migrateSet = async (db: Kysely<unknown>, set: MigrationSet): Promise<readonly string[]> => {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => Object.fromEntries(set.migrations.map((migration) => [migration.name, migration])) },
    migrationTableName: set.name,
    migrationLockTableName: `${set.name}_lock`,
    migrationTableSchema: migrationSchema,
  })
  const { error, results } = await migrator.migrateToLatest()
  if (error !== undefined) {
    const failed = results?.find((result) => result.status === 'Error')?.migrationName ?? 'none of them'
    throw new ChartwardenError('INTERNAL', { cause: new Error(`migrating "${set.name}" failed at ${failed}`, { cause: error }) })
  }
  return (results ?? []).map((result) => `${set.name}/${result.migrationName}`)
}

/**
 * Applies what is missing of each set, in order, and returns the names applied (`set/migration`). Safe to repeat and to run from several
 * processes at once. The pool's user must be allowed to create schemas, and roles that are missing; each set is all or nothing. Throws
 * INTERNAL, with the database's message as cause, if a migration fails or the database holds one that the programme does not know.
 */
export const migrate = async (pool: Pool, sets: readonly MigrationSet[]): Promise<readonly string[]> => {
  const client = await pool.connect()
  let finished = false
  try {
    await client.query('select pg_advisory_lock($1)', [advisoryLock])
    const db = overOneConnection(client)
    const applied: string[] = []
    for (const set of sets) applied.push(...(await migrateSet(db, set)))
    await client.query('select pg_advisory_unlock($1)', [advisoryLock])
    finished = true
    return applied
  } finally {
    // Closing the connection releases the lock even where the session is in a state that cannot.
    client.release(!finished)
  }
}
