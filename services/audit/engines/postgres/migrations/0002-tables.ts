/**
 * Entries are hash-partitioned by clinic, so that `(clinic, revision)` can be the key and the cost of an append or a read does not grow with
 * age. `position` numbers all entries of a log without a gap, so that a missing one is evidence. `log_id` is 1 everywhere until a log per
 * clinic is needed; keys that must be told apart by log carry it from the start.
 */
import { type Kysely, sql } from 'kysely'

export const partitions = Array.from({ length: 16 }, (_, index) => `entries_${String(index).padStart(2, '0')}`)

const tables = `
create schema chartwarden_ledger authorization chartwarden_owner;
set local role chartwarden_owner;
revoke all on schema chartwarden_ledger from public;

create table chartwarden_ledger.log_head (
  log_id smallint primary key,
  position bigint not null check (position >= 0)
) with (fillfactor = 10);
insert into chartwarden_ledger.log_head values (1, 0);

create table chartwarden_ledger.heads (
  clinic text collate "C" primary key check (clinic <> ''),
  revision bigint not null check (revision >= -1),
  state_revision bigint not null check (state_revision between -1 and revision),
  constraint heads_system check (clinic <> '_system' or state_revision = -1)
) with (fillfactor = 20);
insert into chartwarden_ledger.heads values ('_system', -1, -1);

create table chartwarden_ledger.entries (
  position bigint not null,
  revision bigint not null,
  recorded_at bigint not null,
  id uuid not null,
  log_id smallint not null,
  state_changing boolean not null,
  clinic text collate "C" not null,
  type text not null,
  request_digest bytea not null check (octet_length(request_digest) = 32),
  bytes bytea not null check (octet_length(bytes) between 1 and 65535),
  primary key (clinic, revision),
  constraint entries_id unique (clinic, id)
) partition by hash (clinic);
comment on column chartwarden_ledger.entries.recorded_at is 'milliseconds since the epoch, by the clock of this server';
-- The sealed part does not compress; trying costs more than it saves.
alter table chartwarden_ledger.entries alter column bytes set storage external;
create index entries_position on chartwarden_ledger.entries (log_id, position);
create index entries_state on chartwarden_ledger.entries (clinic, revision) where state_changing;
`

const partition = (name: string, remainder: number): string => `
create table chartwarden_ledger.${name} partition of chartwarden_ledger.entries for values with (modulus ${partitions.length}, remainder ${remainder});`

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(tables + partitions.map(partition).join('')).execute(db)
  await sql`reset role`.execute(db)
}
