/** Who viewed what, when and why, newest first by occurrence, then by revision. */
import { type Kysely, type SqlBool, sql } from 'kysely'
import type { Pseudonym } from '../../audit/vault.ts'
import { instant, microseconds, type ProjectionDatabase } from '../database.ts'
import type { AccessKind } from '../read-models/access-history.ts'
import type { NamedSubject } from '../reading.ts'
import { flagsWithConcerns } from './disputed.ts'
import type { Names } from './people.ts'
import {
  type Cursor,
  cutPage,
  type EntryReference,
  extentOf,
  numberIn,
  type PageRange,
  type ReportCall,
  type ReportPage,
} from './report-call.ts'
import { openSealedPart, reasonOf, resourceOf } from './sealed-parts.ts'

/** Empty lists and absent members match all. Times in microseconds since the epoch. */
export interface AccessFilter {
  readonly patient?: Pseudonym
  readonly subject?: Pseudonym
  /** Calling software, as its token names it. */
  readonly caller?: string
  readonly resourceTypes: readonly string[]
  readonly actions: readonly string[]
  readonly purposes: readonly string[]
  /** Rows with one of these; absent or empty: all. `disputed` stands in no row. */
  readonly flags?: readonly string[]
  /** At least one. */
  readonly kinds: readonly AccessKind[]
  readonly from?: bigint
  /** Exclusive. */
  readonly until?: bigint
}

export interface AccessRow {
  readonly entry: EntryReference
  readonly kind: AccessKind
  /** Microseconds since the epoch. */
  readonly occurredAt: bigint
  readonly subject: NamedSubject
  readonly action: string
  readonly resourceType: string
  /** `erased:<pseudonym>` once the key that sealed it is destroyed. */
  readonly resourceId: string
  readonly patientId: string
  readonly purpose: string
  readonly reason: string
  readonly reasonCode: string
  readonly rule: string
  readonly caller: string
  readonly flags: readonly string[]
  readonly decision: 'permit' | 'deny' | undefined
  readonly decisionEntryId: string
}

/** The last row of the page before. */
export interface AccessCursor {
  readonly occurredAt: bigint
  readonly revision: bigint
}

/** Rows up to a revision, after a cursor. */
export interface AccessRange {
  /** Rows of later entries are left out, so that all pages of a report are of one ledger. */
  readonly through: bigint
  readonly after?: AccessCursor
  readonly limit: number
}

/** The accesses that match, as the entries up to `through` tell it, in no order. */
export const accessesOf = (db: Kysely<ProjectionDatabase>, clinic: string, filter: AccessFilter, through: bigint) => {
  const { patient, subject, caller, resourceTypes, actions, purposes, flags = [], kinds, from, until } = filter
  const [kind, ...otherKinds] = kinds
  let query = db.selectFrom('access_history').where('clinic', '=', clinic).where('revision', '<=', String(through))
  query = kind !== undefined && otherKinds.length === 0 ? query.where('kind', '=', kind) : query.where('kind', 'in', kinds)
  if (patient !== undefined) query = query.where('patient', '=', patient)
  if (subject !== undefined) query = query.where('subject', '=', subject)
  if (caller !== undefined) query = query.where('caller', '=', caller)
  if (resourceTypes.length > 0) query = query.where('resource_type', 'in', resourceTypes)
  if (actions.length > 0) query = query.where('action', 'in', actions)
  if (purposes.length > 0) query = query.where('purpose', 'in', purposes)
  if (flags.length > 0) query = query.where(sql<SqlBool>`flags && ${[...flags]}::text[]`)
  if (from !== undefined) query = query.where('occurred_at', '>=', instant(from))
  if (until !== undefined) query = query.where('occurred_at', '<', instant(until))
  return query
}

/**
 * One index scan a kind, each already in the order of the report and cut at the page, then merged. Without that, a kind that is rare in a
 * long ledger would be searched for through all of it.
 */
export const accessRowsQuery = (db: Kysely<ProjectionDatabase>, clinic: string, filter: AccessFilter, range: AccessRange) => {
  const { through, after, limit } = range
  const ofKind = (kind: AccessKind) => {
    let query = accessesOf(db, clinic, { ...filter, kinds: [kind] }, through)
      .selectAll()
      .select(microseconds('occurred_at').as('occurred_us'))
    if (after !== undefined) {
      query = query.where(sql<SqlBool>`(occurred_at, revision) < (${instant(after.occurredAt)}, ${String(after.revision)}::bigint)`)
    }
    return query.orderBy('occurred_at', 'desc').orderBy('revision', 'desc').limit(limit)
  }
  const [first, ...others] = filter.kinds.map((kind) => db.selectFrom(ofKind(kind).as('of_kind')).selectAll())
  if (first === undefined) throw new RangeError('at least one kind')
  const merged = others.reduce((query, other) => query.unionAll(other), first)
  return db
    .selectFrom(merged.as('merged'))
    .selectAll('merged')
    .select(flagsWithConcerns('merged', through).as('flags'))
    .orderBy('occurred_at', 'desc')
    .orderBy('revision', 'desc')
    .limit(limit)
}

export type StoredAccess = Awaited<ReturnType<ReturnType<typeof accessRowsQuery>['execute']>>[number]

export const showAccess = async (row: StoredAccess, call: ReportCall, names: Names): Promise<AccessRow> => {
  const part = await openSealedPart(call.clinic, call.vault, row)
  return {
    entry: { id: row.entry_id, revision: BigInt(row.revision), time: row.entry_time.getTime(), leafHash: row.leaf_hash },
    kind: row.kind,
    occurredAt: BigInt(row.occurred_us),
    subject: names.subject(row.subject_type, row.subject),
    action: row.action,
    resourceType: row.resource_type,
    resourceId: resourceOf(part, row),
    patientId: names.patient(row.patient),
    purpose: row.purpose,
    reason: reasonOf(part, call.unseal),
    reasonCode: row.reason_code,
    rule: row.rule,
    caller: row.caller,
    flags: row.flags,
    decision: row.decision ?? undefined,
    decisionEntryId: row.decision_entry_id ?? '',
  }
}

/** Where a page in this order goes on, as page tokens carry it. */
export const accessCursorOf = (last: Pick<StoredAccess, 'occurred_us' | 'revision'>): Cursor => ({
  at: last.occurred_us,
  revision: last.revision,
})

export const accessCursor = (after: Cursor): AccessCursor => ({ occurredAt: numberIn(after, 'at'), revision: numberIn(after, 'revision') })

/** A page; the read models must have begun. */
export const accessHistory = async (call: ReportCall, filter: AccessFilter, range: PageRange): Promise<ReportPage<AccessRow>> => {
  const { clinic, vault, reader, people, deadline } = call
  const { rows, found, completeTo, parked } = await reader.read(clinic, deadline, async (transaction) => {
    const { through, parked } = await extentOf(transaction, call, range)
    const after = range.after === undefined ? {} : { after: accessCursor(range.after) }
    const rows = await accessRowsQuery(transaction, clinic, filter, { ...after, through, limit: range.limit + 1 }).execute()
    const found = await people.find(
      transaction,
      clinic,
      rows.flatMap((row) => [row.subject, row.patient]),
    )
    return { rows, found, completeTo: through, parked }
  })
  const page = cutPage(rows, range.limit, accessCursorOf)
  const names = await people.open(clinic, vault, found)
  return {
    rows: await Promise.all(page.rows.map((row) => showAccess(row, call, names))),
    next: page.next,
    completeTo,
    parked,
    extra: undefined,
  }
}
