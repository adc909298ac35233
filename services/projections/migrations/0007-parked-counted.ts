import { type Kysely, sql } from 'kysely'
import { asOwner } from './owned-tables.ts'

/** Lets reports count what a read model could not take of their clinic. What failed and what the entry is stay the runner's to see. */
export const parkedCounted = {
  async up(db: Kysely<unknown>): Promise<void> {
    await asOwner(db, async () => {
      await sql`grant select (projection, generation, clinic, revision) on chartwarden_projections.parked to chartwarden_query`.execute(db)
      await sql`create policy clinic on chartwarden_projections.parked for select to chartwarden_query
                using (clinic = nullif(current_setting('chartwarden.clinic', true), ''))`.execute(db)
    })
  },
}
