/**
 * Group roles without login; the login roles of a deployment are members of them. `chartwarden_owner` owns everything and is for migrations
 * only. `chartwarden_append` owns the append function, which runs as it; the owner may hand a function to it but does not inherit its
 * rights. The other three are what the service connects as: writing, reading every ledger in order, and reading one clinic. A user that may
 * not create roles finds them made already.
 */
import { type Kysely, sql } from 'kysely'

const roles = ['chartwarden_owner', 'chartwarden_append', 'chartwarden_writer', 'chartwarden_feed', 'chartwarden_query'] as const

const createMissing = `
do $$
declare
  role_name text;
begin
  foreach role_name in array array[${roles.map((role) => `'${role}'`).join(', ')}] loop
    if not exists (select from pg_roles where rolname = role_name) then
      begin
        execute format('create role %I nologin noinherit', role_name);
      exception when duplicate_object or unique_violation then
        null; -- roles belong to the server: another database of it was migrated at the same moment
      end;
    end if;
  end loop;
  if not pg_has_role('chartwarden_owner', 'chartwarden_append', 'member') then
    begin
      grant chartwarden_append to chartwarden_owner;
    exception when unique_violation then
      null;
    end;
  end if;
  begin
    set local role chartwarden_owner;
    reset role;
  exception when insufficient_privilege then
    -- Whoever created a role administers it, but is not at once allowed to act as it.
    execute format('grant chartwarden_owner to %I', current_user);
  end;
  if not has_database_privilege('chartwarden_owner', current_database(), 'create') then
    execute format('grant create on database %I to chartwarden_owner', current_database());
  end if;
end
$$`

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(createMissing).execute(db)
}
