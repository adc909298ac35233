import { type Kysely, sql } from 'kysely'
import type { MigrationSet, SetMigration } from '../../kernel/postgres/migrate.ts'
import { movedKeys } from './migrations/0003-moved-keys.ts'
import { destroyedKeys } from './migrations/0004-destroyed-keys.ts'

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

/**
 * Keys that logs are signed with. Which of them sign is a history of its own: a key signs from its activation on, until a later activation
 * says that the others retire.
 */
const logKeyTables = `
set local role chartwarden_owner;

create table ${schema}.log_keys (
  clinic text collate "C" not null references ${schema}.clinic_keys,
  id uuid not null,
  wrapped_key bytea not null,
  public_key bytea not null check (length(public_key) = 32),
  created_at timestamptz not null default clock_timestamp(),
  primary key (clinic, id)
);
create table ${schema}.log_key_activations (
  clinic text collate "C" not null,
  id uuid not null,
  ordinal bigint not null,
  retire_others_at timestamptz,
  primary key (clinic, id),
  unique (clinic, ordinal),
  foreign key (clinic, id) references ${schema}.log_keys
);

alter table ${schema}.log_keys enable row level security;
alter table ${schema}.log_keys force row level security;
alter table ${schema}.log_key_activations enable row level security;
alter table ${schema}.log_key_activations force row level security;

create policy writer_reads on ${schema}.log_keys for select to chartwarden_writer using (${ofTheClinic});
create policy writer_adds on ${schema}.log_keys for insert to chartwarden_writer with check (${ofTheClinic});
create policy writer_reads on ${schema}.log_key_activations for select to chartwarden_writer using (${ofTheClinic});
create policy writer_adds on ${schema}.log_key_activations for insert to chartwarden_writer with check (${ofTheClinic});

grant select, insert on ${schema}.log_keys, ${schema}.log_key_activations to chartwarden_writer;

create function ${schema}.log_keys(of_clinic text)
returns table (id uuid, wrapped_key bytea, public_key bytea, created_at timestamptz, retires_at timestamptz)
language plpgsql security invoker set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('chartwarden.clinic', of_clinic, true);
  return query
    select k.id, k.wrapped_key, k.public_key, k.created_at,
      (select min(l.retire_others_at) from ${schema}.log_key_activations l where l.clinic = of_clinic and l.ordinal > a.ordinal)
    from ${schema}.log_key_activations a
    join ${schema}.log_keys k on k.clinic = a.clinic and k.id = a.id
    where a.clinic = of_clinic
    order by a.ordinal desc;
end
$$;
create function ${schema}.put_log_key(of_clinic text, key_id uuid, wrapped_key bytea, public_key bytea) returns setof ${schema}.log_keys
language plpgsql security invoker set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('chartwarden.clinic', of_clinic, true);
  insert into ${schema}.log_keys (clinic, id, wrapped_key, public_key)
    select c.clinic, key_id, $3, $4 from ${schema}.clinic_keys c where c.clinic = of_clinic on conflict do nothing;
  return query select k.* from ${schema}.log_keys k where k.clinic = of_clinic and k.id = key_id;
end
$$;
create function ${schema}.activate_log_key(of_clinic text, key_id uuid, ordinal bigint, retire_others_at timestamptz) returns void
language plpgsql security invoker set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('chartwarden.clinic', of_clinic, true);
  insert into ${schema}.log_key_activations (clinic, id, ordinal, retire_others_at)
    values (of_clinic, key_id, $3, $4) on conflict on constraint log_key_activations_pkey do nothing;
end
$$;
revoke all on function ${schema}.log_keys(text), ${schema}.put_log_key(text, uuid, bytea, bytea),
  ${schema}.activate_log_key(text, uuid, bigint, timestamptz) from public;
grant execute on function ${schema}.log_keys(text), ${schema}.put_log_key(text, uuid, bytea, bytea),
  ${schema}.activate_log_key(text, uuid, bigint, timestamptz) to chartwarden_writer;
`

const logKeys: SetMigration = {
  name: '0002_log_keys',
  async up(db: Kysely<unknown>): Promise<void> {
    await sql.raw(logKeyTables).execute(db)
    await sql`reset role`.execute(db)
  },
}

/** Migrations of the vault; run after the ledger's, which makes the roles. */
export const vaultMigrations: MigrationSet = { name: 'vault', migrations: [keyTables, logKeys, movedKeys, destroyedKeys] }
