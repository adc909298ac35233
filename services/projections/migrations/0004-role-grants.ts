import { type Kysely, sql } from 'kysely'
import { asOwner, protectTable } from './owned-tables.ts'

export const roleGrantsTable = {
  async up(db: Kysely<unknown>): Promise<void> {
    await asOwner(db, async () => {
      await sql`
        create table chartwarden_projections.role_grants (
          clinic text collate "C" not null,
          grant_id uuid not null,
          revision bigint not null,
          entry_type text not null,
          entry_time timestamptz not null,
          leaf_hash bytea not null,
          subject_type text not null,
          subject text collate "C" not null,
          role text collate "C" not null,
          valid_from timestamptz not null check (isfinite(valid_from)),
          valid_until timestamptz check (isfinite(valid_until)),
          grantor_type text,
          grantor text,
          sealed jsonb,
          ended_at timestamptz,
          ended_revision bigint,
          ended_entry_id uuid,
          in_force_until timestamptz not null
            generated always as (least(valid_until, ended_at, 'infinity'::timestamptz)) stored,
          primary key (clinic, grant_id)
        )`.execute(db)
      await sql`create index role_grants_in_force on chartwarden_projections.role_grants (clinic, in_force_until)`.execute(db)
      await sql`create index role_grants_by_subject on chartwarden_projections.role_grants (clinic, subject, in_force_until)`.execute(db)
      await sql`create index role_grants_ended on chartwarden_projections.role_grants (clinic, ended_revision) where ended_revision is not null`.execute(
        db,
      )
      await protectTable(db, 'role_grants', 'select, insert, update', 'readable')
    })
  },
}
