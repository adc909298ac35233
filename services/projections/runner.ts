/**
 * Keeps the read models up to date with the ledgers. One runner works at a time over all replicas: it holds a session advisory lock on the
 * very connection it writes with, so that losing the lock and losing the power to write are the same event. The others look every second
 * whether it is gone. Faults are retried for as long as it takes; reports say meanwhile how far they are complete.
 */
import type { Kysely } from 'kysely'
import type { Pool, PoolClient } from 'pg'
import type { LedgerFeed, Position } from '../audit/ledger.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { pause } from '../kernel/pause.ts'
import { applyBatch, type Parked } from './apply-batch.ts'
import { onClient, type ProjectionDatabase } from './database.ts'
import type { Projection } from './projection.ts'

/** What the runner asks of a logger; pino's is one. */
export interface RunnerLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface ProjectionRunnerOptions {
  readonly feed: LedgerFeed
  /** Of the feed role. One connection is kept for as long as the runner runs; through a pooler that shares sessions it would not be safe. */
  readonly pool: Pool
  /** Applied to each batch in this order. */
  readonly projections: readonly Projection[]
  readonly logger: RunnerLogger
  /** Called after each commit, once for each clinic that advanced. */
  readonly advanced?: (clinic: string, revision: bigint) => void
  /** Names the checkpoint and the lock. Defaults to `reports`. */
  readonly name?: string
  /** Milliseconds between two attempts to take over. Defaults to 1,000. */
  readonly takeoverMs?: number
  /**
   * Milliseconds to wait after a small batch, so that the next one holds what came meanwhile: a transaction for every entry would compete
   * with the appends themselves. Reports are that much later. Defaults to 50.
   */
  readonly gatherMs?: number
  /** Milliseconds before the first retry after a fault, doubled up to `longestRetryMs`. Defaults to 100 and 15,000. */
  readonly firstRetryMs?: number
  readonly longestRetryMs?: number
}

/** `waiting`: another runner works. `retrying`: after a fault. `halted`: for an operator to look; see the log. */
export type RunnerState = 'stopped' | 'waiting' | 'running' | 'retrying' | 'halted'

export interface ProjectionRunner {
  /** Returns at once. */
  start(): void
  /** Finishes the batch at hand and gives the lock away. */
  stop(): Promise<void>
  readonly state: RunnerState
  /** Of its checkpoint. */
  readonly name: string
}

/** The rows were written by other versions of the read models; going on would mix the two. */
class VersionsDiffer extends Error {}

const versionsOf = (projections: readonly Projection[]): string => projections.map(({ name, version }) => `${name}@${version}`).join(' ')

const readCheckpoint = async (db: Kysely<ProjectionDatabase>, runner: string, versions: string): Promise<Position | undefined> => {
  await db
    .insertInto('chartwarden_projections.checkpoints')
    .values({ runner, position: null, projections: versions })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  const stored = await db
    .selectFrom('chartwarden_projections.checkpoints')
    .select(['position', 'projections'])
    .where('runner', '=', runner)
    .executeTakeFirstOrThrow()
  if (stored.projections !== versions)
    throw new VersionsDiffer(`the read models were written by ${stored.projections}; this version writes ${versions}`)
  return (stored.position ?? undefined) as Position | undefined
}

const tryLock = async (client: PoolClient, name: string): Promise<boolean> => {
  const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock(hashtextextended($1, 0)) as locked', [
    `chartwarden projections ${name}`,
  ])
  return rows[0]?.locked === true
}

/** Entries from which a batch is worth its transaction. */
const largeBatch = 500

export const createProjectionRunner = (options: ProjectionRunnerOptions): ProjectionRunner => {
  const {
    feed,
    pool,
    projections,
    logger,
    advanced,
    name = 'reports',
    takeoverMs = 1_000,
    gatherMs = 50,
    firstRetryMs = 100,
    longestRetryMs = 15_000,
  } = options
  const versions = versionsOf(projections)
  let state: RunnerState = 'stopped'
  let retryMs = firstRetryMs
  let working: Promise<void> | undefined
  let stopping = new AbortController()

  const reportParked = (parked: readonly Parked[]): void => {
    for (const { entry, reason, detail } of parked) {
      const { clinic, revision, id, type } = entry
      logger.error({ event: 'entry_parked', clinic, revision: String(revision), entry: id, type, reason, detail }, 'an entry was parked')
    }
  }

  /** Follows the feed until it is told to stop or something fails. */
  const follow = async (db: Kysely<ProjectionDatabase>, signal: AbortSignal): Promise<void> => {
    let position = await readCheckpoint(db, name, versions)
    state = 'running'
    logger.info({ event: 'projections_running', runner: name, position: position ?? 'beginning' }, 'projections are running')
    for await (const batch of feed.subscribe(position, signal)) {
      // A batch delivered again may end where the last one did, or before: its rows are recognised, and the checkpoint never goes back.
      const to = feed.distance(position, batch.position) > 0n ? batch.position : position
      if (to === undefined) continue
      const outcome = await applyBatch({ db, runner: name, projections }, batch, position, to)
      if (outcome.kind === 'overtaken')
        throw new ChartwardenError('INTERNAL', { cause: new Error('another runner has moved the checkpoint') })
      position = to
      retryMs = firstRetryMs
      reportParked(outcome.parked)
      for (const [clinic, revision] of outcome.reached) advanced?.(clinic, revision)
      if (batch.entries.length < largeBatch) await pause(gatherMs, signal)
      if (signal.aborted) return
    }
  }

  /** One tenure: from taking the lock to losing it. Answers whether it had the lock. */
  const serve = async (): Promise<boolean> => {
    const client = await pool.connect()
    const lost = new AbortController()
    const onLost = () => lost.abort()
    client.on('error', onLost).on('end', onLost)
    let clean = false
    try {
      if (!(await tryLock(client, name))) {
        clean = true
        return false
      }
      await follow(onClient(client), AbortSignal.any([stopping.signal, lost.signal]))
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

  const work = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        if (!(await serve())) {
          state = 'waiting'
          await pause(takeoverMs, stopping.signal)
        }
      } catch (error) {
        if (stopping.signal.aborted) break
        if (error instanceof VersionsDiffer) {
          state = 'halted'
          logger.error({ event: 'projections_halted', runner: name, err: error }, 'read models of another version; build them anew')
          return
        }
        state = 'retrying'
        logger.warn(
          { event: 'projections_retrying', runner: name, retry_ms: retryMs, err: error },
          'projections failed and are tried again',
        )
        await pause(retryMs, stopping.signal)
        retryMs = Math.min(retryMs * 2, longestRetryMs)
      }
    }
    state = 'stopped'
  }

  return {
    start: () => {
      if (working !== undefined) return
      stopping = new AbortController()
      state = 'waiting'
      working = work()
    },
    stop: async () => {
      stopping.abort()
      await working
      working = undefined
      state = 'stopped'
    },
    name,
    get state() {
      return state
    },
  }
}
