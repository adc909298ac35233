import { type Kysely, sql } from 'kysely'
import { asOwner, protectTable } from './owned-tables.ts'

export const offboardingsTable = {
  async up(db: Kysely<unknown>): Promise<void> {
    await asOwner(db, async () => {
      await sql`
        create table chartwarden_projections.offboardings (
          clinic text collate "C" not null,
          revision bigint not null,
          entry_id uuid not null,
          entry_type text not null,
          entry_time timestamptz not null,
          leaf_hash bytea not null,
          subject_type text not null,
          subject text collate "C" not null,
          decided_by_type text,
          decided_by text,
          caller text not null,
          effective timestamptz not null check (isfinite(effective)),
          unknown_subject boolean not null,
          sealed jsonb,
          reinstated_revision bigint,
          reinstated_at timestamptz,
          attempts_after_exit bigint not null default 0,
          last_attempt timestamptz,
          primary key (clinic, revision)
        )`.execute(db)
      await sql`create index offboardings_by_subject on chartwarden_projections.offboardings (clinic, subject, revision)`.execute(db)
      await protectTable(db, 'offboardings', 'select, insert, update', 'readable')
    })
  },
}
