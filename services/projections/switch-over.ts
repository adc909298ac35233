/** How a generation gets from being built to answering reports, and how lanes part and come together. Each step is one transaction. */
import { type Kysely, sql } from 'kysely'
import type { LedgerFeed, Position } from '../audit/ledger.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { applyWithin, type BatchOutcome } from './apply-entries.ts'
import type { ProjectionDatabase, ProjectionTransaction } from './database.ts'
import type { FeedReader } from './feed-reader.ts'
import type { LanePlan } from './registry.ts'

/** Held by whoever changes which generations and lanes there are, and taken first: none of them can wait for another in a circle. */
export const lockRegistry = async (transaction: ProjectionTransaction): Promise<void> => {
  await sql`select pg_advisory_xact_lock(hashtextextended('chartwarden projections registry', 0))`.execute(transaction)
}

/** Makes the indexes that loading left out. As long as it takes. */
export const indexMembers = async (db: Kysely<ProjectionDatabase>, plan: LanePlan): Promise<void> => {
  for (const { row } of plan.members) {
    if (row.indexed) continue
    await db.transaction().execute(async (transaction) => {
      await sql`set local statement_timeout = 0`.execute(transaction)
      await sql`select chartwarden_projections.index_generation(${row.projection}, ${row.generation})`.execute(transaction)
    })
  }
}

/** Retires what the members being built replace. Answers the places of the lanes these leave, whose epochs change. */
const retireReplaced = async (transaction: ProjectionTransaction, plan: LanePlan): Promise<readonly (Position | undefined)[]> => {
  const places: (Position | undefined)[] = []
  for (const { row } of plan.members) {
    if (row.state === 'live') continue
    const { rows } = await sql<{ position: Position | null }>`
      with left_lane as (
        select l.lane, l.position from chartwarden_projections.generations g join chartwarden_projections.lanes l using (lane)
        where g.projection = ${row.projection} and g.version = ${row.version} and g.state = 'live' for update of l
      ), moved as (
        update chartwarden_projections.lanes l set epoch = epoch + 1 from left_lane where l.lane = left_lane.lane
      )
      select position from left_lane`.execute(transaction)
    places.push(...rows.map(({ position }) => position ?? undefined))
    await sql`
      update chartwarden_projections.generations set state = 'retired', lane = null, retired_at = clock_timestamp()
      where projection = ${row.projection} and version = ${row.version} and state = 'live'`.execute(transaction)
  }
  return places
}

const goLive = async (transaction: ProjectionTransaction, plan: LanePlan, lane: string): Promise<void> => {
  for (const { row } of plan.members) {
    await sql`
      update chartwarden_projections.generations
      set lane = ${lane}, state = 'live', switched_at = coalesce(switched_at, clock_timestamp()), seen_at = clock_timestamp()
      where projection = ${row.projection} and generation = ${row.generation}`.execute(transaction)
  }
  await sql`update chartwarden_projections.lanes set epoch = epoch + 1 where lane = ${lane}`.execute(transaction)
}

const stillAsPlanned = async (transaction: ProjectionTransaction, lane: string, epoch: string, position?: Position | null) => {
  const { rows } = await sql<{ position: Position | null }>`
    select position from chartwarden_projections.lanes where lane = ${lane} and epoch = ${epoch}
      and (${position === undefined} or position is not distinct from ${position ?? null}) for update`.execute(transaction)
  return rows[0]
}

export interface JoinOptions {
  readonly db: Kysely<ProjectionDatabase>
  readonly feed: Pick<LedgerFeed, 'distance'>
  /** At the place of the plan. Of no use any more if this throws or answers `not_yet`. */
  readonly reader: FeedReader
  readonly plan: LanePlan
  readonly target: NonNullable<LanePlan['target']>
  /** Entries that may be made up for while the target waits. */
  readonly nearEnough: bigint
}

/**
 * Moves the members of a lane into another, which waits meanwhile: what is missing is applied, then both are at the same place, and those being
 * built go live in place of their predecessors. Readers see the rows of before or of after.
 */
export const joinLane = async (
  options: JoinOptions,
): Promise<{ readonly kind: 'joined' | 'not_yet'; readonly outcomes: readonly BatchOutcome[] }> => {
  const { db, feed, reader, plan, target, nearEnough } = options
  return db.transaction().execute(async (transaction) => {
    const outcomes: BatchOutcome[] = []
    await lockRegistry(transaction)
    const there = await stillAsPlanned(transaction, target.lane, target.epoch)
    const to = there?.position ?? undefined
    const gap = feed.distance(plan.position, to)
    if (there === undefined || gap < 0n || gap > nearEnough) return { kind: 'not_yet', outcomes }
    let position = plan.position
    while (to !== undefined && feed.distance(position, to) > 0n) {
      const batch = await reader.take(1, to)
      if (batch === undefined) return { kind: 'not_yet', outcomes }
      if (feed.distance(position, batch.position) <= 0n) continue
      const outcome = await applyWithin(transaction, plan, { entries: batch.entries, from: position, to: batch.position }, true)
      if (outcome.kind === 'overtaken') throw new ChartwardenError('INTERNAL', { cause: new Error('another runner has moved the lane') })
      outcomes.push(outcome)
      position = batch.position
    }
    if ((await stillAsPlanned(transaction, plan.lane, plan.epoch, to ?? null)) === undefined) return { kind: 'not_yet', outcomes }
    await retireReplaced(transaction, plan)
    await goLive(transaction, plan, target.lane)
    await sql`delete from chartwarden_projections.clinic_progress where lane = ${plan.lane}`.execute(transaction)
    await sql`delete from chartwarden_projections.lanes where lane = ${plan.lane}`.execute(transaction)
    return { kind: 'joined', outcomes }
  })
}

/** The members go live in their own lane. False when they are not as planned any more, or behind what they would replace. */
export const promoteLane = async (db: Kysely<ProjectionDatabase>, feed: Pick<LedgerFeed, 'distance'>, plan: LanePlan): Promise<boolean> => {
  class Behind extends Error {}
  try {
    return await db.transaction().execute(async (transaction) => {
      await lockRegistry(transaction)
      if ((await stillAsPlanned(transaction, plan.lane, plan.epoch, plan.position ?? null)) === undefined) return false
      const places = await retireReplaced(transaction, plan)
      if (places.some((place) => feed.distance(plan.position, place) > 0n)) throw new Behind()
      await goLive(transaction, plan, plan.lane)
      return true
    })
  } catch (thrown) {
    if (thrown instanceof Behind) return false
    throw thrown
  }
}

/** Members of another release stay behind for its replicas; ours go on in a lane of their own, from the same place. */
export const partFromStrangers = async (db: Kysely<ProjectionDatabase>, plan: LanePlan): Promise<void> =>
  db.transaction().execute(async (transaction) => {
    await lockRegistry(transaction)
    if ((await stillAsPlanned(transaction, plan.lane, plan.epoch)) === undefined) return
    const { rows } = await sql<{ lane: string }>`
      insert into chartwarden_projections.lanes (position, recorded_at)
      select position, recorded_at from chartwarden_projections.lanes where lane = ${plan.lane} returning lane`.execute(transaction)
    const lane = rows[0]?.lane
    await sql`
      insert into chartwarden_projections.clinic_progress (lane, clinic, complete_to_revision)
      select ${lane}, clinic, complete_to_revision from chartwarden_projections.clinic_progress where lane = ${plan.lane}`.execute(
      transaction,
    )
    for (const { row } of plan.members) {
      await sql`
        update chartwarden_projections.generations set lane = ${lane}
        where projection = ${row.projection} and generation = ${row.generation}`.execute(transaction)
    }
    await sql`update chartwarden_projections.lanes set epoch = epoch + 1 where lane = ${plan.lane}`.execute(transaction)
  })
