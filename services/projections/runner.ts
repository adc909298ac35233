/**
 * Keeps the read models up to date with the ledgers. What moves through the feed together is a lane; one runner works a lane at a time over all
 * replicas: it holds a session advisory lock on the very connection it writes with, so that losing the lock and losing the power to write are
 * the same event. The others look every second whether it is gone. Faults are retried for as long as it takes; reports say meanwhile how far
 * they are complete.
 */
import type { Pool, PoolClient } from 'pg'
import type { LedgerFeed } from '../audit/ledger.ts'
import { type Clock, systemClock } from '../kernel/clock.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { pause } from '../kernel/pause.ts'
import { onClient, onPool } from './database.ts'
import { workLane } from './lane-worker.ts'
import type { Projection } from './projection.ts'
import { planOf, readRegistry } from './registry.ts'
import { keepUp } from './upkeep.ts'

/** What the runner asks of a logger; pino's is one. */
export interface RunnerLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface ProjectionRunnerOptions {
  readonly feed: LedgerFeed
  /** Of the feed role. A connection is kept for each lane it works, mostly one; through a pooler that shares sessions it would not be safe. */
  readonly pool: Pool
  /** Applied to each batch in this order. */
  readonly projections: readonly Projection[]
  readonly logger: RunnerLogger
  /** Called after each commit, once for each clinic that advanced. */
  readonly advanced?: (clinic: string, revision: bigint) => void
  /** Defaults to the system's. */
  readonly clock?: Clock
  /** Milliseconds between two looks at what there is to do: lanes to take over, read models to build. Defaults to 1,000. */
  readonly takeoverMs?: number
  /**
   * How long tables that were replaced are kept, for readers under way and for replicas of another release; milliseconds. Defaults to 10
   * minutes.
   */
  readonly graceMs?: number
  /**
   * Milliseconds to wait after a small batch, so that the next one holds what came meanwhile: a transaction for every entry would compete
   * with the appends themselves. Reports are that much later. Defaults to 50.
   */
  readonly gatherMs?: number
  /** Milliseconds before the first retry after a fault, doubled up to `longestRetryMs`. Defaults to 100 and 15,000. */
  readonly firstRetryMs?: number
  readonly longestRetryMs?: number
}

/** `waiting`: another runner works. `retrying`: after a fault. `halted`: nothing to work until an operator has looked; see the log. */
export type RunnerState = 'stopped' | 'waiting' | 'running' | 'retrying' | 'halted'

export interface ProjectionRunner {
  /** Returns at once. */
  start(): void
  /** Finishes the batches at hand and gives the locks away. */
  stop(): Promise<void>
  readonly state: RunnerState
}

/** What the runner knows of a lane it tries to work. */
interface Shift {
  /** Its work, until it is over. */
  work: Promise<void>
  state: 'waiting' | 'running' | 'retrying'
  /** Aborted to have the plan made anew. */
  changed: AbortController
  epoch: string
}

const tryLock = async (client: PoolClient, lane: string): Promise<boolean> => {
  const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock(hashtextextended($1, 0)) as locked', [
    `chartwarden projections lane ${lane}`,
  ])
  return rows[0]?.locked === true
}

export const createProjectionRunner = (options: ProjectionRunnerOptions): ProjectionRunner => {
  const {
    feed,
    pool,
    projections,
    logger,
    advanced,
    clock = systemClock,
    takeoverMs = 1_000,
    graceMs = 600_000,
    gatherMs = 50,
    firstRetryMs = 100,
    longestRetryMs = 15_000,
  } = options
  const db = onPool(pool)
  const shifts = new Map<string, Shift>()
  let state: RunnerState = 'stopped'
  let upkeepFailed = false
  let lacking = ''
  let working: Promise<void> | undefined
  let stopping = new AbortController()

  /** One tenure: from taking the lane's lock to losing it. Answers whether it had the lock. */
  const serve = async (lane: string, shift: Shift, committed: () => void): Promise<boolean> => {
    const client = await pool.connect()
    const lost = new AbortController()
    const onLost = () => lost.abort()
    client.on('error', onLost).on('end', onLost)
    let clean = false
    try {
      if (!(await tryLock(client, lane))) {
        clean = true
        return false
      }
      shift.state = 'running'
      const signal = AbortSignal.any([stopping.signal, lost.signal])
      const now = clock.monotonic
      const changed = () => shift.changed.signal
      await workLane({ feed, db: onClient(client), projections, lane, logger, advanced, gatherMs, now, committed, signal, changed })
      if (lost.signal.aborted) throw new ChartwardenError('INTERNAL', { cause: new Error('the connection that holds the lock was lost') })
      await client.query('select pg_advisory_unlock_all()')
      clean = true
      return true
    } finally {
      // A connection that is not clean is closed, which gives the lock away and undoes what was not committed.
      if (clean) client.off('error', onLost).off('end', onLost)
      client.release(!clean)
    }
  }

  /** Until the lane is another's, or gone. */
  const work = async (lane: string, shift: Shift): Promise<void> => {
    let retryMs = firstRetryMs
    while (!stopping.signal.aborted) {
      try {
        await serve(lane, shift, () => {
          retryMs = firstRetryMs
        })
        return
      } catch (error) {
        if (stopping.signal.aborted) return
        shift.state = 'retrying'
        logger.warn({ event: 'projections_retrying', lane, retry_ms: retryMs, err: error }, 'projections failed and are tried again')
        await pause(retryMs, stopping.signal)
        retryMs = Math.min(retryMs * 2, longestRetryMs)
      }
    }
  }

  /** Sees to it that every lane there is has somebody who tries to work it. */
  const staff = async (): Promise<void> => {
    const rows = await readRegistry(db)
    for (const { lane, epoch } of rows) {
      const shift = shifts.get(lane)
      if (shift === undefined) {
        if (planOf(rows, projections, lane) === undefined) continue
        const begun: Shift = { work: Promise.resolve(), state: 'waiting', changed: new AbortController(), epoch }
        shifts.set(lane, begun)
        begun.work = work(lane, begun).finally(() => {
          shifts.delete(lane)
        })
      } else if (shift.epoch !== epoch || rows.some((row) => row.lane === lane && row.replay)) {
        shift.epoch = epoch
        const { changed } = shift
        shift.changed = new AbortController()
        changed.abort()
      }
    }
  }

  const tend = async (): Promise<void> => {
    const { unpublished, begun, dropped } = await keepUp({ db, projections, graceMs })
    for (const generation of begun) logger.info({ event: 'projection_begun', ...generation }, 'a read model is being built')
    for (const generation of dropped) logger.info({ event: 'projection_dropped', ...generation }, 'a read model that was replaced is gone')
    if (unpublished.join() !== lacking) {
      lacking = unpublished.join()
      if (unpublished.length > 0) {
        logger.error(
          { event: 'projections_unpublished', projections: unpublished },
          'this database does not know these read models: run "chartwarden database migrate", or set CHARTWARDEN_MIGRATE_DATABASE_URL',
        )
      }
    }
  }

  const currentState = (): RunnerState => {
    if (state === 'stopped') return 'stopped'
    const states = new Set([...shifts.values()].map((shift) => shift.state))
    if (upkeepFailed || states.has('retrying')) return 'retrying'
    if (states.has('running')) return 'running'
    return lacking === projections.map(({ name }) => name).join() && projections.length > 0 ? 'halted' : 'waiting'
  }

  const run = async (): Promise<void> => {
    let retryMs = firstRetryMs
    while (!stopping.signal.aborted) {
      try {
        await tend()
        await staff()
        upkeepFailed = false
        retryMs = firstRetryMs
        await pause(takeoverMs, stopping.signal)
      } catch (error) {
        if (stopping.signal.aborted) break
        upkeepFailed = true
        logger.warn({ event: 'projections_retrying', retry_ms: retryMs, err: error }, 'projections failed and are tried again')
        await pause(retryMs, stopping.signal)
        retryMs = Math.min(retryMs * 2, longestRetryMs)
      }
    }
    await Promise.all([...shifts.values()].map((shift) => shift.work))
  }

  return {
    start: () => {
      if (working !== undefined) return
      stopping = new AbortController()
      state = 'waiting'
      working = run()
    },
    stop: async () => {
      stopping.abort()
      await working
      working = undefined
      state = 'stopped'
    },
    get state() {
      return currentState()
    },
  }
}
