/**
 * Years of accesses for the report, made by the server itself: copies of rows that the service wrote, at revisions and times of their own.
 * What a page does with a row is therefore the real thing, sealed parts included. Synthetic are: that rows repeat, that the ledger behind
 * them has no entries at their revisions (a page reads none), and that the table is unlogged, which saves writing every row twice.
 */
import pg from 'pg'

export interface Fill {
  readonly clinic: string
  readonly rows: number
}

const identifier = pg.escapeIdentifier

/** The table of accesses that answers reports. */
const findTable = async (database: pg.Pool): Promise<{ readonly schema: string; readonly name: string }> => {
  const { rows } = await database.query<{ schema: string }>(
    `select schema_name as schema from chartwarden_projections.generations where projection = 'access_history' and state = 'live'`,
  )
  const [row, ...others] = rows
  if (row === undefined || others.length > 0) throw new Error(`${rows.length} tables of accesses answer reports`)
  return { schema: row.schema, name: `${identifier(row.schema)}.access_history` }
}

/**
 * Leaves room for so many entries in the clinic's ledger, and tells its read models that they have taken them: what is appended afterwards
 * follows. Call it while nothing else is under way.
 */
export const leaveRoom = async (database: pg.Pool, { clinic, rows }: Fill): Promise<void> => {
  const { rows: updated } = await database.query<{ heads: number; progress: number }>(
    `with heads as (update chartwarden_ledger.heads set revision = revision + $2 where clinic = $1 returning 1),
      progress as (
        update chartwarden_projections.clinic_progress set complete_to_revision = complete_to_revision + $2 where clinic = $1 returning 1)
    select (select count(*) from heads)::int as heads, (select count(*) from progress)::int as progress`,
    [clinic, rows],
  )
  if (updated[0]?.heads !== 1 || updated[0].progress === 0) throw new Error(`there is no ledger of ${clinic}, or no read model`)
}

const years = 6
const chunk = 100_000
const atOnce = 2

/** Columns that make a row another one; all others are copied. Times are spread over six years before the first real row. */
const made = (rows: number): Readonly<Record<string, string>> => {
  const time = `t.occurred_at - interval '1 minute' - (${rows} - i) * (interval '${years * 365} days' / ${rows})`
  return { revision: `(select least from bench_first) - ${rows} + i - 1`, occurred_at: time, entry_time: time, recorded_at: time }
}

/**
 * Fills the room with rows that copy the clinic's, in turn. Indexes are built afterwards, as a rebuild of the read model would. Gives the
 * table's name.
 */
export const fillHistory = async (database: pg.Pool, { clinic, rows }: Fill): Promise<string> => {
  const { schema, name } = await findTable(database)
  const indexes = await database.query<{ name: string; definition: string }>(
    `select c.relname as name, pg_get_indexdef(c.oid) as definition from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid = $1::regclass and not exists (select from pg_constraint where conindid = i.indexrelid)`,
    [name],
  )
  const columns = await database.query<{ name: string }>(
    'select attname as name from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum',
    [name],
  )
  for (const index of indexes.rows) await database.query(`drop index ${identifier(schema)}.${identifier(index.name)}`)
  await database.query(`alter table ${name} set unlogged`)
  await database.query(
    'create table bench_template as select row_number() over (order by revision) - 1 as n, * from ' +
      `${name} where clinic = ${pg.escapeLiteral(clinic)}`,
  )
  await database.query('create table bench_first as select min(revision) as least from bench_template')
  const values = made(rows)
  const names = columns.rows.map((column) => column.name)
  const insert = `insert into ${name} (${names.map(identifier).join(', ')})
    select ${names.map((column) => values[column] ?? `t.${identifier(column)}`).join(', ')}
    from generate_series($1::bigint, $2::bigint) i join bench_template t on t.n = i % (select count(*) from bench_template)`
  let next = 1
  const filler = async (): Promise<void> => {
    while (next <= rows) {
      const [from, to] = [next, Math.min(rows, next + chunk - 1)]
      next = to + 1
      await database.query(insert, [from, to])
    }
  }
  await Promise.all(Array.from({ length: atOnce }, filler))
  for (const index of indexes.rows) {
    await database.query(`set maintenance_work_mem = '1GB'; ${index.definition}`)
  }
  await database.query('drop table bench_template, bench_first')
  await database.query(`vacuum (analyze) ${name}`)
  return name
}
