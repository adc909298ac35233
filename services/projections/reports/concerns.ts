/** Disputes, requests for correction and complaints with their answers, newest first by when they were raised, then by revision. */
import { type Kysely, type SqlBool, sql } from 'kysely'
import type { Pseudonym } from '../../audit/vault.ts'
import { instant, microseconds, type ProjectionDatabase } from '../database.ts'
import type { ConcernKind, ConcernOutcome } from '../read-models/concerns.ts'
import type { NamedSubject } from '../reading.ts'
import type { Names } from './people.ts'
import { cutPage, type EntryReference, extentOf, numberIn, type PageRange, type ReportCall, type ReportPage } from './report-call.ts'
import { openSealedPart, textOf } from './sealed-parts.ts'

/** Whole days from when a concern was raised, at the latest when it was recorded, to when an answer is due: 45 CFR 164.526(b)(2) gives 60 days for a request for amendment. */
const answerDays = 60

const dayMs = 86_400_000

/** Times in milliseconds since the epoch. */
export interface ConcernAnswer {
  readonly entry: EntryReference
  readonly outcome: ConcernOutcome
  /** Empty unless the caller may unseal. */
  readonly text: string
  readonly answeredAt: number
  readonly recordedBy: NamedSubject
}

export interface ConcernRow {
  readonly entry: EntryReference
  readonly kind: Exclude<ConcernKind, 'answer'>
  readonly patientId: string
  /** Empty: none in particular. */
  readonly aboutEntryId: string
  /** Empty unless the caller may unseal. */
  readonly text: string
  readonly raisedAt: number
  readonly recordedBy: NamedSubject
  readonly due: number
  /** Oldest first. */
  readonly answers: readonly ConcernAnswer[]
  /** No answer has ended it. */
  readonly open: boolean
}

/** Absent members and an empty list of kinds match all. Times in microseconds since the epoch. */
export interface ConcernsQuery {
  readonly patient?: Pseudonym
  readonly aboutEntryId?: string
  readonly kinds: readonly ConcernRow['kind'][]
  readonly openOnly: boolean
  /** Raised from then on. */
  readonly from?: bigint
  /** Raised before then. */
  readonly until?: bigint
}

interface Place {
  readonly at: bigint
  readonly revision: bigint
}

const concernsQuery = (
  db: Kysely<ProjectionDatabase>,
  clinic: string,
  query: ConcernsQuery,
  { through, after, limit }: { readonly through: bigint; readonly after: Place | undefined; readonly limit: number },
) => {
  let rows = db
    .selectFrom('concerns as c')
    .selectAll('c')
    .select(microseconds('c.raised_at').as('raised_us'))
    .where('c.clinic', '=', clinic)
    .where('c.kind', '<>', 'answer')
    .where('c.revision', '<=', String(through))
  if (query.patient !== undefined) rows = rows.where('c.patient', '=', query.patient)
  if (query.aboutEntryId !== undefined) rows = rows.where('c.about_entry_id', '=', query.aboutEntryId)
  if (query.kinds.length > 0) rows = rows.where('c.kind', 'in', query.kinds)
  if (query.from !== undefined) rows = rows.where('c.raised_at', '>=', instant(query.from))
  if (query.until !== undefined) rows = rows.where('c.raised_at', '<', instant(query.until))
  if (query.openOnly) {
    rows = rows.where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('concerns as a')
            .select('a.revision')
            .whereRef('a.clinic', '=', 'c.clinic')
            .whereRef('a.concern_id', '=', 'c.entry_id')
            .where('a.kind', '=', 'answer')
            .where('a.outcome', '<>', 'pending')
            .where('a.revision', '<=', String(through)),
        ),
      ),
    )
  }
  if (after !== undefined)
    rows = rows.where(sql<SqlBool>`(c.raised_at, c.revision) < (${instant(after.at)}, ${String(after.revision)}::bigint)`)
  return rows.orderBy('c.raised_at', 'desc').orderBy('c.revision', 'desc').limit(limit)
}

const answersTo = (db: Kysely<ProjectionDatabase>, clinic: string, concernIds: readonly string[], through: bigint) =>
  db
    .selectFrom('concerns')
    .selectAll()
    .where('clinic', '=', clinic)
    .where('kind', '=', 'answer')
    .where('concern_id', 'in', concernIds)
    .where('revision', '<=', String(through))
    .orderBy('raised_at')
    .orderBy('revision')
    .execute()

type Stored = Awaited<ReturnType<typeof answersTo>>[number]

/** What a concern and an answer have in common. There is none without text: where none was sealed, the key had been destroyed already. */
const showOne = async (row: Stored, { clinic, vault, unseal }: ReportCall, names: Names) => ({
  entry: { id: row.entry_id, revision: BigInt(row.revision), time: row.entry_time.getTime(), leafHash: row.leaf_hash },
  text: textOf(row.sealed === null ? 'erased' : await openSealedPart(clinic, vault, row), 'text', unseal),
  recordedBy: names.subject(row.recorded_by_type, row.recorded_by),
})

const showAnswer = async (row: Stored, call: ReportCall, names: Names): Promise<ConcernAnswer> => ({
  ...(await showOne(row, call, names)),
  outcome: row.outcome ?? 'pending',
  answeredAt: row.raised_at.getTime(),
})

const show = async (row: Stored, answers: readonly Stored[], call: ReportCall, names: Names): Promise<ConcernRow> => ({
  ...(await showOne(row, call, names)),
  kind: row.kind as ConcernRow['kind'],
  patientId: names.patient(row.patient),
  aboutEntryId: row.about_entry_id ?? '',
  raisedAt: row.raised_at.getTime(),
  // A time to come puts nothing off: what was recorded had been raised by then.
  due: Math.min(row.raised_at.getTime(), row.entry_time.getTime()) + answerDays * dayMs,
  answers: await Promise.all(answers.map((answer) => showAnswer(answer, call, names))),
  open: answers.every(({ outcome }) => outcome === 'pending'),
})

/** A page. */
export const concerns = async (call: ReportCall, query: ConcernsQuery, range: PageRange): Promise<ReportPage<ConcernRow>> => {
  const { clinic, vault, reader, people, deadline } = call
  const { limit } = range
  const { rows, answers, found, completeTo, parked } = await reader.read(clinic, deadline, async (transaction) => {
    const { through, parked } = await extentOf(transaction, call, range)
    const after = range.after === undefined ? undefined : { at: numberIn(range.after, 'at'), revision: numberIn(range.after, 'revision') }
    const rows = await concernsQuery(transaction, clinic, query, { through, after, limit: limit + 1 }).execute()
    const ids = rows.slice(0, limit).map((row) => row.entry_id)
    const answers = ids.length === 0 ? [] : await answersTo(transaction, clinic, ids, through)
    const found = await people.find(
      transaction,
      clinic,
      [...rows, ...answers].flatMap((row) => [row.patient, row.recorded_by]),
    )
    return { rows, answers, found, completeTo: through, parked }
  })
  const page = cutPage(rows, limit, (last) => ({ at: last.raised_us, revision: last.revision }))
  const names = await people.open(clinic, vault, found)
  const answersOf = Map.groupBy(answers, ({ concern_id }) => concern_id)
  const shown = page.rows.map((row) => show(row, answersOf.get(row.entry_id) ?? [], call, names))
  return { rows: await Promise.all(shown), next: page.next, completeTo, parked, extra: undefined }
}
