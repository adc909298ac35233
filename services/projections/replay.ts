/**
 * Tries parked entries again. Where each entry gives its own rows, whatever came before or after it, they are applied as they are, in order.
 * Where rows depend on the order of entries, a late one would come after entries that rested on it: there the read model is built anew.
 */
import { type Kysely, sql } from 'kysely'
import { decodeEntry, isKnownType } from '../access/event-codec.ts'
import type { LedgerFeed, Position, StoredEntry } from '../audit/ledger.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { attempt, faultOfContent, mayHandle } from './apply-entries.ts'
import type { ProjectionDatabase, ProjectionTransaction } from './database.ts'
import type { Projection } from './projection.ts'
import type { LanePlan, Member } from './registry.ts'
import { beginRebuild, withReaders } from './upkeep.ts'

export interface ReplayOptions {
  readonly db: Kysely<ProjectionDatabase>
  readonly feed: LedgerFeed
  readonly projections: readonly Projection[]
  readonly plan: LanePlan
  readonly member: Member
  readonly signal: AbortSignal
}

export type ReplayOutcome =
  | { readonly kind: 'replayed'; readonly applied: number; readonly left: number }
  | { readonly kind: 'rebuild' }
  /** The lane has changed meanwhile; nothing was done. */
  | { readonly kind: 'not_now' }

interface ParkedRow {
  readonly clinic: string
  readonly revision: string
  readonly type: string
  readonly after_position: string | null
}

/** Rows replayed in one transaction at most. */
const slice = 500

/** Reads an entry again from where the feed gave it. */
const findEntry = async (feed: LedgerFeed, row: ParkedRow, signal: AbortSignal): Promise<StoredEntry> => {
  const stop = new AbortController()
  try {
    for await (const { entries } of feed.subscribe(
      (row.after_position ?? undefined) as Position | undefined,
      AbortSignal.any([signal, stop.signal]),
    )) {
      const found = entries.find((entry) => entry.clinic === row.clinic && String(entry.revision) === row.revision)
      if (found !== undefined) return found
      if (entries.some((entry) => entry.clinic === row.clinic && entry.revision > BigInt(row.revision))) break
    }
  } finally {
    stop.abort()
  }
  throw new ChartwardenError('INTERNAL', { cause: new Error('a parked entry is not where the feed gave it') })
}

const remove = (transaction: ProjectionTransaction, { row }: Member, { clinic, revision }: ParkedRow) =>
  sql`delete from chartwarden_projections.parked
      where projection = ${row.projection} and generation = ${row.generation} and clinic = ${clinic} and revision = ${revision}`.execute(
    transaction,
  )

/** Undefined once applied, otherwise the fault. */
const applyAgain = async (transaction: ProjectionTransaction, { projection }: Member, entry: StoredEntry): Promise<string | undefined> => {
  let event: ReturnType<typeof decodeEntry>
  try {
    event = decodeEntry(entry)
  } catch (thrown) {
    return faultOfContent(thrown) ?? 'undecodable'
  }
  if (event === undefined) return 'unknown type'
  const projected = { clinic: entry.clinic, entry, event }
  if (!projection.types.includes(event.type)) return undefined
  return attempt(transaction, () => projection.apply(transaction, [projected]))
}

/** Replays what is parked for a member. A row is gone from there in the transaction that wrote what it stands for. */
export const replayParked = async ({ db, feed, projections, plan, member, signal }: ReplayOptions): Promise<ReplayOutcome> => {
  const { projection, row } = member
  const finish = (kysely: Kysely<ProjectionDatabase>) =>
    sql`update chartwarden_projections.generations set replay = false
        where projection = ${row.projection} and generation = ${row.generation}`.execute(kysely)
  const { rows: parked } = await sql<ParkedRow>`
    select clinic, revision, type, after_position from chartwarden_projections.parked
    where projection = ${row.projection} and generation = ${row.generation} order by clinic, revision`.execute(db)
  const foreign = parked.filter(({ type }) => isKnownType(type) && !mayHandle(projection, type))
  const due = parked.filter((one) => !foreign.includes(one))
  if (due.some(({ type }) => isKnownType(type)) && projection.independent !== true) {
    // What reads its rows may have gone without those that were missing.
    await beginRebuild(db, withReaders(projection.name, projections))
    await finish(db)
    return { kind: 'rebuild' }
  }
  let applied = 0
  for (let start = 0; start < parked.length; start += slice) {
    const outcome = await db.transaction().execute(async (transaction) => {
      const { rows } = await sql`
        select set_config('search_path', ${plan.searchPath}, true) from chartwarden_projections.lanes
        where lane = ${plan.lane} and epoch = ${plan.epoch} for update`.execute(transaction)
      if (rows.length === 0) return 'not_now'
      for (const one of parked.slice(start, start + slice)) {
        const fault = foreign.includes(one) ? undefined : await applyAgain(transaction, member, await findEntry(feed, one, signal))
        if (fault === undefined) {
          await remove(transaction, member, one)
          applied += 1
        } else if (fault !== 'unknown type') {
          await sql`
            update chartwarden_projections.parked set reason = 'unreadable', detail = ${fault}
            where projection = ${row.projection} and generation = ${row.generation} and clinic = ${one.clinic} and revision = ${one.revision}`.execute(
            transaction,
          )
        }
      }
      return 'done'
    })
    if (outcome === 'not_now') return { kind: 'not_now' }
  }
  await finish(db)
  return { kind: 'replayed', applied, left: parked.length - applied }
}
