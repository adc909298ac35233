import { type Kysely, sql } from 'kysely'
import type { ProjectionDatabase } from '../database.ts'

/** The database's clock, which entries are stamped by or a little behind; microseconds since the epoch. */
export const databaseTime = async (db: Kysely<ProjectionDatabase>): Promise<bigint> => {
  const { rows } = await sql<{ now: string }>`select (extract(epoch from clock_timestamp()) * 1000000)::bigint as now`.execute(db)
  return BigInt(rows[0]?.now ?? 0)
}
