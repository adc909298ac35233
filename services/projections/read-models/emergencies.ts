/**
 * Emergency accesses, what ended them and what became of their reviews: one row for each. The first entry that ends one counts, and the first
 * review; none lasts longer than its own `until`. Decisions fold emergencies by the same rules.
 */
import { sql } from 'kysely'
import { type ProjectionTransaction, recordset } from '../database.ts'
import { defineProjection, type ProjectedEvent, type ReadModelTable } from '../projection.ts'
import { oneOf, sealedPart, subject, text, time, uuid } from './content.ts'
import { type EntryColumns, entryColumnNames, entryColumnValues, entryRow, entryRowColumns, entryTableColumns } from './entry-columns.ts'

export interface EmergenciesTable extends EntryColumns {
  readonly subject_type: string
  readonly subject: string
  readonly patient: string
  readonly purpose: string
  /** Exclusive. */
  readonly valid_until: Date
  readonly review_due: Date
  readonly sealed: unknown
  /** The entry that says that it is over; null: none yet. */
  readonly closed_revision: string | null
  readonly closed_at: Date | null
  readonly closed_cause: 'closed' | 'expired' | 'offboarded' | null
  readonly reviewed_revision: string | null
  readonly reviewed_at: Date | null
  readonly reviewer_type: string | null
  readonly reviewer: string | null
  readonly outcome: 'justified' | 'not_justified' | 'unclear' | null
  readonly review_entry_id: string | null
  readonly review_entry_type: string | null
  readonly review_sealed: unknown
}

type Handled = ProjectedEvent<
  | 'chartwarden.emergency.opened.v1'
  | 'chartwarden.emergency.closed.v1'
  | 'chartwarden.emergency.reviewed.v1'
  | 'chartwarden.staff.offboarded.v1'
>

const openingRow = (projected: Handled) => {
  const { event } = projected
  if (event.type !== 'chartwarden.emergency.opened.v1') return undefined
  const { data } = event
  const who = subject(data.subject)
  return {
    ...entryRow(projected),
    subject_type: who.type,
    subject: who.pseudonym,
    patient: text(data.patient),
    purpose: text(data.purpose),
    valid_until: time(data.until),
    review_due: time(data.review_due),
    sealed: sealedPart(data.sealed),
  }
}

/** One emergency that is over, or every one of a person who left. */
const endRow = (projected: Handled) => {
  const { event } = projected
  const { clinic, revision, entry_time } = entryRow(projected)
  const end = { clinic, revision, time: entry_time, emergency_id: null, subject: null }
  switch (event.type) {
    case 'chartwarden.emergency.closed.v1':
      return { ...end, emergency_id: uuid(event.data.emergency_id), cause: oneOf(['closed', 'expired'], event.data.cause) }
    case 'chartwarden.staff.offboarded.v1':
      return { ...end, subject: subject(event.data.subject).pseudonym, cause: 'offboarded' }
    default:
      return undefined
  }
}

const reviewRow = (projected: Handled) => {
  const { event } = projected
  if (event.type !== 'chartwarden.emergency.reviewed.v1') return undefined
  const { clinic, revision, entry_time, entry_id, entry_type } = entryRow(projected)
  const by = event.data.actor.subject === undefined ? undefined : subject(event.data.actor.subject)
  return {
    clinic,
    revision,
    time: entry_time,
    emergency_id: uuid(event.data.emergency_id),
    reviewer_type: by?.type ?? null,
    reviewer: by?.pseudonym ?? null,
    outcome: oneOf(['justified', 'not_justified', 'unclear'], event.data.outcome),
    entry_id,
    entry_type,
    sealed: sealedPart(event.data.sealed),
  }
}

/** One opened by somebody who has left and not come back is over at once, and reviewed all the same. */
const insertOpenings = (transaction: ProjectionTransaction, rows: readonly object[]) =>
  sql`
  insert into emergencies (${sql.raw(entryColumnNames)}, subject_type, subject, patient, purpose, valid_until, review_due, sealed,
    closed_revision, closed_at, closed_cause)
  select ${sql.raw(entryColumnValues)}, r.subject_type, r.subject, r.patient, r.purpose, r.valid_until, r.review_due, r.sealed,
    case when o.revision is not null then r.revision end,
    case when o.revision is not null then least(r.valid_until, r.entry_time) end,
    case when o.revision is not null then 'offboarded' end
  from ${recordset(
    rows,
    `${entryRowColumns}, subject_type text, subject text, patient text, purpose text, valid_until timestamptz, review_due timestamptz,
     sealed jsonb`,
  )}
  left join lateral (
    select o.revision from offboardings o
    where o.clinic = r.clinic and o.subject = r.subject and o.revision < r.revision
      and (o.reinstated_revision is null or r.revision < o.reinstated_revision)
    limit 1
  ) o on true`.execute(transaction)

/** What had ended by itself before somebody left was not ended by that, even where no entry had said so yet. */
const closeEnded = (transaction: ProjectionTransaction, rows: readonly object[]) =>
  sql`
  with ends as (
    select * from ${recordset(rows, 'clinic text, revision bigint, time timestamptz, emergency_id uuid, subject text, cause text')}
  ),
  ended as (
    select m.clinic, m.revision as opened, m.valid_until, e.revision, e.time, e.cause
    from ends e join emergencies m on m.clinic = e.clinic and m.entry_id = e.emergency_id
    where m.revision < e.revision and m.closed_revision is null
    union all
    select m.clinic, m.revision as opened, m.valid_until, e.revision, e.time, e.cause
    from ends e join emergencies m on m.clinic = e.clinic and m.subject = e.subject
    where m.revision < e.revision and m.closed_revision is null
  )
  update emergencies m
  set closed_revision = e.revision, closed_at = least(e.valid_until, e.time),
    closed_cause = case when e.time >= e.valid_until then 'expired' else e.cause end
  from (select distinct on (clinic, opened) * from ended order by clinic, opened, revision) e
  where m.clinic = e.clinic and m.revision = e.opened`.execute(transaction)

const addReviews = (transaction: ProjectionTransaction, rows: readonly object[]) =>
  sql`
  update emergencies m
  set reviewed_revision = e.revision, reviewed_at = e.time, reviewer_type = e.reviewer_type, reviewer = e.reviewer, outcome = e.outcome,
    review_entry_id = e.entry_id, review_entry_type = e.entry_type, review_sealed = e.sealed
  from (
    select distinct on (r.clinic, r.emergency_id) r.*
    from ${recordset(
      rows,
      `clinic text, revision bigint, time timestamptz, emergency_id uuid, reviewer_type text, reviewer text, outcome text, entry_id uuid,
       entry_type text, sealed jsonb`,
    )}
    order by r.clinic, r.emergency_id, r.revision
  ) e
  where m.clinic = e.clinic and m.entry_id = e.emergency_id and m.revision < e.revision and m.reviewed_revision is null`.execute(
    transaction,
  )

const table: ReadModelTable = {
  name: 'emergencies',
  columns: `${entryTableColumns},
    subject_type text not null,
    subject text collate "C" not null,
    patient text collate "C" not null,
    purpose text not null,
    valid_until timestamptz not null check (isfinite(valid_until)),
    review_due timestamptz not null check (isfinite(review_due)),
    sealed jsonb,
    closed_revision bigint,
    closed_at timestamptz,
    closed_cause text,
    reviewed_revision bigint,
    reviewed_at timestamptz,
    reviewer_type text,
    reviewer text,
    outcome text,
    review_entry_id uuid,
    review_entry_type text,
    review_sealed jsonb,
    primary key (clinic, revision)`,
  indexes: {
    emergencies_by_id: '(clinic, entry_id)',
    emergencies_by_subject: '(clinic, subject, revision)',
    emergencies_by_patient: '(clinic, patient, revision)',
  },
  feed: 'select, insert, update',
  query: 'readable',
}

/** Openings first, then their ends, then the reviews: each joins by revision, so that a batch may hold all three of one emergency. */
export const emergencies = defineProjection({
  name: 'emergencies',
  version: 1,
  types: [
    'chartwarden.emergency.opened.v1',
    'chartwarden.emergency.closed.v1',
    'chartwarden.emergency.reviewed.v1',
    'chartwarden.staff.offboarded.v1',
  ],
  tables: [table],
  reads: ['offboardings'],
  apply: async (transaction, events) => {
    const opened = events.map(openingRow).filter((row) => row !== undefined)
    const ended = events.map(endRow).filter((row) => row !== undefined)
    const reviewed = events.map(reviewRow).filter((row) => row !== undefined)
    if (opened.length > 0) await insertOpenings(transaction, opened)
    if (ended.length > 0) await closeEnded(transaction, ended)
    if (reviewed.length > 0) await addReviews(transaction, reviewed)
  },
})
