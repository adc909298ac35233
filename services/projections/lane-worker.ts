/** Works one lane: follows the feed, brings what is being built up to the others, and moves it over to them. */
import type { Kysely } from 'kysely'
import type { FeedBatch, LedgerFeed, Position } from '../audit/ledger.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { pause } from '../kernel/pause.ts'
import { applyEntries, type BatchOutcome, type Pace, type Parked } from './apply-entries.ts'
import type { ProjectionDatabase } from './database.ts'
import { createFeedReader, type FeedReader } from './feed-reader.ts'
import type { Projection } from './projection.ts'
import { createRate } from './rate.ts'
import { type LanePlan, limitOf, planOf, readRegistry } from './registry.ts'
import { replayParked } from './replay.ts'
import type { RunnerLogger } from './runner.ts'
import { indexMembers, joinLane, partFromStrangers, promoteLane } from './switch-over.ts'

export interface LaneWorkerOptions {
  readonly feed: LedgerFeed
  /** Over the connection that holds the lane's lock. */
  readonly db: Kysely<ProjectionDatabase>
  readonly projections: readonly Projection[]
  readonly lane: string
  readonly logger: RunnerLogger
  readonly advanced: ((clinic: string, revision: bigint) => void) | undefined
  readonly gatherMs: number
  /** Milliseconds of the monotonic clock. */
  readonly now: () => number
  /** Called after each commit. */
  readonly committed: () => void
  /** Ends the work; the batch at hand is finished. */
  readonly signal: AbortSignal
  /** Aborts when the registry has changed and the plan must be made anew. */
  readonly changed: () => AbortSignal
}

/** Entries from which a batch is worth its transaction. */
const largeBatch = 500
/** Entries put together into one transaction while there are so many. */
const catchUpBatch = 4_000
/** Entries that are made up for while the others wait. */
const nearEnough = 1_000n
/** Milliseconds between two lines of the log about what is being built. */
const reportEvery = 5_000

const namesOf = (plan: LanePlan): string => plan.members.map(({ projection, row }) => `${projection.name}#${row.generation}`).join(' ')

/** Settles with the work, or throws at once when told to end: the connection is closed then, which undoes what was not committed. */
const unlessAborted = async (signal: AbortSignal, work: Promise<void>): Promise<void> => {
  work.catch(() => {})
  const { promise, reject } = Promise.withResolvers<never>()
  const end = () => reject(new ChartwardenError('SHUTTING_DOWN'))
  signal.addEventListener('abort', end, { once: true })
  try {
    if (signal.aborted) end()
    await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', end)
  }
}

/** Returns when told to, or when the lane is gone or was given away. Throws what fails; the caller begins again. */
export const workLane = async (options: LaneWorkerOptions): Promise<void> => {
  const { feed, db, projections, lane, logger, advanced, gatherMs, now, committed, signal } = options
  let reader: FeedReader | undefined
  let position: Position | undefined
  let begun = false
  const rate = createRate(now)
  let reported = now()
  /** Entries there were when last looked. */
  let total = 0n

  let changed = options.changed()

  const readFrom = (place: Position | undefined): FeedReader => {
    reader?.stop()
    reader = createFeedReader(feed, place, AbortSignal.any([signal, changed]))
    return reader
  }

  const tell = (plan: LanePlan, outcome: BatchOutcome): void => {
    if (outcome.kind !== 'applied') return
    const byEntry = Map.groupBy(outcome.parked, ({ entry }) => entry)
    for (const [{ clinic, revision, id, type }, parked] of byEntry) {
      const projections = parked.map(({ member }) => member.projection.name)
      const { reason, detail } = parked[0] as Parked
      logger.error(
        { event: 'entry_parked', clinic, revision: String(revision), entry: id, type, reason, detail, projections },
        'an entry was parked',
      )
    }
    if (!plan.building) for (const [clinic, revision] of outcome.reached) advanced?.(clinic, revision)
  }

  const pace = (plan: LanePlan, at: Position): Pace => {
    const applied = feed.distance(undefined, at)
    const entriesPerSecond = Math.round(rate.perSecond())
    if (!plan.building) return { entriesPerSecond, share: 1, secondsLeft: null }
    const secondsLeft = entriesPerSecond > 0 ? Math.round(Number(total - applied) / entriesPerSecond) : null
    return { entriesPerSecond, share: total > 0n ? Math.min(1, Number(applied) / Number(total)) : 0, secondsLeft }
  }

  /** False when the plan does not hold any more. */
  const apply = async (plan: LanePlan, batch: FeedBatch): Promise<boolean> => {
    // A batch delivered again may end where the last one did, or before: its rows are recognised, and the place never goes back.
    const to = feed.distance(position, batch.position) > 0n ? batch.position : position
    if (to === undefined) return true
    const outcome = await applyEntries(db, plan, { entries: batch.entries, from: position, to }, pace(plan, to))
    if (outcome.kind === 'overtaken') return false
    position = to
    rate.count(batch.entries.length)
    committed()
    tell(plan, outcome)
    return true
  }

  const reportBuilding = (plan: LanePlan): void => {
    if (now() - reported < reportEvery || position === undefined) return
    reported = now()
    const { entriesPerSecond, secondsLeft } = pace(plan, position)
    const applied = String(feed.distance(undefined, position))
    const fields = { applied, total: String(total), entries_per_second: entriesPerSecond, seconds_left: secondsLeft }
    logger.info({ event: 'projections_building', projections: namesOf(plan), ...fields }, 'read models are being built')
  }

  /** Keeps up; returns when the plan does not hold any more. */
  const follow = async (plan: LanePlan): Promise<void> => {
    const source = readFrom(position)
    for (;;) {
      const batch = await source.take(1)
      if (batch === undefined) return
      if (!(await apply(plan, batch))) return
      if (batch.entries.length < largeBatch) await pause(gatherMs, signal)
      if (signal.aborted) return
    }
  }

  /** One step of catching up with others; answers whether there may be more to do at once. */
  const approach = async (plan: LanePlan): Promise<boolean> => {
    const end = await feed.end()
    total = feed.distance(undefined, end)
    if (feed.distance(position, end) < 0n) throw new ChartwardenError('LEDGER_REGRESSED')
    if (plan.limits === 'absent') return false
    const limit = limitOf(feed, [...plan.limits, end])
    const ahead = limit === 'none' ? 0n : feed.distance(position, limit)
    if (ahead <= nearEnough && feed.distance(position, end) <= nearEnough) {
      if (plan.members.some(({ row }) => !row.indexed)) {
        logger.info({ event: 'projections_indexing', projections: namesOf(plan) }, 'read models are loaded and get their indexes')
        await unlessAborted(signal, indexMembers(db, plan))
        return true
      }
      if (plan.target !== undefined) {
        const source = reader ?? readFrom(position)
        reader = undefined
        const { kind, outcomes } = await joinLane({ db, feed, reader: source, plan, target: plan.target, nearEnough }).finally(source.stop)
        if (kind === 'joined') {
          for (const outcome of outcomes) tell(plan, outcome)
          if (plan.building) logger.info({ event: 'projections_switched', projections: namesOf(plan) }, 'read models answer reports now')
          return true
        }
      }
    }
    if (ahead > 0n && limit !== 'none') {
      const batch = await (reader ?? readFrom(position)).take(catchUpBatch, limit)
      if (batch === undefined || !(await apply(plan, batch))) {
        reader?.stop()
        reader = undefined
        return true
      }
    }
    // With nothing to move into, what is complete to the end that was just read answers reports.
    const complete = feed.distance(position, end) === 0n && plan.members.every(({ row }) => row.indexed)
    if (plan.building && plan.target === undefined && complete && (await promoteLane(db, feed, { ...plan, position }))) {
      logger.info({ event: 'projections_switched', projections: namesOf(plan) }, 'read models answer reports now')
      return true
    }
    if (plan.building) reportBuilding(plan)
    return ahead > 0n
  }

  try {
    while (!signal.aborted) {
      // Before the registry is read: whatever changes after that ends the reading of the feed.
      changed = options.changed()
      const plan = planOf(await readRegistry(db), projections, lane)
      if (plan === undefined) return
      if (begun && plan.position !== position)
        throw new ChartwardenError('INTERNAL', { cause: new Error('another runner has moved the lane') })
      if (!begun) {
        const place = plan.position ?? 'beginning'
        logger.info({ event: 'projections_running', lane, projections: namesOf(plan), position: place }, 'projections are running')
      }
      begun = true
      position = plan.position
      if (plan.strangers > 0) {
        await partFromStrangers(db, plan)
        return
      }
      const due = plan.members.find(({ row }) => row.replay && row.state === 'live')
      if (due !== undefined) {
        const outcome = await replayParked({ db, feed, projections, plan, member: due, signal })
        logger.info({ event: 'parked_entries_replayed', projection: due.projection.name, ...outcome }, 'parked entries were tried again')
        if (outcome.kind !== 'not_now') continue
      }
      const settled = !plan.building && plan.target === undefined && plan.limits.length === 0
      if (settled) {
        await follow(plan)
        // A feed that ends by itself has been closed.
        if (!changed.aborted) await pause(gatherMs, signal)
      } else if (!(await approach(plan))) await pause(gatherMs, signal)
    }
  } finally {
    reader?.stop()
  }
}
