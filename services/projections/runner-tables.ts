import { type Generated, type Kysely, sql } from 'kysely'

/** How far a runner has come; one row a runner. */
export interface CheckpointsTable {
  readonly runner: string
  /** Null at the beginning. */
  readonly position: string | null
  /** Names and versions of the projections that wrote the rows. */
  readonly projections: string
  readonly updated_at: Generated<Date>
}

/** How far the read models of a clinic have come, written in the transaction that brought them there. */
export interface ProgressTable {
  readonly clinic: string
  readonly complete_to_revision: string
  readonly updated_at: Generated<Date>
}

/** Entries that no read model could take: of an unknown type, or unreadable. Nothing is skipped without a row here. */
export interface ParkedEntriesTable {
  readonly clinic: string
  readonly revision: string
  readonly entry_id: string
  readonly type: string
  readonly reason: 'unknown_type' | 'unreadable'
  /** What failed, in codes; never content of the entry. */
  readonly detail: string
  readonly parked_at: Generated<Date>
}

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

/** The schema and the runner's own tables. Not partitioned: every key leads with the clinic, so a page's cost does not grow with the others. */
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
