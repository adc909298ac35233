import { type Kysely, sql } from 'kysely'
import { asOwner, protectTable } from './owned-tables.ts'

export const runnerTables = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`create schema chartwarden_projections authorization chartwarden_owner`.execute(db)
    await asOwner(db, async () => {
      await sql`revoke all on schema chartwarden_projections from public`.execute(db)
      await sql`grant usage on schema chartwarden_projections to chartwarden_feed, chartwarden_query`.execute(db)
      await sql`
        create table chartwarden_projections.checkpoints (
          runner text primary key,
          position text,
          projections text not null,
          updated_at timestamptz not null default clock_timestamp()
        )`.execute(db)
      await sql`grant select, insert, update on chartwarden_projections.checkpoints to chartwarden_feed`.execute(db)
      await sql`
        create table chartwarden_projections.progress (
          clinic text collate "C" primary key,
          complete_to_revision bigint not null,
          updated_at timestamptz not null default clock_timestamp()
        ) with (fillfactor = 50)`.execute(db)
      await protectTable(db, 'progress', 'select, insert, update', 'readable')
      await sql`
        create table chartwarden_projections.parked_entries (
          clinic text collate "C" not null,
          revision bigint not null,
          entry_id uuid not null,
          type text not null,
          reason text not null check (reason in ('unknown_type', 'unreadable')),
          detail text not null,
          parked_at timestamptz not null default clock_timestamp(),
          primary key (clinic, revision)
        )`.execute(db)
      await protectTable(db, 'parked_entries', 'select, insert', 'hidden')
    })
  },
}
