/** The public face of the projections: read models that follow the ledgers, and the reports read from them. */
import type { Pool } from 'pg'
import type { LedgerFeed } from '../audit/ledger.ts'
import type { Vault } from '../audit/vault.ts'
import { type ClinicGate, createClinicGate } from '../kernel/clinic-gate.ts'
import type { Clock } from '../kernel/clock.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import type { Randomness } from '../kernel/ids.ts'
import { createPageTokens } from '../kernel/page-tokens.ts'
import { allProjections } from './all-projections.ts'
import { onPool } from './database.ts'
import { type ReportServiceHandlers, reportServiceHandlers } from './doors/grpc-report-service.ts'
import { type Lag, measureLag } from './lag.ts'
import { observedProjection, type ProjectionObserver } from './observed-projection.ts'
import { createProgress, type Progress } from './progress.ts'
import type { AuthoriseReading } from './reading.ts'
import { createPeople } from './reports/people.ts'
import { createReportReader, readProgress } from './reports/report-reader.ts'
import { createProjectionRunner, type ProjectionRunner, type ProjectionRunnerOptions, type RunnerLogger } from './runner.ts'

export interface ProjectionsOptions {
  readonly feed: LedgerFeed
  /** Of the feed role; the runner keeps one connection. */
  readonly feedPool: Pool
  /** Of the query role. */
  readonly queryPool: Pool
  /** Shared with whatever else reads through that pool. Defaults to one of its own. */
  readonly queryGate?: ClinicGate
  readonly vault: Vault
  readonly authoriseReading: AuthoriseReading
  /** At least 32 bytes; the same on all replicas. */
  readonly pageTokenKey: Uint8Array
  readonly clock: Clock
  readonly randomness: Randomness
  /** How long a stream waits for the read models at most, whatever deadline it names, in milliseconds. Defaults to 10,000. */
  readonly defaultDeadlineMs?: number
  readonly logger: RunnerLogger
  /** For metrics and traces. */
  readonly observer?: ProjectionObserver | undefined
  /** Waiting times of the runner; see ProjectionRunnerOptions. */
  readonly runner?: Pick<ProjectionRunnerOptions, 'takeoverMs' | 'graceMs' | 'gatherMs' | 'firstRetryMs' | 'longestRetryMs'>
}

export type { Lag } from './lag.ts'
export { allProjections }

export interface Projections {
  readonly runner: ProjectionRunner
  readonly handlers: ReportServiceHandlers
  readonly progress: Progress
  lag(): Promise<Lag>
}

/** Seconds that a report waits for its read models to be built rather than say so. */
const soon = 5

/** The pools stay their creator's to close, after `runner.stop()`. */
export const createProjections = (options: ProjectionsOptions): Projections => {
  const {
    feed,
    feedPool,
    queryPool,
    vault,
    authoriseReading,
    pageTokenKey,
    clock,
    randomness,
    defaultDeadlineMs = 10_000,
    logger,
    observer,
  } = options
  const { queryGate = createClinicGate({ clock }) } = options
  const reader = createReportReader({ pool: queryPool, gate: queryGate, clock })
  const progress = createProgress({
    read: (clinic, deadline) =>
      reader
        .read(clinic, deadline, (transaction) => readProgress(transaction, clinic))
        .catch((thrown) => {
          // A fresh database has its tables in a moment; whoever waits anyway waits for them too.
          if (thrown instanceof ChartwardenError && thrown.reason === 'REPORT_BUILDING' && (thrown.retryAfterSeconds ?? 0) <= soon)
            return undefined
          throw thrown
        }),
    clock,
  })
  const runner = createProjectionRunner({
    ...options.runner,
    feed,
    pool: feedPool,
    projections:
      observer === undefined ? allProjections : allProjections.map((projection) => observedProjection(projection, observer, clock)),
    logger,
    clock,
    advanced: progress.advanced,
  })
  const handlers = reportServiceHandlers({
    vault,
    authoriseReading,
    reader,
    people: createPeople({ clock }),
    progress,
    tokens: createPageTokens({ key: pageTokenKey, clock, randomness }),
    clock,
    defaultDeadlineMs,
  })
  const db = onPool(feedPool)
  const lag = (): Promise<Lag> => measureLag({ db, feed, projections: allProjections, state: runner.state })
  return { runner, handlers, progress, lag }
}
