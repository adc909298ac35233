/**
 * Brings a database's schemas up to date. Each part of the service keeps its own set of migrations with its own table of what was applied,
 * so that no part has to know another's. Migrations are modules of the programme: they cannot be lost or mixed with another version's.
 */
import { Kysely, PostgresDialect } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import pg, { type Pool, type PoolClient } from 'pg'
import { ChartwardenError } from '../errors.ts'
import { pause } from '../pause.ts'
import { errorCode } from './error-code.ts'
import { groupRoles } from './roles.ts'
import { appliedMigrations, laterMigrations, migrationSchema } from './schema-version.ts'

export interface SetMigration {
  /** Sorts after every earlier one, e.g. `0001_entries`; never renamed or changed once released. A contract says so: `0007_contract_…`. */
  readonly name: string
  /** Runs in one transaction with the others of its set that are due. */
  up(db: Kysely<unknown>): Promise<void>
}

export interface MigrationSet {
  /** Lower-case word; names the table in `chartwarden_migrations` that holds what was applied. */
  readonly name: string
  readonly migrations: readonly SetMigration[]
  /** Runs in a transaction of its own after the migrations, every time, whether one was due or not: must be harmless to repeat. */
  afterwards?(db: Kysely<unknown>): Promise<void>
}

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

/** How long a migration waits for a table in use. What waits for a lock makes everything behind it wait too, so it gives up and tries again. */
const lockTimeoutMs = 3_000
const lockAttempts = 10

const never: Migration = { up: () => Promise.reject(new Error('a migration of a later release was applied already')) }

const migrateSet = async (client: PoolClient, set: MigrationSet): Promise<readonly string[]> => {
  const db = overOneConnection(client)
  const later = laterMigrations(set, await appliedMigrations(client, set.name))
  const migrations = Object.fromEntries<Migration>([
    ...set.migrations.map((migration) => [migration.name, migration] as const),
    // Kysely refuses names it is not told of; these are there and stay.
    ...later.map((name) => [name, never] as const),
  ])
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => migrations },
    migrationTableName: set.name,
    migrationLockTableName: `${set.name}_lock`,
    migrationTableSchema: migrationSchema,
  })
  let { error, results } = await migrator.migrateToLatest()
  for (let attempt = 1; errorCode(error) === '55P03' && attempt < lockAttempts; attempt += 1) {
    await pause(lockTimeoutMs / 3, new AbortController().signal)
    ;({ error, results } = await migrator.migrateToLatest())
  }
  if (error !== undefined) {
    const failed = results?.find((result) => result.status === 'Error')?.migrationName ?? 'none of them'
    throw new ChartwardenError('INTERNAL', { cause: new Error(`migrating "${set.name}" failed at ${failed}`, { cause: error }) })
  }
  const { afterwards } = set
  if (afterwards !== undefined) await db.transaction().execute((transaction) => afterwards(transaction))
  return (results ?? []).map((result) => `${set.name}/${result.migrationName}`)
}

/** Lets the writer see what was applied, so that a replica without this login can tell whether the schema fits. */
const publish = async (client: PoolClient, sets: readonly MigrationSet[]): Promise<void> => {
  const tables = sets.map((set) => `${migrationSchema}.${pg.escapeIdentifier(set.name)}`).join(', ')
  await client.query(`
    do $$
    begin
      if exists (select from pg_catalog.pg_roles where rolname = '${groupRoles.writer}') then
        grant usage on schema ${migrationSchema} to ${groupRoles.writer};
        grant select on ${tables} to ${groupRoles.writer};
      end if;
    exception when insufficient_privilege then
      null; -- another login made them and has granted it already
    end
    $$`)
}

/**
 * Applies what is missing of each set, in order, and returns the names applied (`set/migration`). Safe to repeat and to run from several
 * processes at once. The pool's user must be allowed to create schemas, and roles that are missing; each set is all or nothing. What a later
 * release added stays as it is. Throws StartError where a later release took away what this one needs, and INTERNAL, with the database's
 * message as cause, if a migration fails.
 */
export const migrate = async (pool: Pool, sets: readonly MigrationSet[]): Promise<readonly string[]> => {
  const client = await pool.connect()
  let finished = false
  try {
    await client.query('select pg_advisory_lock($1)', [advisoryLock])
    await client.query(`set lock_timeout = ${lockTimeoutMs}`)
    const applied: string[] = []
    for (const set of sets) applied.push(...(await migrateSet(client, set)))
    if (sets.length > 0) await publish(client, sets)
    await client.query('reset lock_timeout')
    await client.query('select pg_advisory_unlock($1)', [advisoryLock])
    finished = true
    return applied
  } finally {
    // Closing the connection releases the lock even where the session is in a state that cannot.
    client.release(!finished)
  }
}
