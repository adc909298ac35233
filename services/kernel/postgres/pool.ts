import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'

import { errorCode } from './error-code.ts'
import type { WarningLog } from './warning-log.ts'

/** A group role that every connection of a pool takes on, so that a login that may do more is held to the group's rights. */
export interface TakenRole {
  readonly name: string
  /** Whether a connection that may not take it is refused; otherwise it goes on with the login's own rights, with a warning. */
  readonly required: boolean
}

export interface PoolOptions {
  readonly url: string
  /** Shown by the server in pg_stat_activity. */
  readonly applicationName: string
  readonly logger: WarningLog
  /** Most connections at once. Default 10. */
  readonly max?: number
  /** The server ends a statement that runs longer; milliseconds, 0 for never. Default 30,000. */
  readonly statementTimeoutMs?: number
  /** The server ends a transaction that waits longer for us; milliseconds, 0 for never. Default 60,000. */
  readonly idleInTransactionTimeoutMs?: number
  /** How long to wait for a free or new connection; milliseconds. Default 5,000. */
  readonly connectionTimeoutMs?: number
  /** A connection unused for this long is closed; milliseconds. Default 30,000. */
  readonly idleTimeoutMs?: number
  readonly role?: TakenRole
}

/**
 * A pool whose lost connections never crash the process: the statement under way fails, an idle connection is replaced by the next call,
 * and both are logged. Connects when first used. End it with `endPool`.
 */
export const createPool = (options: PoolOptions): pg.Pool => {
  const { logger, applicationName, role } = options
  const lost = (thrown: Error): void => {
    if (pool.ending) return
    logger.warn({ event: 'postgres.connection_lost', pool: applicationName, code: errorCode(thrown) }, 'lost a database connection')
  }
  const takeRole = async (client: pg.ClientBase, { name, required }: TakenRole): Promise<void> => {
    try {
      await client.query(`set role ${pg.escapeIdentifier(name)}`)
    } catch (thrown) {
      if (required) throw thrown
      logger.warn(
        { event: 'postgres.role_not_taken', pool: applicationName, role: name, code: errorCode(thrown) },
        'the login keeps its own rights',
      )
    }
  }
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: applicationName,
    max: options.max ?? 10,
    statement_timeout: options.statementTimeoutMs ?? 30_000,
    idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs ?? 60_000,
    connectionTimeoutMillis: options.connectionTimeoutMs ?? 5_000,
    idleTimeoutMillis: options.idleTimeoutMs ?? 30_000,
    keepAlive: true,
    ...(role === undefined ? {} : { onConnect: (client: pg.ClientBase) => takeRole(client, role) }),
  })
  pool.on('error', lost)
  // The pool's own listener is off while a connection is checked out; without this one, losing it between two statements would throw.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/** A typed query builder over the pool; destroying it ends the pool. */
export const createKysely = <Database>(pool: pg.Pool): Kysely<Database> => new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })

/** Ends the pool when its connections are no longer in use, and waits until they are closed, which `pool.end()` alone does not. */
export const endPool = async (pool: pg.Pool): Promise<void> => {
  let open = pool.totalCount
  const closed = new Promise<void>((resolve) => {
    if (open === 0) resolve()
    pool.on('remove', () => {
      open -= 1
      if (open === 0) resolve()
    })
  })
  await pool.end()
  await closed
}
