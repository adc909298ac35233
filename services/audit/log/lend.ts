import type { Pool, PoolClient } from 'pg'
import { lendConnection } from '../../kernel/postgres/lend-connection.ts'

export type Connection = Pick<PoolClient, 'query'>

/** Lends a connection for a piece of work. Work that throws leaves it in a state in which it is not used again. */
export type Lend = <Result>(work: (connection: Connection) => Promise<Result>) => Promise<Result>

export const fromPool =
  (pool: Pool): Lend =>
  (work) =>
    lendConnection(pool, undefined, work)

/** Always the same one, so that what it holds (a lock) and what it writes live and die together. */
export const fromConnection =
  (connection: Connection): Lend =>
  (work) =>
    work(connection)
