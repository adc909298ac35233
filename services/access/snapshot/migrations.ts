import { type Kysely, sql } from 'kysely'
import type { MigrationSet, SetMigration } from '../../kernel/postgres/migrate.ts'

const schema = 'chartwarden_snapshot'

/** The clinic of the transaction, as `set_config('chartwarden.clinic', …, true)` made it; unset or empty matches nothing. */
const ofTheClinic = `clinic = nullif(current_setting('chartwarden.clinic', true), '')`

/**
 * The writer reads and replaces the snapshot of one clinic at a time; nobody else sees any, and no runtime role deletes one. What a row says
 * of itself proves nothing: it is sealed, and bound to its clinic, format and revision.
 */
const table = `
create schema ${schema} authorization chartwarden_owner;
set local role chartwarden_owner;
revoke all on schema ${schema} from public;

create table ${schema}.states (
  clinic text collate "C" primary key check (clinic <> ''),
  format integer not null,
  state_revision bigint not null check (state_revision >= 0),
  sealed bytea not null,
  written_at timestamptz not null default clock_timestamp()
);
-- What is sealed does not compress; trying costs more than it saves.
alter table ${schema}.states alter column sealed set storage external;

alter table ${schema}.states enable row level security;
alter table ${schema}.states force row level security;
create policy writer_reads on ${schema}.states for select to chartwarden_writer using (${ofTheClinic});
create policy writer_adds on ${schema}.states for insert to chartwarden_writer with check (${ofTheClinic});
create policy writer_replaces on ${schema}.states for update to chartwarden_writer using (${ofTheClinic}) with check (${ofTheClinic});

grant usage on schema ${schema} to chartwarden_writer;
grant select, insert on ${schema}.states to chartwarden_writer;
grant update (format, state_revision, sealed, written_at) on ${schema}.states to chartwarden_writer;
`

/** They name the clinic, for their own transaction alone, and run as whoever calls: row security decides, not they. */
const functions = `
create function ${schema}.read_state(of_clinic text) returns setof ${schema}.states
language plpgsql security invoker set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('chartwarden.clinic', of_clinic, true);
  return query select s.* from ${schema}.states s where s.clinic = of_clinic;
end
$$;
-- A newer one wins, and any wins over the one named last, which did not open.
create function ${schema}.write_state(of_clinic text, format integer, state_revision bigint, sealed bytea, instead_format integer, instead_revision bigint)
returns boolean
language plpgsql security invoker set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('chartwarden.clinic', of_clinic, true);
  insert into ${schema}.states as s (clinic, format, state_revision, sealed) values (of_clinic, $2, $3, $4)
    on conflict (clinic) do update
      set format = excluded.format, state_revision = excluded.state_revision, sealed = excluded.sealed, written_at = clock_timestamp()
      where s.state_revision < excluded.state_revision or (s.format = instead_format and s.state_revision = instead_revision);
  return found;
end
$$;
revoke all on all functions in schema ${schema} from public;
grant execute on all functions in schema ${schema} to chartwarden_writer;
`

const stateTable: SetMigration = {
  name: '0001_state_table',
  async up(db: Kysely<unknown>): Promise<void> {
    await sql.raw(table + functions).execute(db)
    await sql`reset role`.execute(db)
  },
}

/** Migrations of the snapshots; run after the ledger's, which makes the roles. */
export const snapshotMigrations: MigrationSet = { name: 'snapshot', migrations: [stateTable] }
