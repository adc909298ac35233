import { type Kysely, sql } from 'kysely'
import type { Pool } from 'pg'
import { type ClinicGate, createClinicGate, type Weight } from '../../kernel/clinic-gate.ts'
import type { Clock } from '../../kernel/clock.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import { lendConnection } from '../../kernel/postgres/lend-connection.ts'
import { allProjections } from '../all-projections.ts'
import { onClient, onPool, type ProjectionDatabase, type ProjectionTransaction } from '../database.ts'
import type { Projection } from '../projection.ts'

/** For whom something is read, and what it costs. */
export interface ReadOptions {
  /** Ends the statement under way when it aborts. */
  readonly signal?: AbortSignal
  /** Defaults to `light`. */
  readonly weight?: Weight
}

/** Reads one clinic's read models. */
export interface ReportReader {
  /**
   * Runs the work on one snapshot in which row security shows this clinic's rows and no others, once it is the clinic's turn. Throws
   * DEADLINE_EXCEEDED when the deadline (a reading of the monotonic clock, in milliseconds) passes, CALL_CANCELLED when the signal aborts,
   * OVERLOADED when too much of the clinic waits already, LEDGER_UNAVAILABLE when the database cannot answer, REPORT_BUILDING when a read
   * model that the work asks for has no tables yet that this release can read.
   */
  read<Result>(
    clinic: string,
    deadline: number,
    work: (transaction: ProjectionTransaction) => Promise<Result>,
    options?: ReadOptions,
  ): Promise<Result>
}

/** Whatever takes longer than this is stopped even where the caller would wait; milliseconds. */
const longestStatement = 60_000

const codeOf = (thrown: unknown): string => String((thrown as { readonly code?: unknown } | undefined)?.code ?? '')

/** Statements that were cancelled (57014), and connections that failed: no code, a system error, or SQLSTATE classes 08, 53 and 57. */
const asCatalogueError = (thrown: unknown): unknown => {
  if (thrown instanceof ChartwardenError) return thrown
  const code = codeOf(thrown)
  if (code === '57014') return new ChartwardenError('DEADLINE_EXCEEDED', { cause: thrown })
  if (
    /^(08|53|57)...$/.test(code) ||
    /^E[A-Z]+$/.test(code) ||
    (thrown instanceof Error && code === '' && /connect/i.test(thrown.message))
  ) {
    return new ChartwardenError('LEDGER_UNAVAILABLE', { message: 'The reports cannot be read now; call again.', cause: thrown })
  }
  return new ChartwardenError('INTERNAL', { cause: thrown })
}

/** The work asks for a read model of which no generation is live. */
class NotLive extends Error {}

/** No such table or schema: not built yet, or dropped after the snapshot was taken. */
const isMissing = (thrown: unknown): boolean => thrown instanceof NotLive || ['42P01', '3F000'].includes(codeOf(thrown))

/** Seconds after which to call again where nothing is known about the pace, and at most. */
const unknownWait = 5
const longestWait = 60

/** How far what is missing is built: the least of it. */
const buildingError = async (
  db: Kysely<ProjectionDatabase>,
  projections: readonly Projection[],
  cause: unknown,
): Promise<ChartwardenError> => {
  const { rows } = await sql<{ share: number; seconds_left: number | null }>`
    select l.share, l.seconds_left from chartwarden_projections.generations g join chartwarden_projections.lanes l using (lane)
    where g.state = 'building' and g.projection = any(${projections.map(({ name }) => name)}) order by l.share limit 1`.execute(db)
  const wait = Math.min(longestWait, Math.max(1, rows[0]?.seconds_left ?? unknownWait))
  return new ChartwardenError('REPORT_BUILDING', {
    metadata: { percent: String(Math.floor((rows[0]?.share ?? 0) * 100)) },
    retryAfterSeconds: wait,
    cause,
  })
}

export interface ReportReaderOptions {
  /** Of the query role. */
  readonly pool: Pool
  /** Shared with whatever else reads through the pool. Defaults to one of its own. */
  readonly gate?: ClinicGate
  readonly clock: Clock
  /** Whose tables reports read, in the versions they can. Defaults to this release's. */
  readonly projections?: readonly Projection[]
}

export const createReportReader = (options: ReportReaderOptions): ReportReader => {
  const { pool, clock, gate = createClinicGate({ clock }), projections = allProjections } = options
  const db: Kysely<ProjectionDatabase> = onPool(pool)
  const readable = projections.flatMap(({ name, version, readable = [] }) => [version, ...readable].map((one) => ({ name, version: one })))
  const names = readable.map(({ name }) => name)
  const versions = readable.map(({ version }) => version)

  /**
   * The tables are found by the search path, which comes from rows of the same snapshot as theirs: a switch between two generations is seen as a
   * whole or not at all. The names of the schemas are computed by the database; `pg_temp` is named, and last, since unlisted it would be first.
   */
  const open = (transaction: ProjectionTransaction, clinic: string, remaining: number) =>
    sql`
      with chosen as (
        select distinct on (g.projection) g.schema_name
        from chartwarden_projections.generations g
        join unnest(${names}::text[], ${versions}::integer[]) as r (projection, version) using (projection, version)
        where g.state = 'live' order by g.projection, g.version desc
      )
      select set_config('chartwarden.clinic', ${clinic}, true), set_config('statement_timeout', ${String(remaining)}, true),
        set_config('search_path', (select coalesce(string_agg(quote_ident(schema_name), ', '), 'pg_catalog') || ', pg_temp' from chosen), true)`.execute(
      transaction,
    )

  const readNow: ReportReader['read'] = async (clinic, deadline, work, { signal } = {}) => {
    for (let attempt = 1; ; attempt += 1) {
      const remaining = Math.min(Math.floor(deadline - clock.monotonic()), longestStatement)
      if (remaining <= 0) throw new ChartwardenError('DEADLINE_EXCEEDED')
      try {
        return await lendConnection(pool, signal, (client) =>
          onClient(client)
            .transaction()
            .setIsolationLevel('repeatable read')
            .setAccessMode('read only')
            .execute(async (transaction) => {
              await open(transaction, clinic, remaining)
              return work(transaction)
            }),
        )
      } catch (thrown) {
        if (!isMissing(thrown)) throw asCatalogueError(thrown)
        // Once: the tables may have been replaced, and the old ones dropped, since the snapshot was taken.
        if (attempt > 1) {
          throw await buildingError(db, projections, thrown).catch((fault) => asCatalogueError(fault))
        }
      }
    }
  }

  return {
    read: (clinic, deadline, work, options = {}) =>
      gate.run(clinic, options.weight ?? 'light', { deadline, signal: options.signal }, () => readNow(clinic, deadline, work, options)),
  }
}

/**
 * To which revision the clinic's read models are complete in this snapshot; undefined before the first entry. A report names the projections
 * whose tables it reads and is complete to the least of them.
 */
export const readProgress = async (
  transaction: ProjectionTransaction,
  clinic: string,
  projections: readonly string[] = [],
): Promise<bigint | undefined> => {
  const { rows } = await sql<{ live: string; complete_to: string | null }>`
    select count(*) as live, case when count(p.clinic) > 0 then min(coalesce(p.complete_to_revision, -1)) end as complete_to
    from chartwarden_projections.generations g
    left join chartwarden_projections.clinic_progress p on p.lane = g.lane and p.clinic = ${clinic}
    where g.state = 'live' and g.schema_name = any(current_schemas(false)) and (${projections.length === 0} or g.projection = any(${projections}))`.execute(
    transaction,
  )
  const [row] = rows
  if (row === undefined || Number(row.live) < Math.max(1, projections.length)) throw new NotLive()
  return row.complete_to === null ? undefined : BigInt(row.complete_to)
}
