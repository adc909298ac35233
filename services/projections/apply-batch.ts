/**
 * One batch of the feed in one transaction: rows, parked entries, each clinic's progress and the checkpoint move together or not at all.
 * Whatever is delivered twice is recognised by its revision, so a crash or a replay changes no row; a missing revision stops everything.
 */
import { type Kysely, sql } from 'kysely'
import { decodeEntry, isKnownType } from '../access/event-codec.ts'
import type { FeedBatch, Position, StoredEntry } from '../audit/ledger.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { type ProjectionDatabase, type ProjectionTransaction, recordset } from './database.ts'
import type { ProjectedEvent, Projection } from './projection.ts'
import type { ParkedEntriesTable } from './runner-tables.ts'

export interface Parked {
  readonly entry: StoredEntry
  readonly reason: ParkedEntriesTable['reason']
  readonly detail: string
}

export type BatchOutcome =
  | { readonly kind: 'applied'; readonly reached: ReadonlyMap<string, bigint>; readonly parked: readonly Parked[] }
  /** The checkpoint is no longer where this runner left it: another one is at work. */
  | { readonly kind: 'overtaken' }

export interface BatchOptions {
  readonly db: Kysely<ProjectionDatabase>
  readonly runner: string
  /** Applied in this order. */
  readonly projections: readonly Projection[]
}

/** Content that no retry can mend: not decodable (JavaScript), or refused as data by Postgres (classes 22 and 23, and rows too large for an index). */
const faultOfContent = (thrown: unknown): string | undefined => {
  if (thrown instanceof TypeError || thrown instanceof RangeError || thrown instanceof SyntaxError) return thrown.name
  const code = (thrown as { readonly code?: unknown } | undefined)?.code
  return typeof code === 'string' && /^(22|23|54)...$/.test(code) ? code : undefined
}

const park = async (transaction: ProjectionTransaction, parked: readonly Parked[]): Promise<void> => {
  if (parked.length === 0) return
  const rows = parked.map(({ entry, reason, detail }) => ({
    clinic: entry.clinic,
    revision: String(entry.revision),
    entry_id: entry.id,
    type: entry.type,
    reason,
    detail,
  }))
  await transaction.insertInto('chartwarden_projections.parked_entries').values(rows).execute()
}

/** What is new among the entries, and where each clinic will have come. Throws INTERNAL when a revision is missing. */
const selectNew = async (transaction: ProjectionTransaction, entries: readonly StoredEntry[]) => {
  const clinics = [...new Set(entries.map((entry) => entry.clinic))]
  const rows = await transaction
    .selectFrom('chartwarden_projections.progress')
    .select(['clinic', 'complete_to_revision'])
    .where('clinic', 'in', clinics)
    .execute()
  const before = new Map(rows.map((row) => [row.clinic, BigInt(row.complete_to_revision)]))
  const reached = new Map<string, bigint>()
  const fresh: StoredEntry[] = []
  for (const entry of entries) {
    const last = reached.get(entry.clinic) ?? before.get(entry.clinic) ?? -1n
    if (entry.revision <= last) continue
    if (entry.revision !== last + 1n) {
      throw new ChartwardenError('INTERNAL', {
        cause: new Error(`the feed skipped from revision ${last} to ${entry.revision} of a ledger`),
      })
    }
    reached.set(entry.clinic, entry.revision)
    fresh.push(entry)
  }
  return { fresh, reached }
}

/** Entries as events; what cannot be read is parked. */
const decodeAll = (entries: readonly StoredEntry[]) => {
  const events: ProjectedEvent[] = []
  const parked: Parked[] = []
  for (const entry of entries) {
    if (!isKnownType(entry.type)) {
      parked.push({ entry, reason: 'unknown_type', detail: 'unknown type' })
      continue
    }
    try {
      const event = decodeEntry(entry)
      if (event !== undefined) events.push({ clinic: entry.clinic, entry, event })
    } catch (thrown) {
      parked.push({ entry, reason: 'unreadable', detail: faultOfContent(thrown) ?? 'undecodable' })
    }
  }
  return { events, parked }
}

const project = async (
  transaction: ProjectionTransaction,
  projections: readonly Projection[],
  events: readonly ProjectedEvent[],
): Promise<void> => {
  for (const projection of projections) {
    const handled = events.filter(({ event }) => projection.types.includes(event.type))
    if (handled.length > 0) await projection.apply(transaction, handled)
  }
}

/** Runs the work under a savepoint; answers the fault and undoes the work where the content is to blame. */
const attempt = async (transaction: ProjectionTransaction, work: () => Promise<void>): Promise<string | undefined> => {
  await sql`savepoint attempt`.execute(transaction)
  try {
    await work()
  } catch (thrown) {
    const fault = faultOfContent(thrown)
    if (fault === undefined) throw thrown
    await sql`rollback to savepoint attempt`.execute(transaction)
    return fault
  }
  await sql`release savepoint attempt`.execute(transaction)
  return undefined
}

/** All at once; when that fails for their content, one by one, so that only those to blame are parked. */
const projectAll = async (
  transaction: ProjectionTransaction,
  projections: readonly Projection[],
  events: readonly ProjectedEvent[],
): Promise<Parked[]> => {
  if ((await attempt(transaction, () => project(transaction, projections, events))) === undefined) return []
  const parked: Parked[] = []
  for (const event of events) {
    const fault = await attempt(transaction, () => project(transaction, projections, [event]))
    if (fault !== undefined) parked.push({ entry: event.entry, reason: 'unreadable', detail: fault })
  }
  return parked
}

const moveCheckpoint = async (
  transaction: ProjectionTransaction,
  runner: string,
  from: Position | undefined,
  to: Position,
): Promise<boolean> => {
  const { numUpdatedRows } = await transaction
    .updateTable('chartwarden_projections.checkpoints')
    .set({ position: to, updated_at: sql<Date>`clock_timestamp()` })
    .where('runner', '=', runner)
    .where('position', 'is not distinct from', from ?? null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

const saveProgress = async (transaction: ProjectionTransaction, reached: ReadonlyMap<string, bigint>): Promise<void> => {
  if (reached.size === 0) return
  const rows = [...reached].map(([clinic, revision]) => ({ clinic, revision: String(revision) }))
  await sql`
    insert into chartwarden_projections.progress (clinic, complete_to_revision)
    select r.clinic, r.revision from ${recordset(rows, 'clinic text, revision bigint')} order by r.clinic
    on conflict (clinic) do update set complete_to_revision = excluded.complete_to_revision, updated_at = clock_timestamp()`.execute(
    transaction,
  )
}

/** Applies a batch that follows `from` and moves the checkpoint to `to`. Throws what the database throws; then nothing has changed. */
export const applyBatch = async (
  options: BatchOptions,
  batch: FeedBatch,
  from: Position | undefined,
  to: Position,
): Promise<BatchOutcome> =>
  options.db.transaction().execute(async (transaction): Promise<BatchOutcome> => {
    // First, for its row lock: two runners that both believe to be the only one go one after the other, and the second finds it moved.
    if (!(await moveCheckpoint(transaction, options.runner, from, to))) return { kind: 'overtaken' }
    if (batch.entries.length === 0) return { kind: 'applied', reached: new Map(), parked: [] }
    const { fresh, reached } = await selectNew(transaction, batch.entries)
    const { events, parked } = decodeAll(fresh)
    parked.push(...(await projectAll(transaction, options.projections, events)))
    await park(transaction, parked)
    await saveProgress(transaction, reached)
    return { kind: 'applied', reached, parked }
  })
