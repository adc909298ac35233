/** Helpers of the migrations up to 0005, frozen with them. */
import { type Kysely, sql } from 'kysely'

/** Runs statements as the owner of the schema, whoever of its members migrates. */
export const asOwner = async (db: Kysely<unknown>, work: () => Promise<void>): Promise<void> => {
  await sql`set local role chartwarden_owner`.execute(db)
  await work()
  await sql`reset role`.execute(db)
}

/** The runner writes everywhere; the query role reads the rows of the clinic its transaction names, and nothing when it names none. */
export const protectTable = async (db: Kysely<unknown>, table: string, feed: string, query: 'readable' | 'hidden'): Promise<void> => {
  const name = sql.table(`chartwarden_projections.${table}`)
  await sql`alter table ${name} enable row level security`.execute(db)
  await sql`alter table ${name} force row level security`.execute(db)
  await sql`create policy feed on ${name} to chartwarden_feed using (true) with check (true)`.execute(db)
  await sql`grant ${sql.raw(feed)} on ${name} to chartwarden_feed`.execute(db)
  if (query === 'hidden') return
  await sql`create policy clinic on ${name} for select to chartwarden_query
            using (clinic = nullif(current_setting('chartwarden.clinic', true), ''))`.execute(db)
  await sql`grant select on ${name} to chartwarden_query`.execute(db)
}
