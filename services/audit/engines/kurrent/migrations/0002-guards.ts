/** The index only grows, as the ledger does, and for the same reasons (../../postgres/migrations/0003-guards.ts). */
import { type Kysely, sql } from 'kysely'
import { schema } from './0001-tables.ts'

const trigger = (table: string, name: string, operations: string, each: 'row' | 'statement'): string => `
create trigger ${name} before ${operations} on ${schema}.${table} for each ${each} execute function chartwarden_ledger.refuse_change();
alter table ${schema}.${table} enable always trigger ${name};`

const rowSecurity = (table: string): string => `
alter table ${schema}.${table} enable row level security;
alter table ${schema}.${table} force row level security;
create policy append_reads on ${schema}.${table} for select to chartwarden_append using (true);
create policy append_adds on ${schema}.${table} for insert to chartwarden_append with check (true);
create policy writer_reads on ${schema}.${table} for select to chartwarden_writer using (true);
create policy feed_reads on ${schema}.${table} for select to chartwarden_feed using (true);
create policy query_reads on ${schema}.${table} for select to chartwarden_query
  using (clinic = nullif(current_setting('chartwarden.clinic', true), ''));`

const grants = `
create policy append_moves on ${schema}.heads for update to chartwarden_append using (true) with check (true);
grant usage on schema ${schema} to chartwarden_append, chartwarden_writer, chartwarden_feed, chartwarden_query;
grant select, insert on ${schema}.entries to chartwarden_append;
grant select, insert, update on ${schema}.heads to chartwarden_append;
grant select, update on ${schema}.log_head to chartwarden_append;
grant select on ${schema}.entries, ${schema}.heads to chartwarden_writer, chartwarden_feed, chartwarden_query;
grant select on ${schema}.log_head, ${schema}.installation to chartwarden_writer, chartwarden_feed;
grant select, insert, update on ${schema}.follower to chartwarden_writer;
`

export const up = async (db: Kysely<unknown>): Promise<void> => {
  const statements = [
    'set local role chartwarden_owner;',
    trigger('entries', 'refuse_change', 'update or delete', 'row'),
    trigger('installation', 'refuse_change', 'update or delete', 'row'),
    trigger('heads', 'refuse_change', 'delete', 'row'),
    trigger('log_head', 'refuse_change', 'delete', 'row'),
    ...['entries', 'installation', 'heads', 'log_head'].map((table) => trigger(table, 'refuse_truncate', 'truncate', 'statement')),
    ...['entries', 'heads'].map(rowSecurity),
    grants,
  ]
  await sql.raw(statements.join('')).execute(db)
  await sql`reset role`.execute(db)
}
