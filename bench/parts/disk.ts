import type pg from 'pg'

/** What one table takes on disk, partitions included. */
export interface TableSize {
  readonly table: string
  /** With what is stored out of line. */
  readonly tableBytes: number
  readonly indexBytes: number
}

/** One table that is not partitioned. `table`: its name as SQL takes it. */
export const measureTable = async (database: pg.Pool, table: string): Promise<Omit<TableSize, 'table'>> => {
  const { rows } = await database.query<{ table_bytes: string; index_bytes: string }>(
    'select pg_table_size($1::regclass) as table_bytes, pg_indexes_size($1::regclass) as index_bytes',
    [table],
  )
  return { tableBytes: Number(rows[0]?.table_bytes), indexBytes: Number(rows[0]?.index_bytes) }
}

/** What a database takes for each entry of its ledgers. */
export interface DiskUse {
  readonly entries: number
  readonly bytesPerEntry: number
  /** Largest first; those with less than a byte an entry are left out. */
  readonly tables: readonly (TableSize & { readonly bytesPerEntry: number })[]
}

/** Everything in our schemas: the ledger, its keys and heads, and the read models. `database`: a login that sees every clinic. */
export const measureDisk = async (database: pg.Pool): Promise<DiskUse> => {
  const { rows } = await database.query<{ table: string; table_bytes: string; index_bytes: string }>(
    `select n.nspname || '.' || coalesce(p.relname, c.relname) as "table",
      sum(pg_table_size(c.oid)) as table_bytes, sum(pg_indexes_size(c.oid)) as index_bytes
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
      left join pg_inherits i on i.inhrelid = c.oid left join pg_class p on p.oid = i.inhparent
    where c.relkind = 'r' and n.nspname like 'chartwarden%' group by 1`,
  )
  const counted = await database.query<{ entries: string }>('select count(*) as entries from chartwarden_ledger.entries')
  const entries = Number(counted.rows[0]?.entries)
  const sizes = rows.map((row) => ({ table: row.table, tableBytes: Number(row.table_bytes), indexBytes: Number(row.index_bytes) }))
  const tables = sizes
    .map((size) => ({ ...size, bytesPerEntry: (size.tableBytes + size.indexBytes) / entries }))
    .filter(({ bytesPerEntry }) => bytesPerEntry >= 1)
    .sort((left, right) => right.bytesPerEntry - left.bytesPerEntry)
  const total = sizes.reduce((sum, { tableBytes, indexBytes }) => sum + tableBytes + indexBytes, 0)
  return { entries, bytesPerEntry: total / entries, tables }
}
