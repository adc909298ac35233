import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { Clock } from '../clock.ts'
import type { Config, DatabaseUrls } from '../config.ts'
import type { Randomness } from '../ids.ts'
import { type EmbeddedPostgres, embeddedSettings, startEmbeddedPostgres } from './embedded.ts'
import { createPool, endPool, type TakenRole } from './pool.ts'
import { type PoolSizes, poolSizes } from './pool-sizes.ts'
import { groupRoles } from './roles.ts'
import { checkDatabase, type DatabaseRole } from './settings.ts'
import type { ServerExit } from './supervisor.ts'
import { settlesWithin } from './wait.ts'

export interface OpenDatabasesOptions {
  readonly config: Pick<Config, 'mode' | 'stateDir' | 'databaseUrls'>
  readonly logger: Logger
  readonly clock: Clock
  readonly randomness: Randomness
  /** Defaults to those of a service that is one process. */
  readonly sizes?: PoolSizes
  /** Connections that an embedded server must have for all processes of the service. Defaults to what it has anyway. */
  readonly embeddedConnections?: number
  /** How long `close` waits for connections still in use; milliseconds. Default 5,000. */
  readonly closeTimeoutMs?: number
}

/** The connections of a service, one pool for each role, and the embedded server where there is no other. */
export interface Databases {
  readonly urls: DatabaseUrls
  readonly sizes: PoolSizes
  readonly writer: Pool
  readonly feed: Pool
  readonly query: Pool
  /** Undefined: the schema must be current already. */
  readonly migrate: Pool | undefined
  /** Whether the server is our own. */
  readonly embedded: boolean
  /** Call after the migrations, before serving: see `checkDatabase`. */
  check(): Promise<void>
  /** Tells of exits of the embedded server; never calls for another. Returns what ends the telling. */
  onExit(listener: (exit: ServerExit) => void): () => void
  /** Ends the pools (a connection still in use after `closeTimeoutMs` is left to the server) and then the embedded server. Safe to call twice. */
  close(): Promise<void>
}

/**
 * A URL that serves several roles is held to each role's own rights by taking the group's role on every connection. In production that is
 * a condition for the reports, because their statements are bound to one clinic by the rules of that role alone.
 */
const takenRole = (urls: DatabaseUrls, role: 'writer' | 'feed' | 'query', mode: Config['mode']): TakenRole | undefined => {
  const others = (['writer', 'feed', 'query'] as const).filter((other) => other !== role && urls[other] === urls[role])
  if (others.length === 0) return undefined
  // A login shared by feed and reports is the feed's own; only the reports step down from it.
  if (mode === 'production' && role !== 'query') return undefined
  return { name: groupRoles[role], required: mode === 'production' }
}

/**
 * Starts the embedded server when no URL is configured, and makes the pools. Nothing is connected or migrated yet for configured URLs.
 * Throws StartError when the embedded server cannot start.
 */
export const openDatabases = async (options: OpenDatabasesOptions): Promise<Databases> => {
  const { config, logger, clock, randomness, sizes = poolSizes('whole', 1), embeddedConnections = 0 } = options
  const settings = { max_connections: String(Math.max(Number(embeddedSettings['max_connections']), embeddedConnections)) }
  const embedded: EmbeddedPostgres | undefined =
    config.databaseUrls === undefined
      ? await startEmbeddedPostgres({ stateDir: config.stateDir, logger, clock, randomness, settings })
      : undefined
  const urls = embedded?.urls ?? (config.databaseUrls as DatabaseUrls)

  const open = (role: 'writer' | 'feed' | 'query'): Pool => {
    const taken = takenRole(urls, role, config.mode)
    return createPool({
      url: urls[role],
      applicationName: `chartwarden-${role}`,
      logger,
      max: sizes[role],
      ...(taken === undefined ? {} : { role: taken }),
    })
  }
  const pools = {
    writer: open('writer'),
    feed: open('feed'),
    query: open('query'),
    migrate:
      urls.migrate === undefined
        ? undefined
        : // A migration takes the time it takes.
          createPool({
            url: urls.migrate,
            applicationName: 'chartwarden-migrate',
            logger,
            max: sizes.migrate,
            statementTimeoutMs: 0,
            idleInTransactionTimeoutMs: 0,
          }),
  }

  const check = async (): Promise<void> => {
    for (const role of ['migrate', 'writer', 'feed', 'query'] as const satisfies readonly DatabaseRole[]) {
      const pool = pools[role]
      if (pool !== undefined) await checkDatabase(pool, { mode: config.mode, role, logger })
    }
  }
  const close = async (): Promise<void> => {
    const ending = Object.values(pools).flatMap((pool) => (pool === undefined ? [] : [endPool(pool)]))
    if (!(await settlesWithin(Promise.all(ending), options.closeTimeoutMs ?? 5_000))) {
      logger.warn({ event: 'postgres.connections_left' }, 'database connections were still in use at the end')
    }
    await embedded?.stop()
  }
  let closed: Promise<void> | undefined
  return {
    urls,
    sizes,
    ...pools,
    embedded: embedded !== undefined,
    check,
    onExit: (listener) => embedded?.onExit(listener) ?? (() => {}),
    close: () => {
      closed ??= close()
      return closed
    },
  }
}
