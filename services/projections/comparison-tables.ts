/** Tables to build rows in once more, for one comparison: seen by nobody else, gone when it is over. */
import { type Kysely, sql } from 'kysely'
import type { ProjectionDatabase } from './database.ts'
import type { Projection } from './projection.ts'

export interface ComparisonTables {
  readonly comparison: string
  readonly schema: string
}

const lockName = (comparison: string): string => `chartwarden comparison ${comparison}`

/** Drops what comparisons left behind whose process is gone: nobody holds their locks. */
export const dropAbandoned = async (db: Kysely<ProjectionDatabase>): Promise<void> => {
  const { rows } = await sql<{ comparison: string }>`select comparison from chartwarden_projections.comparisons`.execute(db)
  for (const { comparison } of rows) {
    await sql`
      select case when pg_try_advisory_xact_lock(hashtextextended(${lockName(comparison)}, 0))
        then chartwarden_projections.drop_comparison(${comparison}) end`.execute(db)
  }
}

/** Empty tables of these projections. The session of `db` holds their lock until it ends or `dropTables` is called. */
export const makeTables = async (db: Kysely<ProjectionDatabase>, projections: readonly Projection[]): Promise<ComparisonTables> =>
  db.transaction().execute(async (transaction) => {
    const { rows } = await sql<{ comparison: string; schema_name: string }>`
      select comparison, schema_name from chartwarden_projections.create_comparison(
        ${projections.map(({ name }) => name)}::text[], ${projections.map(({ version }) => version)}::integer[])`.execute(transaction)
    const { comparison, schema_name: schema } = rows[0] as { comparison: string; schema_name: string }
    // Before the commit that shows the row to others.
    await sql`select pg_advisory_lock(hashtextextended(${lockName(comparison)}, 0))`.execute(transaction)
    return { comparison, schema }
  })

export const dropTables = async (db: Kysely<ProjectionDatabase>, { comparison }: ComparisonTables): Promise<void> => {
  await sql`select chartwarden_projections.drop_comparison(${comparison})`.execute(db)
  await sql`select pg_advisory_unlock(hashtextextended(${lockName(comparison)}, 0))`.execute(db)
}
