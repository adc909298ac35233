import { type Kysely, sql } from 'kysely'

/**
 * Read models in generations. Each generation of a projection lives in a schema of its own, so that a new one is built beside the one that
 * answers reports. The tables of earlier releases stay for their replicas; these never touch them.
 *
 * The runner's login makes and drops such schemas through functions of the owner, which instantiate only definitions that the owner has
 * published; it cannot write a definition, nor name a schema: the name is computed from columns that only the functions insert.
 */
const tables = `
create table chartwarden_projections.definitions (
  projection text not null check (projection ~ '^[a-z][a-z_]{0,30}$'),
  version integer not null check (version > 0),
  tables jsonb not null,
  published_at timestamptz not null default clock_timestamp(),
  primary key (projection, version)
);

-- What moves through the feed together, in one transaction a batch. epoch changes with its members.
create table chartwarden_projections.lanes (
  lane bigint generated always as identity primary key,
  position text,
  epoch bigint not null default 0,
  recorded_at timestamptz,
  entries_per_second real not null default 0,
  share real not null default 0,
  seconds_left integer,
  updated_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50);

create table chartwarden_projections.generations (
  projection text not null,
  generation integer not null check (generation > 0),
  version integer not null,
  schema_name text not null unique generated always as ('chartwarden_read_' || projection || '_' || generation::text) stored,
  state text not null default 'building' check (state in ('building', 'live', 'retired', 'dropped')),
  lane bigint check (lane is null or state in ('building', 'live')),
  indexed boolean not null default false,
  replay boolean not null default false,
  started_at timestamptz not null default clock_timestamp(),
  switched_at timestamptz,
  retired_at timestamptz,
  seen_at timestamptz not null default clock_timestamp(),
  primary key (projection, generation),
  foreign key (projection, version) references chartwarden_projections.definitions
);
create unique index generations_live on chartwarden_projections.generations (projection, version) where state = 'live';
create unique index generations_building on chartwarden_projections.generations (projection, version) where state = 'building';

create table chartwarden_projections.clinic_progress (
  lane bigint not null,
  clinic text collate "C" not null,
  complete_to_revision bigint not null,
  updated_at timestamptz not null default clock_timestamp(),
  primary key (lane, clinic)
) with (fillfactor = 50);

-- after_position: where the feed resumes so that the entry comes again.
create table chartwarden_projections.parked (
  projection text not null,
  generation integer not null,
  clinic text collate "C" not null,
  revision bigint not null,
  entry_id uuid not null,
  type text not null,
  reason text not null check (reason in ('unknown_type', 'unreadable')),
  detail text not null,
  after_position text,
  parked_at timestamptz not null default clock_timestamp(),
  primary key (projection, generation, clinic, revision)
);

grant select on chartwarden_projections.definitions to chartwarden_feed;
grant select, insert, update, delete on chartwarden_projections.lanes to chartwarden_feed;
grant select, update (state, lane, replay, switched_at, retired_at, seen_at) on chartwarden_projections.generations to chartwarden_feed;
grant select, insert, update, delete on chartwarden_projections.clinic_progress, chartwarden_projections.parked to chartwarden_feed;
grant select on chartwarden_projections.lanes, chartwarden_projections.generations, chartwarden_projections.clinic_progress to chartwarden_query;

alter table chartwarden_projections.clinic_progress enable row level security;
alter table chartwarden_projections.clinic_progress force row level security;
create policy feed on chartwarden_projections.clinic_progress to chartwarden_feed using (true) with check (true);
create policy clinic on chartwarden_projections.clinic_progress for select to chartwarden_query
  using (clinic = nullif(current_setting('chartwarden.clinic', true), ''));
alter table chartwarden_projections.parked enable row level security;
alter table chartwarden_projections.parked force row level security;
create policy feed on chartwarden_projections.parked to chartwarden_feed using (true) with check (true);
`

/** A table that is updated needs its indexes while it is loaded; the others get theirs when they are full. */
const functions = `
create function chartwarden_projections.index_tables(schema_name text, tables jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  t jsonb;
  i record;
begin
  for t in select value from jsonb_array_elements(tables) loop
    for i in select key, value from jsonb_each_text(t -> 'indexes') order by key loop
      if to_regclass(format('%I.%I', schema_name, i.key)) is null then
        execute format('create index %I on %I.%I %s', i.key, schema_name, t ->> 'name', i.value);
      end if;
    end loop;
  end loop;
end
$$;
revoke all on function chartwarden_projections.index_tables from public;

create function chartwarden_projections.create_generation(p_projection text, p_version integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  definition jsonb;
  number integer;
  named text;
  t jsonb;
begin
  perform pg_advisory_xact_lock(hashtextextended('chartwarden projections registry', 0));
  select d.tables into strict definition from chartwarden_projections.definitions d
    where d.projection = p_projection and d.version = p_version;
  select coalesce(max(g.generation), 0) + 1 into number from chartwarden_projections.generations g where g.projection = p_projection;
  insert into chartwarden_projections.generations (projection, generation, version) values (p_projection, number, p_version)
    returning schema_name into named;
  execute format('create schema %I', named);
  execute format('revoke all on schema %I from public', named);
  execute format('grant usage on schema %I to chartwarden_feed, chartwarden_query', named);
  for t in select value from jsonb_array_elements(definition) loop
    execute format('create table %I.%I (%s)', named, t ->> 'name', t ->> 'columns');
    execute format('alter table %I.%I enable row level security', named, t ->> 'name');
    execute format('alter table %I.%I force row level security', named, t ->> 'name');
    execute format('create policy feed on %I.%I to chartwarden_feed using (true) with check (true)', named, t ->> 'name');
    execute format('grant %s on %I.%I to chartwarden_feed', t ->> 'feed', named, t ->> 'name');
    if t ->> 'query' = 'readable' then
      execute format(
        'create policy clinic on %I.%I for select to chartwarden_query using (clinic = nullif(current_setting(%L, true), %L))',
        named, t ->> 'name', 'chartwarden.clinic', '');
      execute format('grant select on %I.%I to chartwarden_query', named, t ->> 'name');
    end if;
    if t ->> 'feed' like '%update%' then
      perform chartwarden_projections.index_tables(named, jsonb_build_array(t));
    end if;
  end loop;
  return number;
end
$$;
revoke all on function chartwarden_projections.create_generation from public;
grant execute on function chartwarden_projections.create_generation to chartwarden_feed;

create function chartwarden_projections.index_generation(p_projection text, p_generation integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set maintenance_work_mem = '128MB' as $$
declare
  named text;
  definition jsonb;
  t jsonb;
begin
  select g.schema_name, d.tables into strict named, definition
    from chartwarden_projections.generations g join chartwarden_projections.definitions d using (projection, version)
    where g.projection = p_projection and g.generation = p_generation and g.state = 'building';
  perform chartwarden_projections.index_tables(named, definition);
  for t in select value from jsonb_array_elements(definition) loop
    execute format('analyze %I.%I', named, t ->> 'name');
  end loop;
  update chartwarden_projections.generations set indexed = true where projection = p_projection and generation = p_generation;
end
$$;
revoke all on function chartwarden_projections.index_generation from public;
grant execute on function chartwarden_projections.index_generation to chartwarden_feed;

create function chartwarden_projections.drop_generation(p_projection text, p_generation integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  named text;
begin
  update chartwarden_projections.generations set state = 'dropped'
    where projection = p_projection and generation = p_generation and state = 'retired'
    returning schema_name into strict named;
  execute format('drop schema %I cascade', named);
end
$$;
revoke all on function chartwarden_projections.drop_generation from public;
grant execute on function chartwarden_projections.drop_generation to chartwarden_feed;
`

/** The functions make schemas as the owner, who mostly owns the database; elsewhere whoever migrates gives it the right. */
const mayCreateSchemas = `
do $$
begin
  if not has_database_privilege('chartwarden_owner', current_database(), 'create') then
    execute format('grant create on database %I to chartwarden_owner', current_database());
  end if;
end
$$`

export const generations = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql.raw(mayCreateSchemas).execute(db)
    await sql`set local role chartwarden_owner`.execute(db)
    await sql.raw(tables).execute(db)
    await sql.raw(functions).execute(db)
    await sql`reset role`.execute(db)
  },
}
