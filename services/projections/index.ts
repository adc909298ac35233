/** The public face of the projections: read models that follow the ledgers, and the reports read from them. */
import type { Pool } from 'pg'
import type { LedgerFeed, Position } from '../audit/ledger.ts'
import type { Vault } from '../audit/vault.ts'
import type { Clock } from '../kernel/clock.ts'
import { createPageTokens } from '../kernel/page-tokens.ts'
import { onPool } from './database.ts'
import { type ReportServiceHandlers, reportServiceHandlers } from './doors/grpc-report-service.ts'
import { createProgress, type Progress } from './progress.ts'
import type { Projection } from './projection.ts'
import { accessHistory } from './read-models/access-history.ts'
import { identities } from './read-models/identities.ts'
import { offboardings } from './read-models/offboardings.ts'
import { roleGrants } from './read-models/role-grants.ts'
import type { AuthoriseReading } from './reading.ts'
import { createPeople } from './reports/people.ts'
import { createReportReader, readProgress } from './reports/report-reader.ts'
import {
  createProjectionRunner,
  type ProjectionRunner,
  type ProjectionRunnerOptions,
  type RunnerLogger,
  type RunnerState,
} from './runner.ts'

/** Every read model, in the order in which a batch is applied: grants and access history look at the offboardings. */
export const allProjections: readonly Projection[] = [identities, offboardings, roleGrants, accessHistory]

export interface ProjectionsOptions {
  readonly feed: LedgerFeed
  /** Of the feed role; the runner keeps one connection. */
  readonly feedPool: Pool
  /** Of the query role. */
  readonly queryPool: Pool
  readonly vault: Vault
  readonly authoriseReading: AuthoriseReading
  /** At least 32 bytes; the same on all replicas. */
  readonly pageTokenKey: Uint8Array
  readonly clock: Clock
  /** How long a stream waits for the read models at most, whatever deadline it names, in milliseconds. Defaults to 10,000. */
  readonly defaultDeadlineMs?: number
  readonly logger: RunnerLogger
  /** Waiting times of the runner; see ProjectionRunnerOptions. */
  readonly runner?: Pick<ProjectionRunnerOptions, 'takeoverMs' | 'gatherMs' | 'firstRetryMs' | 'longestRetryMs'>
}

/** How far the read models are behind. */
export interface Lag {
  /** Entries of all ledgers not yet in the read models. */
  readonly entries: bigint
  /** Entries that no read model could take, since the beginning. */
  readonly parked: bigint
  /** Of this process's runner. */
  readonly state: RunnerState
}

export interface Projections {
  readonly runner: ProjectionRunner
  readonly handlers: ReportServiceHandlers
  readonly progress: Progress
  lag(): Promise<Lag>
}

/** The pools stay their creator's to close, after `runner.stop()`. */
export const createProjections = (options: ProjectionsOptions): Projections => {
  const { feed, feedPool, queryPool, vault, authoriseReading, pageTokenKey, clock, defaultDeadlineMs = 10_000, logger } = options
  const reader = createReportReader({ pool: queryPool, clock })
  const progress = createProgress({
    read: (clinic, deadline) => reader.read(clinic, deadline, (transaction) => readProgress(transaction, clinic)),
    clock,
  })
  const runner = createProjectionRunner({
    ...options.runner,
    feed,
    pool: feedPool,
    projections: allProjections,
    logger,
    advanced: progress.advanced,
  })
  const handlers = reportServiceHandlers({
    vault,
    authoriseReading,
    reader,
    people: createPeople({ clock }),
    progress,
    tokens: createPageTokens({ key: pageTokenKey, clock }),
    clock,
    defaultDeadlineMs,
  })
  const db = onPool(feedPool)
  const lag = async (): Promise<Lag> => {
    const checkpoint = await db
      .selectFrom('chartwarden_projections.checkpoints')
      .select('position')
      .where('runner', '=', runner.name)
      .executeTakeFirst()
    const { parked } = await db
      .selectFrom('chartwarden_projections.parked_entries')
      .select((select) => select.fn.countAll<string>().as('parked'))
      .executeTakeFirstOrThrow()
    const position = (checkpoint?.position ?? undefined) as Position | undefined
    return { entries: feed.distance(position, await feed.end()), parked: BigInt(parked), state: runner.state }
  }
  return { runner, handlers, progress, lag }
}
