/**
 * What is published stays: a strip only grows behind what it holds, a tree only grows or begins anew as the next generation, and the newest
 * checkpoint of a log is never taken away. Triggers fire ALWAYS, because `session_replication_role = replica` skips ordinary ones. This stops
 * accidents and every runtime role. The owner and a superuser can lift it: that shows in the signed checkpoints, not here.
 */
import { type Kysely, sql } from 'kysely'

const schema = 'chartwarden_log'

const refusal = `
set local role chartwarden_owner;
create function ${schema}.refuse_change() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception using errcode = '42501', message = format('%s on %s.%s is refused: a log only grows', tg_op, tg_table_schema, tg_table_name);
end
$$;
create function ${schema}.only_grow_strip() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if (new.clinic, new.generation, new.level, new.strip) is distinct from (old.clinic, old.generation, old.level, old.strip)
    or substr(new.hashes, 1, octet_length(old.hashes)) <> old.hashes
  then
    raise exception using errcode = '42501', message = 'a strip only grows behind the hashes it holds';
  end if;
  return new;
end
$$;
create function ${schema}.only_grow_log() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if new.clinic <> old.clinic or new.generation < old.generation
    or new.generation = old.generation and (new.size < old.size or new.origin <> old.origin)
    or new.generation > old.generation and (new.size <> 0 or new.origin = old.origin)
  then
    raise exception using errcode = '42501', message = 'a log only grows, or begins anew as its next generation under another origin';
  end if;
  return new;
end
$$;
create function ${schema}.keep_newest() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (
    select from ${schema}.checkpoints n where n.clinic = old.clinic and n.generation = old.generation and n.size > old.size
  ) then
    raise exception using errcode = '42501', message = 'the newest checkpoint of a log stays';
  end if;
  return old;
end
$$;
revoke all on function ${schema}.refuse_change, ${schema}.only_grow_strip, ${schema}.only_grow_log, ${schema}.keep_newest from public;
`

const trigger = (table: string, name: string, operations: string, level: 'row' | 'statement', work: string): string => `
create trigger ${name} before ${operations} on ${schema}.${table} for each ${level} execute function ${schema}.${work}();
alter table ${schema}.${table} enable always trigger ${name};`

const triggers = [
  trigger('strips', 'only_grow', 'update', 'row', 'only_grow_strip'),
  trigger('strips', 'refuse_delete', 'delete', 'row', 'refuse_change'),
  trigger('logs', 'only_grow', 'update', 'row', 'only_grow_log'),
  trigger('logs', 'refuse_delete', 'delete', 'row', 'refuse_change'),
  trigger('checkpoints', 'refuse_update', 'update', 'row', 'refuse_change'),
  trigger('checkpoints', 'keep_newest', 'delete', 'row', 'keep_newest'),
  trigger('sealer', 'refuse_delete', 'delete', 'row', 'refuse_change'),
  ...['sealer', 'logs', 'strips', 'checkpoints', 'cosignatures'].map((table) =>
    trigger(table, 'refuse_truncate', 'truncate', 'statement', 'refuse_change'),
  ),
]

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(refusal + triggers.join('')).execute(db)
  await sql`reset role`.execute(db)
}
