/** Everything one person or service did: accesses and activities in one order, newest first by occurrence, then by revision. */
import { type Kysely, type SqlBool, sql } from 'kysely'
import type { Pseudonym } from '../../audit/vault.ts'
import { instant, microseconds, type ProjectionDatabase } from '../database.ts'
import type { AccessKind } from '../read-models/access-history.ts'
import type { ActivityKind } from '../read-models/activities.ts'
import type { NamedSubject } from '../reading.ts'
import { type AccessCursor, type AccessRow, accessCursor, accessCursorOf, accessRowsQuery, showAccess } from './access-history.ts'
import { cutPage, type EntryReference, extentOf, type PageRange, type ReportCall, type ReportPage } from './report-call.ts'

/** Kinds of rows: `access` and `probe` come from the access history, the others from the activities. */
export type StaffActivityKind = 'access' | 'probe' | ActivityKind

export interface ActivityRow {
  readonly entry: EntryReference
  readonly kind: StaffActivityKind
  /** Microseconds since the epoch. */
  readonly occurredAt: bigint
  /** Type of the entry. */
  readonly type: string
  /** Of `access` and `probe`. */
  readonly access: AccessRow | undefined
  readonly about: NamedSubject | undefined
  readonly patientId: string
  /** A code; of a decision about an administrative, sharing or reporting call its operation. */
  readonly detail: string
  readonly caller: string
}

export interface StaffActivityQuery {
  readonly subject: Pseudonym
  /** Calling software: also what it did for nobody, of which the entries name no person. Undefined: a person. */
  readonly software: string | undefined
  /** At least one. */
  readonly kinds: readonly StaffActivityKind[]
  /** Microseconds since the epoch. */
  readonly from: bigint | undefined
  /** Exclusive. */
  readonly until: bigint | undefined
}

interface ActivityRange {
  readonly through: bigint
  readonly after?: AccessCursor
  readonly limit: number
}

/** One index scan for each kind and each way of being the actor, as in the access history. */
export const activityRowsQuery = (
  db: Kysely<ProjectionDatabase>,
  clinic: string,
  { subject, software, kinds, from, until }: Omit<StaffActivityQuery, 'kinds'> & { readonly kinds: readonly ActivityKind[] },
  { through, after, limit }: ActivityRange,
) => {
  const scan = (kind: ActivityKind, alone: boolean) => {
    let query = db
      .selectFrom('activities')
      .selectAll()
      .select(microseconds('entry_time').as('occurred_us'))
      .where('clinic', '=', clinic)
      .where('kind', '=', kind)
      .where('revision', '<=', String(through))
    query = alone ? query.where('caller', '=', software ?? '').where('actor', 'is', null) : query.where('actor', '=', subject)
    if (from !== undefined) query = query.where('entry_time', '>=', instant(from))
    if (until !== undefined) query = query.where('entry_time', '<', instant(until))
    if (after !== undefined) {
      query = query.where(sql<SqlBool>`(entry_time, revision) < (${instant(after.occurredAt)}, ${String(after.revision)}::bigint)`)
    }
    return db.selectFrom(query.orderBy('entry_time', 'desc').orderBy('revision', 'desc').limit(limit).as('scanned')).selectAll()
  }
  const [first, ...others] = kinds.flatMap((kind) => (software === undefined ? [scan(kind, false)] : [scan(kind, false), scan(kind, true)]))
  if (first === undefined) throw new RangeError('at least one kind')
  const merged = others.reduce((query, other) => query.unionAll(other), first)
  return db.selectFrom(merged.as('merged')).selectAll().orderBy('entry_time', 'desc').orderBy('revision', 'desc').limit(limit)
}

const accessKindsOf = (kinds: readonly StaffActivityKind[]): AccessKind[] => [
  ...(kinds.includes('access') ? (['authorised', 'performed', 'refused'] as const) : []),
  ...(kinds.includes('probe') ? (['probed'] as const) : []),
]

interface Placed {
  readonly occurred_us: string
  readonly revision: string
}

const newestFirst = (one: Placed, other: Placed): number => {
  const order = BigInt(other.occurred_us) - BigInt(one.occurred_us) || BigInt(other.revision) - BigInt(one.revision)
  return order < 0n ? -1 : order > 0n ? 1 : 0
}

export const staffActivity = async (call: ReportCall, query: StaffActivityQuery, range: PageRange): Promise<ReportPage<ActivityRow>> => {
  const { clinic, vault, reader, people, deadline } = call
  const { subject, kinds, from, until } = query
  const accessKinds = accessKindsOf(kinds)
  const activityKinds = kinds.filter((kind) => kind !== 'access' && kind !== 'probe')
  const { page, found, completeTo, parked } = await reader.read(clinic, deadline, async (transaction) => {
    const { through, parked } = await extentOf(transaction, call, range)
    const cut = { through, limit: range.limit + 1, ...(range.after === undefined ? {} : { after: accessCursor(range.after) }) }
    const filter = {
      subject,
      resourceTypes: [],
      actions: [],
      purposes: [],
      kinds: accessKinds,
      ...(from === undefined ? {} : { from }),
      ...(until === undefined ? {} : { until }),
    }
    const accesses = accessKinds.length === 0 ? [] : await accessRowsQuery(transaction, clinic, filter, cut).execute()
    const deeds =
      activityKinds.length === 0 ? [] : await activityRowsQuery(transaction, clinic, { ...query, kinds: activityKinds }, cut).execute()
    const rows = [
      ...accesses.map((row) => ({ source: 'access' as const, occurred_us: row.occurred_us, revision: row.revision, row })),
      ...deeds.map((row) => ({ source: 'activity' as const, occurred_us: row.occurred_us, revision: row.revision, row })),
    ].sort(newestFirst)
    const page = cutPage(rows, range.limit, accessCursorOf)
    const pseudonyms = page.rows.flatMap(({ source, row }) => (source === 'access' ? [row.subject, row.patient] : [row.about, row.patient]))
    return { page, found: await people.find(transaction, clinic, pseudonyms), completeTo: through, parked }
  })
  const names = await people.open(clinic, vault, found)
  const rows = page.rows.map(async ({ source, row }): Promise<ActivityRow> => {
    const entry = { id: row.entry_id, revision: BigInt(row.revision), time: row.entry_time.getTime(), leafHash: row.leaf_hash }
    const common = {
      entry,
      occurredAt: BigInt(row.occurred_us),
      type: row.entry_type,
      patientId: names.patient(row.patient),
      caller: row.caller,
    }
    return source === 'access'
      ? {
          ...common,
          kind: row.kind === 'probed' ? 'probe' : 'access',
          access: await showAccess(row, call, names),
          about: undefined,
          detail: row.operation ?? '',
        }
      : {
          ...common,
          kind: row.kind,
          access: undefined,
          about: row.about === null ? undefined : names.subject(row.about_type ?? '', row.about),
          detail: row.detail,
        }
  })
  return { rows: await Promise.all(rows), next: page.next, completeTo, parked, extra: undefined }
}
