/**
 * Entries of the feed in one transaction: rows, parked entries, each clinic's progress and the lane's place move together or not at all.
 * Whatever is delivered twice is recognised by its revision, so a crash or a replay changes no row; a missing revision stops everything.
 */
import { type Kysely, sql } from 'kysely'
import { decodeEntry, isKnownType } from '../access/event-codec.ts'
import { stateChanging } from '../access/events.ts'
import type { FeedBatch, Position, StoredEntry } from '../audit/ledger.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { type ProjectionDatabase, type ProjectionTransaction, recordset } from './database.ts'
import type { ProjectedEvent, Projection } from './projection.ts'
import type { LanePlan, Member } from './registry.ts'
import type { ParkedTable } from './runner-tables.ts'

export interface Parked {
  readonly member: Member
  readonly entry: StoredEntry
  readonly reason: ParkedTable['reason']
  readonly detail: string
}

export type BatchOutcome =
  | { readonly kind: 'applied'; readonly reached: ReadonlyMap<string, bigint>; readonly parked: readonly Parked[] }
  /** The lane is no longer as the plan says: it has other members, or another runner has moved it. */
  | { readonly kind: 'overtaken' }

/** A batch and the places before and after it. */
export interface Step {
  readonly entries: FeedBatch['entries']
  readonly from: Position | undefined
  readonly to: Position
}

/** How fast a lane moves; kept with its place for whoever asks. */
export interface Pace {
  readonly entriesPerSecond: number
  /** Of all entries there are, between 0 and 1; 1 for what is not being built. */
  readonly share: number
  readonly secondsLeft: number | null
}

const keepingUp: Pace = { entriesPerSecond: 0, share: 1, secondsLeft: null }

/**
 * Content that no retry can mend: not decodable (JavaScript), or refused as data by Postgres (classes 22 and 23, and rows too large for an
 * index). A row that is there already (23505) is none: then something was applied twice, and parking it would hide that.
 */
export const faultOfContent = (thrown: unknown): string | undefined => {
  if (thrown instanceof TypeError || thrown instanceof RangeError || thrown instanceof SyntaxError) return thrown.name
  const code = (thrown as { readonly code?: unknown } | undefined)?.code
  return typeof code === 'string' && /^(22|23|54)...$/.test(code) && code !== '23505' ? code : undefined
}

/** Whether entries of a type, in whichever version of it, may concern a projection. An earlier version's successor is not known from its name. */
export const mayHandle = (projection: Projection, type: string): boolean =>
  (projection.types as readonly string[]).includes(type) || !Object.hasOwn(stateChanging, type)

/** What is new among the entries, and where each clinic will have come. Throws INTERNAL when a revision is missing. */
const selectNew = async (transaction: ProjectionTransaction, lane: string, entries: readonly StoredEntry[]) => {
  const clinics = [...new Set(entries.map((entry) => entry.clinic))]
  const { rows } = await sql<{ clinic: string; complete_to_revision: string }>`
    select clinic, complete_to_revision from chartwarden_projections.clinic_progress
    where lane = ${lane} and clinic = any(${clinics})`.execute(transaction)
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

/** Entries as events, where a member needs them; what cannot be read is parked for each member that it may concern. */
const decodeAll = (members: readonly Member[], entries: readonly StoredEntry[]) => {
  const events: ProjectedEvent[] = []
  const parked: Parked[] = []
  for (const entry of entries) {
    if (!isKnownType(entry.type)) {
      parked.push(...members.map((member) => ({ member, entry, reason: 'unknown_type', detail: 'unknown type' }) as const))
      continue
    }
    const concerned = members.filter(({ projection }) => mayHandle(projection, entry.type))
    if (concerned.length === 0) continue
    try {
      const event = decodeEntry(entry)
      if (event !== undefined) events.push({ clinic: entry.clinic, entry, event })
    } catch (thrown) {
      const detail = faultOfContent(thrown) ?? 'undecodable'
      parked.push(...concerned.map((member) => ({ member, entry, reason: 'unreadable', detail }) as const))
    }
  }
  return { events, parked }
}

const project = async (transaction: ProjectionTransaction, { projection }: Member, events: readonly ProjectedEvent[]): Promise<void> => {
  const handled = events.filter(({ event }) => projection.types.includes(event.type))
  if (handled.length > 0) await projection.apply(transaction, handled)
}

/** Runs the work under a savepoint; answers the fault and undoes the work where the content is to blame. */
export const attempt = async (transaction: ProjectionTransaction, work: () => Promise<void>): Promise<string | undefined> => {
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

/** All at once for a member; when that fails for their content, one by one, so that only those to blame are parked, and for this one alone. */
const projectCarefully = async (
  transaction: ProjectionTransaction,
  member: Member,
  events: readonly ProjectedEvent[],
): Promise<readonly Parked[]> => {
  if ((await attempt(transaction, () => project(transaction, member, events))) === undefined) return []
  const parked: Parked[] = []
  for (const event of events) {
    const fault = await attempt(transaction, () => project(transaction, member, [event]))
    if (fault !== undefined) parked.push({ member, entry: event.entry, reason: 'unreadable', detail: fault })
  }
  return parked
}

/** Writes the rows of entries into the tables that the search path finds, and nothing else; answers what a member could not take. */
export const writeRows = async (
  transaction: ProjectionTransaction,
  members: readonly Member[],
  entries: readonly StoredEntry[],
  careful: boolean,
): Promise<readonly Parked[]> => {
  const { events, parked } = decodeAll(members, entries)
  for (const member of members) {
    if (careful) parked.push(...(await projectCarefully(transaction, member, events)))
    else await project(transaction, member, events)
  }
  return parked
}

const park = async (transaction: ProjectionTransaction, parked: readonly Parked[], from: Position | undefined): Promise<void> => {
  if (parked.length === 0) return
  const rows = parked.map(({ member, entry, reason, detail }) => ({
    projection: member.row.projection,
    generation: member.row.generation,
    clinic: entry.clinic,
    revision: String(entry.revision),
    entry_id: entry.id,
    type: entry.type,
    reason,
    detail,
    after_position: from ?? null,
  }))
  await sql`
    insert into chartwarden_projections.parked (projection, generation, clinic, revision, entry_id, type, reason, detail, after_position)
    select r.* from ${recordset(
      rows,
      'projection text, generation int, clinic text, revision bigint, entry_id uuid, type text, reason text, detail text, after_position text',
    )}`.execute(transaction)
}

const saveProgress = async (transaction: ProjectionTransaction, lane: string, reached: ReadonlyMap<string, bigint>): Promise<void> => {
  if (reached.size === 0) return
  const rows = [...reached].map(([clinic, revision]) => ({ clinic, revision: String(revision) }))
  await sql`
    insert into chartwarden_projections.clinic_progress (lane, clinic, complete_to_revision)
    select ${lane}, r.clinic, r.revision from ${recordset(rows, 'clinic text, revision bigint')} order by r.clinic
    on conflict (lane, clinic) do update set complete_to_revision = excluded.complete_to_revision, updated_at = clock_timestamp()`.execute(
    transaction,
  )
}

/**
 * Moves the lane, if it is as the plan says. First of all, for its row lock: two runners that both believe to be the only one go one after the
 * other, and the second finds it moved. What is being built can be built again, so its commits need not wait for the disk.
 */
const moveLane = async (transaction: ProjectionTransaction, plan: LanePlan, step: Step, pace: Pace): Promise<boolean> => {
  const last = step.entries.at(-1)
  const { rows } = await sql`
    update chartwarden_projections.lanes
    set position = ${step.to}, entries_per_second = ${pace.entriesPerSecond}, share = ${pace.share}, seconds_left = ${pace.secondsLeft},
      updated_at = clock_timestamp(),
      recorded_at = coalesce(to_timestamp(${last === undefined ? null : last.recordedAt / 1_000}::float8), recorded_at)
    where lane = ${plan.lane} and epoch = ${plan.epoch} and position is not distinct from ${step.from ?? null}
    returning set_config('search_path', ${plan.searchPath}, true),
      set_config('synchronous_commit', ${plan.building ? 'off' : 'on'}, true)`.execute(transaction)
  return rows.length === 1
}

/** Within a transaction. `careful` parks entries whose content is refused; otherwise what refuses it is thrown. */
export const applyWithin = async (
  transaction: ProjectionTransaction,
  plan: LanePlan,
  step: Step,
  careful: boolean,
  pace = keepingUp,
): Promise<BatchOutcome> => {
  if (!(await moveLane(transaction, plan, step, pace))) return { kind: 'overtaken' }
  if (step.entries.length === 0) return { kind: 'applied', reached: new Map(), parked: [] }
  const { fresh, reached } = await selectNew(transaction, plan.lane, step.entries)
  const parked = await writeRows(transaction, plan.members, fresh, careful)
  await park(transaction, parked, step.from)
  await saveProgress(transaction, plan.lane, reached)
  return { kind: 'applied', reached, parked }
}

/** Applies a step to the members of a lane and moves the lane. Throws what the database throws; then nothing has changed. */
export const applyEntries = async (db: Kysely<ProjectionDatabase>, plan: LanePlan, step: Step, pace = keepingUp): Promise<BatchOutcome> => {
  const apply = (careful: boolean) => db.transaction().execute((transaction) => applyWithin(transaction, plan, step, careful, pace))
  try {
    return await apply(false)
  } catch (thrown) {
    // Savepoints cost as much as the work of a small batch: they are set only where something is to be parked.
    if (faultOfContent(thrown) === undefined) throw thrown
    return await apply(true)
  }
}
