import { type Kysely, sql } from 'kysely'
import { asOwner, protectTable } from './owned-tables.ts'

export const accessHistoryTable = {
  async up(db: Kysely<unknown>): Promise<void> {
    await asOwner(db, async () => {
      await sql`
        create table chartwarden_projections.access_history (
          clinic text collate "C" not null,
          revision bigint not null,
          entry_id uuid not null,
          entry_type text not null,
          entry_time timestamptz not null,
          recorded_at timestamptz not null,
          leaf_hash bytea not null,
          kind text collate "C" not null check (kind in ('authorised', 'performed', 'refused', 'probed')),
          occurred_at timestamptz not null check (isfinite(occurred_at)),
          subject_type text not null,
          subject text collate "C" not null,
          action text not null,
          resource_type text not null,
          patient text collate "C",
          purpose text not null,
          reason_code text not null,
          rule text not null,
          caller text not null,
          flags text[] not null,
          decision text check (decision in ('permit', 'deny')),
          decision_entry_id uuid,
          sealed jsonb,
          primary key (clinic, revision)
        )`.execute(db)
      await sql`create index access_history_by_time
        on chartwarden_projections.access_history (clinic, kind, occurred_at, revision)`.execute(db)
      await sql`create index access_history_by_patient
        on chartwarden_projections.access_history (clinic, patient, kind, occurred_at, revision) where patient is not null`.execute(db)
      await sql`create index access_history_by_subject
        on chartwarden_projections.access_history (clinic, subject, kind, occurred_at, revision)`.execute(db)
      await protectTable(db, 'access_history', 'select, insert', 'readable')
    })
  },
}
