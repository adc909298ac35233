import { Kysely, PostgresDialect, type RawBuilder, sql, type Transaction } from 'kysely'
import type { Pool, PoolClient } from 'pg'
import type { AccessHistoryTable } from './read-models/access-history.ts'
import type { IdentitiesTable } from './read-models/identities.ts'
import type { OffboardingsTable } from './read-models/offboardings.ts'
import type { RoleGrantsTable } from './read-models/role-grants.ts'
import type { CheckpointsTable, ParkedEntriesTable, ProgressTable } from './runner-tables.ts'

/** Schema `chartwarden_projections`. Postgres answers `bigint` as text and `timestamptz` in milliseconds; finer times are read as `bigint`. */
export interface ProjectionDatabase {
  readonly 'chartwarden_projections.checkpoints': CheckpointsTable
  readonly 'chartwarden_projections.progress': ProgressTable
  readonly 'chartwarden_projections.parked_entries': ParkedEntriesTable
  readonly 'chartwarden_projections.identities': IdentitiesTable
  readonly 'chartwarden_projections.access_history': AccessHistoryTable
  readonly 'chartwarden_projections.role_grants': RoleGrantsTable
  readonly 'chartwarden_projections.offboardings': OffboardingsTable
}

export type ProjectionTransaction = Transaction<ProjectionDatabase>

/** Queries over a pool, which stays its creator's to close. */
export const onPool = (pool: Pool): Kysely<ProjectionDatabase> => new Kysely({ dialect: new PostgresDialect({ pool }) })

/** Queries over one connection, so that what it holds (a lock) and what it writes live and die together. */
export const onClient = (client: PoolClient): Kysely<ProjectionDatabase> => {
  const lent = { query: client.query.bind(client), release: () => {} } as unknown as PoolClient
  return new Kysely({ dialect: new PostgresDialect({ pool: { options: {}, connect: async () => lent, end: async () => {} } }) })
}

/** Rows of a statement's input as one JSON parameter; `columns` is their SQL definition, e.g. `clinic text, revision bigint`. */
export const recordset = (rows: readonly object[], columns: string): RawBuilder<unknown> =>
  sql`json_to_recordset(${JSON.stringify(rows)}::json) as r(${sql.raw(columns)})`

/** A `timestamptz` column as whole microseconds since the epoch: everything Postgres keeps, where a Date would drop the last three digits. */
export const microseconds = (column: string): RawBuilder<string> => sql<string>`(extract(epoch from ${sql.ref(column)}) * 1000000)::bigint`

/** Microseconds since the epoch as a `timestamptz`. */
export const instant = (value: bigint): RawBuilder<Date> =>
  sql<Date>`(timestamptz 'epoch' + ${String(value)}::bigint * interval '1 microsecond')`
