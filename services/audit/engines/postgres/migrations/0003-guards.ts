/**
 * Nothing may change. Row security and TRUNCATE triggers do not reach partitions, so each has its own; triggers fire ALWAYS, because
 * `session_replication_role = replica` skips ordinary ones. This stops accidents and every runtime role. It cannot stop the owner or a
 * superuser, who may drop it: that shows in the signed checkpoints, not here.
 */
import { type Kysely, sql } from 'kysely'
import { partitions } from './0002-tables.ts'

const schema = 'chartwarden_ledger'

const refuse = `
set local role chartwarden_owner;
create function ${schema}.refuse_change() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception using errcode = '42501', message = format('%s on %s.%s is refused: the ledger only grows', tg_op, tg_table_schema, tg_table_name);
end
$$;
revoke all on function ${schema}.refuse_change() from public;
`

const againstRowChanges = (table: string, operations: string): string => `
create trigger refuse_change before ${operations} on ${schema}.${table} for each row execute function ${schema}.refuse_change();
alter table ${schema}.${table} enable always trigger refuse_change;`

const againstTruncate = (table: string): string => `
create trigger refuse_truncate before truncate on ${schema}.${table} for each statement execute function ${schema}.refuse_change();
alter table ${schema}.${table} enable always trigger refuse_truncate;`

const rowSecurity = (table: string): string => `
alter table ${schema}.${table} enable row level security;
alter table ${schema}.${table} force row level security;`

/** The clinic of the session, as `set_config('chartwarden.clinic', …, true)` made it; unset or empty matches nothing. */
const ofTheClinic = `clinic = nullif(current_setting('chartwarden.clinic', true), '')`

const policies = (table: string): string => `
create policy append_reads on ${schema}.${table} for select to chartwarden_append using (true);
create policy append_adds on ${schema}.${table} for insert to chartwarden_append with check (true);
create policy writer_reads on ${schema}.${table} for select to chartwarden_writer using (true);
create policy feed_reads on ${schema}.${table} for select to chartwarden_feed using (true);
create policy query_reads on ${schema}.${table} for select to chartwarden_query using (${ofTheClinic});`

const grants = `
create policy append_moves on ${schema}.heads for update to chartwarden_append using (true) with check (true);
grant usage on schema ${schema} to chartwarden_append, chartwarden_writer, chartwarden_feed, chartwarden_query;
grant select, insert on ${schema}.entries to chartwarden_append;
grant select, insert, update on ${schema}.heads to chartwarden_append;
grant select, update on ${schema}.log_head to chartwarden_append;
grant select on ${schema}.entries, ${schema}.heads to chartwarden_writer, chartwarden_feed, chartwarden_query;
grant select on ${schema}.log_head to chartwarden_writer, chartwarden_feed;
`

export const up = async (db: Kysely<unknown>): Promise<void> => {
  const guarded = ['entries', ...partitions]
  const statements = [
    refuse,
    againstRowChanges('entries', 'update or delete'),
    // A trigger on the partitioned table is copied to its partitions, but not always its "always".
    ...partitions.map((name) => `alter table ${schema}.${name} enable always trigger refuse_change;`),
    againstRowChanges('heads', 'delete'),
    againstRowChanges('log_head', 'delete'),
    ...[...guarded, 'heads', 'log_head'].map(againstTruncate),
    ...[...guarded, 'heads'].map(rowSecurity),
    policies('entries'),
    policies('heads'),
    grants,
  ]
  await sql.raw(statements.join('')).execute(db)
  await sql`reset role`.execute(db)
}
