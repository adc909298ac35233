/**
 * The index of ledgers that KurrentDB holds: what an append must know of the entries before it without reading them, and one order over all
 * ledgers for the feed. Everything in it can be read from the streams again, but for the order of `position`, which the read models and the
 * sealer's place rest on; so it belongs into the same backup as they do.
 *
 * `installation` keeps apart the streams of installations that share a cluster: it is drawn once, here.
 */
import { type Kysely, sql } from 'kysely'

export const schema = 'chartwarden_kurrent'

const tables = `
create schema ${schema} authorization chartwarden_owner;
set local role chartwarden_owner;
revoke all on schema ${schema} from public;

create table ${schema}.installation (
  only_one boolean primary key default true check (only_one),
  id text not null
);
insert into ${schema}.installation (id) values (replace(gen_random_uuid()::text, '-', ''));

create table ${schema}.log_head (
  log_id smallint primary key,
  position bigint not null check (position >= 0)
) with (fillfactor = 10);
insert into ${schema}.log_head values (1, 0);

create table ${schema}.heads (
  clinic text collate "C" primary key check (clinic <> ''),
  revision bigint not null check (revision >= -1),
  state_revision bigint not null check (state_revision between -1 and revision),
  constraint heads_system check (clinic <> '_system' or state_revision = -1)
) with (fillfactor = 20);
insert into ${schema}.heads values ('_system', -1, -1);

create table ${schema}.entries (
  position bigint not null unique,
  revision bigint not null,
  recorded_at bigint not null,
  id uuid not null,
  state_changing boolean not null,
  clinic text collate "C" not null,
  request_digest bytea not null check (octet_length(request_digest) = 32),
  leaf_hash bytea not null check (octet_length(leaf_hash) = 32),
  primary key (clinic, revision),
  constraint entries_id unique (clinic, id)
);
comment on column ${schema}.entries.recorded_at is 'milliseconds since the epoch, by the clock of this server when the append began';
create index entries_state on ${schema}.entries (clinic, revision) where state_changing;

create table ${schema}.follower (
  only_one boolean primary key default true check (only_one),
  commit_position bigint not null,
  prepare_position bigint not null
);
comment on table ${schema}.follower is 'place in the order of KurrentDB up to which every entry is in the index';
`

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(tables).execute(db)
  await sql`reset role`.execute(db)
}
