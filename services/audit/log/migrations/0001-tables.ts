/**
 * A clinic's log in generations: a log that an operator has retired stays as it was, and the next one begins beside it with a tree of its
 * own. The sealer writes through the feed's role; people read one clinic's through the query role.
 */
import { type Kysely, sql } from 'kysely'

const schema = 'chartwarden_log'

/** The clinic of the transaction, as `set_config('chartwarden.clinic', …, true)` made it; unset or empty matches nothing. */
const ofTheClinic = `clinic = nullif(current_setting('chartwarden.clinic', true), '')`

const tables = `
create schema ${schema} authorization chartwarden_owner;
set local role chartwarden_owner;
revoke all on schema ${schema} from public;

-- Who writes: the epoch of the signer's session. position: where the feed has been integrated to. installation: whose signer store it is.
create table ${schema}.sealer (
  one boolean primary key default true check (one),
  installation uuid not null default gen_random_uuid(),
  epoch bigint not null default 0 check (epoch >= 0),
  position text,
  handed_out_at timestamptz
) with (fillfactor = 50);
insert into ${schema}.sealer default values;

create table ${schema}.logs (
  clinic text collate "C" primary key check (clinic <> ''),
  generation integer not null check (generation > 0),
  origin text not null check (origin <> ''),
  size bigint not null default 0 check (size >= 0),
  halted text check (halted in ('ledger_behind', 'ledger_differs', 'tiles_differ', 'store_behind'))
) with (fillfactor = 50);

-- The hashes of a level in strips of 32, eight of which make a tile: what grows is written anew, so it is short, and beside its key.
create table ${schema}.strips (
  clinic text collate "C" not null references ${schema}.logs,
  generation integer not null,
  level smallint not null check (level between 0 and 7),
  strip bigint not null check (strip >= 0),
  hashes bytea not null check (octet_length(hashes) between 32 and 1024 and octet_length(hashes) % 32 = 0),
  primary key (clinic, generation, level, strip)
);
-- Hashes do not compress; trying costs more than it saves.
alter table ${schema}.strips alter column hashes set storage external;

create table ${schema}.checkpoints (
  clinic text collate "C" not null references ${schema}.logs,
  generation integer not null,
  size bigint not null check (size > 0),
  root bytea not null check (octet_length(root) = 32),
  note text not null,
  published_at timestamptz not null default clock_timestamp(),
  primary key (clinic, generation, size)
);

create table ${schema}.cosignatures (
  clinic text collate "C" not null,
  generation integer not null,
  size bigint not null,
  witness text collate "C" not null check (witness <> ''),
  line text not null,
  added_at timestamptz not null default clock_timestamp(),
  primary key (clinic, generation, size, witness),
  foreign key (clinic, generation, size) references ${schema}.checkpoints on delete cascade
);
`

const reads = ['logs', 'strips', 'checkpoints', 'cosignatures']

const rowSecurity = (table: string): string => `
alter table ${schema}.${table} enable row level security;
alter table ${schema}.${table} force row level security;
create policy feed on ${schema}.${table} to chartwarden_feed using (true) with check (true);
create policy clinic on ${schema}.${table} for select to chartwarden_query using (${ofTheClinic});`

const grants = `
grant usage on schema ${schema} to chartwarden_feed, chartwarden_query;
grant select, update (epoch, position, handed_out_at) on ${schema}.sealer to chartwarden_feed;
grant select, insert, update (generation, origin, size, halted) on ${schema}.logs to chartwarden_feed;
grant select, insert, update (hashes) on ${schema}.strips to chartwarden_feed;
grant select, insert, delete on ${schema}.checkpoints to chartwarden_feed;
grant select, insert, update (line, added_at) on ${schema}.cosignatures to chartwarden_feed;
grant select on ${reads.map((table) => `${schema}.${table}`).join(', ')} to chartwarden_query;
`

/**
 * What people read, in one round trip that names the clinic for its own transaction alone. They run as whoever calls: row security decides,
 * not they.
 */
const functions = `
create function ${schema}.log_of(of_clinic text) returns setof ${schema}.logs
language plpgsql security invoker set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('chartwarden.clinic', of_clinic, true);
  return query select l.* from ${schema}.logs l where l.clinic = of_clinic;
end
$$;
create function ${schema}.tiles_of(of_clinic text, levels smallint[], indexes bigint[])
returns table (generation integer, level smallint, index bigint, hashes bytea)
language plpgsql security invoker set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  perform set_config('chartwarden.clinic', of_clinic, true);
  return query select l.generation, u.level, u.index, string_agg(s.hashes, ''::bytea order by s.strip)
    from ${schema}.logs l
    cross join (select distinct * from unnest(levels, indexes)) as u (level, index)
    join ${schema}.strips s on s.clinic = l.clinic and s.generation = l.generation and s.level = u.level
      and s.strip >= 8 * u.index and s.strip < 8 * u.index + 8
    where l.clinic = of_clinic group by l.generation, u.level, u.index;
end
$$;
-- The newest, or all that carry cosignatures; a row for each cosignature, and one where there is none.
create function ${schema}.checkpoints_of(of_clinic text, only_cosigned boolean)
returns table (size bigint, root bytea, note text, published_at timestamptz, witness text, line text)
language plpgsql security invoker set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  perform set_config('chartwarden.clinic', of_clinic, true);
  return query select c.size, c.root, c.note, c.published_at, s.witness, s.line
    from ${schema}.logs l
    join ${schema}.checkpoints c on c.clinic = l.clinic and c.generation = l.generation
    left join ${schema}.cosignatures s on s.clinic = c.clinic and s.generation = c.generation and s.size = c.size
    where l.clinic = of_clinic and (
      only_cosigned and s.witness is not null
      or not only_cosigned and c.size = (
        select max(n.size) from ${schema}.checkpoints n where n.clinic = l.clinic and n.generation = l.generation))
    order by c.size desc, s.witness;
end
$$;
revoke all on all functions in schema ${schema} from public;
grant execute on all functions in schema ${schema} to chartwarden_query;
`

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(tables + reads.map(rowSecurity).join('') + grants + functions).execute(db)
  await sql`reset role`.execute(db)
}
