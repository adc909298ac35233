import { type Kysely, sql } from 'kysely'
import type { Projection } from './projection.ts'

/** What a generation is made from, as the owner publishes it. */
const tablesOf = ({ tables }: Projection): string =>
  JSON.stringify(tables.map(({ name, columns, indexes, feed, query }) => ({ name, columns, indexes, feed, query })))

/**
 * Publishes the definitions of this release's read models, as the owner: what the runner may instantiate. Earlier versions stay for the
 * replicas of earlier releases. Throws when a definition was changed without raising its version, for rows of both would pass for the same.
 */
export const publishDefinitions = async (db: Kysely<unknown>, projections: readonly Projection[]): Promise<void> => {
  await sql`set local role chartwarden_owner`.execute(db)
  for (const projection of projections) {
    const { name, version } = projection
    const tables = tablesOf(projection)
    await sql`insert into chartwarden_projections.definitions (projection, version, tables) values (${name}, ${version}, ${tables}::jsonb)
              on conflict do nothing`.execute(db)
    const { rows } = await sql`
      select from chartwarden_projections.definitions where projection = ${name} and version = ${version} and tables = ${tables}::jsonb`.execute(
      db,
    )
    if (rows.length === 0)
      throw new Error(`the tables of the read model ${name} differ from those published as version ${version}: raise it`)
  }
  await sql`reset role`.execute(db)
}
