/** Emergency accesses with what became of their reviews, newest first. */
import { type Kysely, type SqlBool, sql } from 'kysely'
import type { Pseudonym } from '../../audit/vault.ts'
import { instant, type ProjectionDatabase } from '../database.ts'
import type { NamedSubject } from '../reading.ts'
import { databaseTime } from './database-time.ts'
import type { Names } from './people.ts'
import { cutPage, type EntryReference, extentOf, numberIn, type PageRange, type ReportCall, type ReportPage } from './report-call.ts'
import { openSealedPart, reasonOf, textOf } from './sealed-parts.ts'

/** Not reviewed and not due, not reviewed and due, reviewed. */
export const reviewStates = ['pending', 'overdue', 'reviewed'] as const
export type ReviewState = (typeof reviewStates)[number]

/** Times in milliseconds since the epoch. */
export interface EmergencyReviewRow {
  readonly entry: EntryReference
  readonly subject: NamedSubject
  readonly patientId: string
  readonly purpose: string
  /** Empty unless the caller may unseal; likewise `note`. */
  readonly reason: string
  readonly openedAt: number
  readonly until: number
  /** When it ended, once an entry says so. */
  readonly closed: { readonly at: number; readonly cause: 'closed' | 'expired' | 'offboarded' } | undefined
  /** Permits it gave. */
  readonly accesses: bigint
  readonly reviewDue: number
  readonly state: ReviewState
  readonly review:
    | { readonly at: number; readonly reviewer: NamedSubject | undefined; readonly outcome: string; readonly note: string }
    | undefined
}

/** Times in microseconds since the epoch; absent members and an empty list of states match all. */
export interface EmergencyReviewsQuery {
  readonly subject?: Pseudonym
  readonly patient?: Pseudonym
  /** Opened from then on. */
  readonly from?: bigint
  /** Opened before then. */
  readonly until?: bigint
  readonly states: readonly ReviewState[]
  /** The moment the report is asked for. Defaults to the database's clock. */
  readonly now?: bigint
}

interface Settled extends EmergencyReviewsQuery {
  readonly now: bigint
  /** What later entries say has not happened. */
  readonly through: bigint
  /** Emergencies of earlier revisions only. */
  readonly before?: bigint
  readonly limit: number
}

const rowsQuery = (db: Kysely<ProjectionDatabase>, clinic: string, query: Settled) => {
  const through = sql`${String(query.through)}::bigint`
  const reviewed = sql<SqlBool>`coalesce(m.reviewed_revision <= ${through}, false)`
  const state = sql<ReviewState>`case when ${reviewed} then 'reviewed' when m.review_due <= ${instant(query.now)} then 'overdue' else 'pending' end`
  let rows = db
    .selectFrom('emergencies as m')
    .selectAll('m')
    .select([
      state.as('state'),
      reviewed.as('is_reviewed'),
      sql<boolean>`coalesce(m.closed_revision <= ${through}, false)`.as('is_closed'),
      // A permit is of the moment it was given: between the opening and the end, of this patient, by this rule.
      sql<string>`(
        select count(*) from access_history a
        where a.clinic = m.clinic and a.patient = m.patient and a.kind = 'authorised' and a.occurred_at >= m.entry_time
          and a.occurred_at < m.valid_until and a.rule = 'emergency/' || m.entry_id and a.revision <= ${through})`.as('accesses'),
    ])
    .where('m.clinic', '=', clinic)
    .where('m.revision', '<=', String(query.through))
  if (query.before !== undefined) rows = rows.where('m.revision', '<', String(query.before))
  if (query.subject !== undefined) rows = rows.where('m.subject', '=', query.subject)
  if (query.patient !== undefined) rows = rows.where('m.patient', '=', query.patient)
  if (query.from !== undefined) rows = rows.where('m.entry_time', '>=', instant(query.from))
  if (query.until !== undefined) rows = rows.where('m.entry_time', '<', instant(query.until))
  if (query.states.length > 0) rows = rows.where(state, 'in', query.states)
  return rows.orderBy('m.revision', 'desc').limit(query.limit)
}

type StoredRow = Awaited<ReturnType<ReturnType<typeof rowsQuery>['execute']>>[number]

const reviewOf = async (row: StoredRow, { clinic, vault, unseal }: ReportCall, names: Names): Promise<EmergencyReviewRow['review']> => {
  if (!row.is_reviewed || row.reviewed_at === null) return undefined
  const sealed = { entry_id: row.review_entry_id ?? '', entry_type: row.review_entry_type ?? '', sealed: row.review_sealed }
  return {
    at: row.reviewed_at.getTime(),
    reviewer: row.reviewer === null ? undefined : names.subject(row.reviewer_type ?? '', row.reviewer),
    outcome: row.outcome ?? '',
    note: textOf(await openSealedPart(clinic, vault, sealed), 'note', unseal),
  }
}

const show = async (row: StoredRow, call: ReportCall, names: Names): Promise<EmergencyReviewRow> => ({
  entry: { id: row.entry_id, revision: BigInt(row.revision), time: row.entry_time.getTime(), leafHash: row.leaf_hash },
  subject: names.subject(row.subject_type, row.subject),
  patientId: names.patient(row.patient),
  purpose: row.purpose,
  reason: reasonOf(await openSealedPart(call.clinic, call.vault, row), call.unseal),
  openedAt: row.entry_time.getTime(),
  until: row.valid_until.getTime(),
  closed:
    row.is_closed && row.closed_at !== null && row.closed_cause !== null
      ? { at: row.closed_at.getTime(), cause: row.closed_cause }
      : undefined,
  accesses: BigInt(row.accesses),
  reviewDue: row.review_due.getTime(),
  state: row.state,
  review: await reviewOf(row, call, names),
})

/** A page. "Now" is the moment of the first page on every later one. */
export const emergencyReviews = async (
  call: ReportCall,
  query: EmergencyReviewsQuery,
  range: PageRange,
): Promise<ReportPage<EmergencyReviewRow>> => {
  const { clinic, vault, reader, people, deadline } = call
  const { after, limit } = range
  const { rows, found, completeTo, parked, now } = await reader.read(clinic, deadline, async (transaction) => {
    const { through, parked } = await extentOf(transaction, call, range)
    const now = after === undefined ? (query.now ?? (await databaseTime(transaction))) : numberIn(after, 'now')
    const before = after === undefined ? {} : { before: numberIn(after, 'revision') }
    const rows = await rowsQuery(transaction, clinic, { ...query, ...before, now, through, limit: limit + 1 }).execute()
    const found = await people.find(
      transaction,
      clinic,
      rows.flatMap((row) => [row.subject, row.patient, row.is_reviewed ? row.reviewer : null]),
    )
    return { rows, found, completeTo: through, parked, now }
  })
  const page = cutPage(rows, limit, (last) => ({ revision: last.revision, now: String(now) }))
  const names = await people.open(clinic, vault, found)
  return { rows: await Promise.all(page.rows.map((row) => show(row, call, names))), next: page.next, completeTo, parked, extra: undefined }
}
