/**
 * The service as several processes on one pair of ports. This one owns the embedded database, brings the schema up to date and does what nobody
 * waits for; the workers answer calls. Each is a replica: whichever answers, the ledger keeps the order.
 */
import { availableParallelism } from 'node:os'
import type { Pool } from 'pg'
import { announceReady } from '../announce-ready.ts'
import { type Service, startPart } from '../compose.ts'
import type { Config, Environment } from '../kernel/config.ts'
import { mostWorkers } from '../kernel/config-kinds.ts'
import type { Readiness } from '../kernel/http/readiness.ts'
import { connectionsOf, workersWithin } from '../kernel/postgres/pool-sizes.ts'
import { StartError } from '../kernel/start-error.ts'
import type { ServiceOptions } from '../service-part.ts'
import { createFork } from './fork-worker.ts'
import { mergeMetrics } from './merge-metrics.ts'
import { createWorkerPool, type WorkerPool } from './worker-pool.ts'
import type { Fork } from './worker-process.ts'

/** How many processes are to answer calls. */
export const wantedWorkers = ({ workers }: Pick<Config, 'workers'>): number =>
  workers === 'auto' ? Math.min(availableParallelism(), mostWorkers) : workers

/** Beyond the time to drain: for closing connections, and for what a busy machine takes. */
const endingMs = 15_000

/** What a server keeps for its administrator is not for us. */
const usableConnections = async (pool: Pool): Promise<number> => {
  const { rows } = await pool.query<{ usable: number }>(
    `select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - coalesce(current_setting('reserved_connections', true), '0')::int as usable`,
  )
  return rows[0]?.usable ?? 0
}

/** Throws StartError where the server does not let so many in; `auto` takes as many as it does. */
const fitWorkers = async ({ config, logger }: ServiceOptions, wanted: number, pool: Pool): Promise<number> => {
  const usable = await usableConnections(pool)
  const fitting = workersWithin(usable, wanted)
  if (fitting === wanted) return wanted
  const needs = `${wanted} workers may need ${connectionsOf(wanted)} connections, and the database of DATABASE_URL lets ${usable} in`
  if (config.workers !== 'auto' || fitting === 0) {
    throw new StartError(`${needs}; set CHARTWARDEN_WORKERS to ${Math.max(1, fitting)} at most, or raise max_connections.`)
  }
  logger.warn({ event: 'workers.fewer', workers: fitting, wanted }, `${needs}: there are fewer of them`)
  return fitting
}

export interface WithWorkersOptions extends ServiceOptions {
  /** What the workers read their configuration from. */
  readonly environment: Environment
  /** At least 1. Defaults to what the configuration wants. */
  readonly workers?: number
  /** For tests. */
  readonly fork?: Fork
}

/** As `startService`. Throws StartError with the line of the first worker that cannot start, too. */
export const startWithWorkers = async (options: WithWorkersOptions): Promise<Service> => {
  const { config, logger, clock, environment, workers: wanted = wantedWorkers(config), fork = createFork(environment) } = options
  let pool: WorkerPool | undefined

  const readinessOfAll = ({ ready, checks }: Readiness): Readiness => {
    const { serving, starting } = pool?.states() ?? { serving: 0, starting: wanted }
    return { ready: ready && serving > 0, checks: { ...checks, workersServing: serving, workersStarting: starting } }
  }
  const background = await startPart({
    ...options,
    part: 'background',
    workers: wanted,
    metricsPage: async (own) => {
      const [text, others] = await Promise.all([own(), pool?.metrics() ?? []])
      return mergeMetrics([{ worker: 'background', text }, ...others])
    },
    decorateReadiness: readinessOfAll,
    workerStates: () => pool?.states(),
  })
  const stop = async (): Promise<void> => {
    await pool?.stop()
    await background.stop()
  }
  try {
    const workers = await fitWorkers(options, wanted, background.databases.writer)
    pool = createWorkerPool({
      fork,
      workers,
      databaseUrls: config.databaseUrls === undefined ? background.databases.urls : undefined,
      stopTimeoutMs: config.drainTimeoutMs + endingMs,
      clock,
      logger,
      onExit: background.observers?.workerExited,
    })
    const { states, serving, reloadTls } = pool
    const ports = await pool.start()
    const { metricsPort, failed, databases } = background
    announceReady({
      logger,
      facts: { ...ports, metricsPort, mode: config.mode, embedded: databases.embedded, workers },
      isServing: () => states().starting === 0,
      serving,
    })
    return { ...ports, metricsPort, failed, reload: async () => reloadTls(), stop }
  } catch (error) {
    await stop()
    throw error
  }
}
