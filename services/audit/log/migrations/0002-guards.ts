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
-- Once for all that a statement takes away: asked for each row, clearing up would cost more than writing.
create function ${schema}.keep_newest() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if exists (
    select from (select clinic, generation, max(size) as size from gone group by clinic, generation) g
    where not exists (
      select from ${schema}.checkpoints n where n.clinic = g.clinic and n.generation = g.generation and n.size > g.size
    )
  ) then
    raise exception using errcode = '42501', message = 'the newest checkpoint of a log stays';
  end if;
  return null;
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
  `
create trigger keep_newest after delete on ${schema}.checkpoints referencing old table as gone for each statement
  execute function ${schema}.keep_newest();
alter table ${schema}.checkpoints enable always trigger keep_newest;`,
  trigger('sealer', 'refuse_delete', 'delete', 'row', 'refuse_change'),
  ...['sealer', 'logs', 'strips', 'checkpoints', 'cosignatures'].map((table) =>
    trigger(table, 'refuse_truncate', 'truncate', 'statement', 'refuse_change'),
  ),
]

export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(refusal + triggers.join('')).execute(db)
  await sql`reset role`.execute(db)
}
