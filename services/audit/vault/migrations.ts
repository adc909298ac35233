import { type Kysely, sql } from 'kysely'
import type { MigrationSet, SetMigration } from '../../kernel/postgres/migrate.ts'

const schema = 'chartwarden_vault'

/** The clinic of the transaction, as `set_config('chartwarden.clinic', …, true)` made it; unset or empty matches nothing. */
const ofTheClinic = `clinic = nullif(current_setting('chartwarden.clinic', true), '')`

/**
 * The writer inserts and reads the keys of one clinic at a time; nobody else sees them, and no runtime role changes or deletes a row.
 * Destroying a key is the owner's act, and row security lets even the owner neither put another in its place nor delete the row.
 */
const tables = `
create schema ${schema} authorization chartwarden_owner;
set local role chartwarden_owner;
revoke all on schema ${schema} from public;

create table ${schema}.clinic_keys (
  clinic text collate "C" primary key check (clinic <> ''),
  pseudonym_key bytea not null,
  digest_key bytea not null,
  created_at timestamptz not null default clock_timestamp()
);
create table ${schema}.identity_keys (
  clinic text collate "C" not null check (clinic <> ''),
  pseudonym text collate "C" not null,
  wrapped_key bytea,
  commitment text not null,
  created_at timestamptz not null default clock_timestamp(),
  destroyed_at timestamptz,
  primary key (clinic, pseudonym),
  check ((wrapped_key is null) = (destroyed_at is not null))
);

alter table ${schema}.clinic_keys enable row level security;
alter table ${schema}.clinic_keys force row level security;
alter table ${schema}.identity_keys enable row level security;
alter table ${schema}.identity_keys force row level security;

create policy writer_reads on ${schema}.clinic_keys for select to chartwarden_writer using (${ofTheClinic});
create policy writer_adds on ${schema}.clinic_keys for insert to chartwarden_writer with check (${ofTheClinic});
create policy writer_reads on ${schema}.identity_keys for select to chartwarden_writer using (${ofTheClinic});
create policy writer_adds on ${schema}.identity_keys for insert to chartwarden_writer with check (${ofTheClinic} and wrapped_key is not null);
create policy owner_reads on ${schema}.identity_keys for select to chartwarden_owner using (true);
create policy owner_destroys on ${schema}.identity_keys for update to chartwarden_owner using (true) with check (wrapped_key is null);

grant usage on schema ${schema} to chartwarden_writer;
grant select, insert on ${schema}.clinic_keys, ${schema}.identity_keys to chartwarden_writer;
`

/**
 * One round trip that names the clinic, for that transaction alone, and does the work. They run as whoever calls: row security decides, not
 * they. Their statements see each what was committed before it, so what another replica has just inserted is read.
 */
const functions = `
create function ${schema}.clinic_keys(of_clinic text) returns setof ${schema}.clinic_keys
language plpgsql security invoker set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('chartwarden.clinic', of_clinic, true);
  return query select k.* from ${schema}.clinic_keys k where k.clinic = of_clinic;
end
$$;
create function ${schema}.put_clinic_keys(of_clinic text, pseudonym_key bytea, digest_key bytea) returns setof ${schema}.clinic_keys
language plpgsql security invoker set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('chartwarden.clinic', of_clinic, true);
  insert into ${schema}.clinic_keys (clinic, pseudonym_key, digest_key) values (of_clinic, $2, $3) on conflict do nothing;
  return query select k.* from ${schema}.clinic_keys k where k.clinic = of_clinic;
end
$$;
create function ${schema}.identity_keys(of_clinic text, pseudonyms text[]) returns setof ${schema}.identity_keys
language plpgsql security invoker set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('chartwarden.clinic', of_clinic, true);
  return query select k.* from ${schema}.identity_keys k where k.clinic = of_clinic and k.pseudonym = any (pseudonyms);
end
$$;
create function ${schema}.put_identity_keys(of_clinic text, pseudonyms text[], wrapped_keys bytea[], commitments text[])
returns setof ${schema}.identity_keys
language plpgsql security invoker set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('chartwarden.clinic', of_clinic, true);
  insert into ${schema}.identity_keys (clinic, pseudonym, wrapped_key, commitment)
    select of_clinic, * from unnest(pseudonyms, wrapped_keys, commitments) on conflict do nothing;
  return query select k.* from ${schema}.identity_keys k where k.clinic = of_clinic and k.pseudonym = any (pseudonyms);
end
$$;
revoke all on all functions in schema ${schema} from public;
grant execute on all functions in schema ${schema} to chartwarden_writer;
`

const keyTables: SetMigration = {
  name: '0001_key_tables',
  async up(db: Kysely<unknown>): Promise<void> {
    await sql.raw(tables + functions).execute(db)
    await sql`reset role`.execute(db)
  },
}

/** Migrations of the vault; run after the ledger's, which makes the roles. */
export const vaultMigrations: MigrationSet = { name: 'vault', migrations: [keyTables] }
