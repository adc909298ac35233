import { type Kysely, sql } from 'kysely'

/**
 * Tables to build one clinic's rows in once more, to be compared with those that answer reports. They are made from published definitions by
 * functions of the owner, as generations are, seen by the runner's login alone, and dropped when the comparison is over. Whoever compares
 * holds a session lock named after the comparison; what is left behind without it may be dropped by anybody.
 */
const statements = `
create table chartwarden_projections.comparisons (
  comparison bigint generated always as identity primary key,
  schema_name text not null unique generated always as ('chartwarden_read_check_' || comparison::text) stored,
  begun_at timestamptz not null default clock_timestamp()
);
grant select on chartwarden_projections.comparisons to chartwarden_feed;

create function chartwarden_projections.create_comparison(p_projections text[], p_versions integer[], out comparison bigint, out schema_name text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  named text;
  definition jsonb;
  t jsonb;
  i integer;
begin
  insert into chartwarden_projections.comparisons as c default values returning c.comparison, c.schema_name into comparison, named;
  schema_name := named;
  execute format('create schema %I', named);
  execute format('revoke all on schema %I from public', named);
  execute format('grant usage on schema %I to chartwarden_feed', named);
  for i in 1 .. cardinality(p_projections) loop
    select d.tables into strict definition from chartwarden_projections.definitions d
      where d.projection = p_projections[i] and d.version = p_versions[i];
    for t in select value from jsonb_array_elements(definition) loop
      execute format('create unlogged table %I.%I (%s)', named, t ->> 'name', t ->> 'columns');
      execute format('grant select, insert, update on %I.%I to chartwarden_feed', named, t ->> 'name');
      if t ->> 'feed' like '%update%' then
        perform chartwarden_projections.index_tables(named, jsonb_build_array(t));
      end if;
    end loop;
  end loop;
end
$$;
revoke all on function chartwarden_projections.create_comparison from public;
grant execute on function chartwarden_projections.create_comparison to chartwarden_feed;

create function chartwarden_projections.drop_comparison(p_comparison bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  named text;
begin
  delete from chartwarden_projections.comparisons c where c.comparison = p_comparison returning c.schema_name into named;
  if named is not null then
    execute format('drop schema %I cascade', named);
  end if;
end
$$;
revoke all on function chartwarden_projections.drop_comparison from public;
grant execute on function chartwarden_projections.drop_comparison to chartwarden_feed;
`

export const comparisons = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`set local role chartwarden_owner`.execute(db)
    await sql.raw(statements).execute(db)
    await sql`reset role`.execute(db)
  },
}
