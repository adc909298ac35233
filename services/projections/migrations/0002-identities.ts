import { type Kysely, sql } from 'kysely'
import { asOwner, protectTable } from './owned-tables.ts'

export const identitiesTable = {
  async up(db: Kysely<unknown>): Promise<void> {
    await asOwner(db, async () => {
      await sql`
        create table chartwarden_projections.identities (
          clinic text collate "C" not null,
          pseudonym text collate "C" not null,
          kind text collate "C" not null check (kind in ('subject', 'patient')),
          type text not null,
          entry_id uuid not null,
          entry_type text not null,
          sealed jsonb,
          primary key (clinic, pseudonym)
        )`.execute(db)
      await protectTable(db, 'identities', 'select, insert', 'readable')
    })
  },
}
