/**
 * Copies tables from one server to another and compares them afterwards. As COPY's text, because its binary form may differ between major
 * versions; for our types the text is exact. Both clients are superusers, whom row security does not bind.
 */
import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'

export interface Table {
  readonly schema: string
  readonly name: string
  /** In order; without generated ones. */
  readonly columns: readonly string[]
  /** Of the primary key; of all columns where there is none. */
  readonly key: readonly string[]
}

export interface TableDigest {
  readonly rows: number
  /** SHA-256 over every row in the order of the key, hexadecimal. */
  readonly digest: string
}

const tablesQuery = `
  select n.nspname as schema, c.relname as name,
    array(
      select a.attname::text from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum
    ) as columns,
    array(
      select a.attname::text from pg_catalog.pg_index i
      cross join unnest(i.indkey::int2[]) with ordinality k (attnum, n)
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
      where i.indrelid = c.oid and i.indisprimary order by k.n
    ) as key
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and n.nspname like 'chartwarden\\_%' and n.nspname not like all ($1)
  order by 1, 2`

/** Every table that holds rows, partitions by themselves, in all schemas of ours but those of these patterns (LIKE). */
export const listTables = async (client: pg.ClientBase, except: readonly string[]): Promise<readonly Table[]> => {
  const { rows } = await client.query<Table>(tablesQuery, [except])
  return rows.map((row) => ({ ...row, key: row.key.length === 0 ? row.columns : row.key }))
}

export const tableName = ({ schema, name }: Table): string => `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`

const list = (columns: readonly string[]): string => columns.map((column) => pg.escapeIdentifier(column)).join(', ')

/** What both sides must agree on, whatever the servers' own settings are. */
export const sameText = `set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set bytea_output = 'hex'; set extra_float_digits = 1`

const enabling: Readonly<Record<string, string>> = { O: 'enable trigger', A: 'enable always trigger', R: 'enable replica trigger' }

/** Deletes the rows that a migration puts into a new table, past the triggers that keep rows from being deleted, and arms those again. */
const emptyTable = async (client: pg.ClientBase, table: Table): Promise<void> => {
  const name = tableName(table)
  const { rows } = await client.query<{ trigger: string; enabled: string }>(
    'select tgname as trigger, tgenabled as enabled from pg_catalog.pg_trigger where tgrelid = $1::regclass and not tgisinternal',
    [name],
  )
  const arm = rows.flatMap(({ trigger, enabled }) =>
    enabling[enabled] === undefined ? [] : [`alter table ${name} ${enabling[enabled]} ${pg.escapeIdentifier(trigger)}`],
  )
  await client.query(['begin', `alter table ${name} disable trigger user`, `delete from ${name}`, ...arm, 'commit'].join('; '))
}

/**
 * Copies the rows of one table, which on the other side may hold only what its migration put there. Returns how many there were. A table may come
 * ahead of those that it refers to: references are not looked at, since all that is copied is compared with where it was whole.
 */
export const copyTable = async (source: pg.ClientBase, target: pg.ClientBase, table: Table): Promise<number> => {
  const name = tableName(table)
  const columns = list(table.columns)
  await target.query('set session_replication_role = replica')
  const { rowCount } = await target.query(`select from ${name} limit 1`)
  if (rowCount !== 0) await emptyTable(target, table)
  const reading = source.query(copyTo(`copy (select ${columns} from ${name}) to stdout`))
  const writing = target.query(copyFrom(`copy ${name} (${columns}) from stdin`))
  await pipeline(reading, writing)
  await target.query('reset session_replication_role')
  return writing.rowCount
}

/** Reads the whole table again, in the order of its key. */
export const digestTable = async (client: pg.ClientBase, table: Table): Promise<TableDigest> => {
  const hash = createHash('sha256')
  const reading = client.query(
    copyTo(`copy (select ${list(table.columns)} from ${tableName(table)} order by ${list(table.key)}) to stdout`),
  )
  for await (const chunk of reading) hash.update(chunk as Buffer)
  return { rows: reading.rowCount, digest: hash.digest('hex') }
}

const sequencesQuery = `
  select format('%I.%I', schemaname, sequencename) as name, last_value::text as last
  from pg_catalog.pg_sequences where schemaname like 'chartwarden\\_%' and schemaname not like all ($1) and last_value is not null`

/** Sets the sequences to where they were. */
export const copySequences = async (source: pg.ClientBase, target: pg.ClientBase, except: readonly string[]): Promise<void> => {
  const { rows } = await source.query<{ name: string; last: string }>(sequencesQuery, [except])
  for (const { name, last } of rows) await target.query('select setval($1::regclass, $2::bigint)', [name, last])
}
