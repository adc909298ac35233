/** What patients dispute, ask to correct or complain of, and the answers: one row for each concern and each answer, written once. */
import { sql } from 'kysely'
import type { ConcernRecorded } from '../../access/events.ts'
import { recordset } from '../database.ts'
import { defineProjection, type ProjectedEvent, type ReadModelTable } from '../projection.ts'
import { oneOf, sealedPart, subject, text, time, uuid } from './content.ts'
import { type EntryColumns, entryColumnNames, entryColumnValues, entryRow, entryRowColumns, entryTableColumns } from './entry-columns.ts'

export type ConcernKind = ConcernRecorded['kind']
export type ConcernOutcome = NonNullable<ConcernRecorded['outcome']>

const kinds = ['dispute', 'correction', 'complaint', 'answer'] as const satisfies readonly ConcernKind[]
const outcomes = ['accepted', 'partly_accepted', 'denied', 'withdrawn', 'pending'] as const satisfies readonly ConcernOutcome[]

export interface ConcernsTable extends EntryColumns {
  readonly patient: string
  readonly recorded_by_type: string
  readonly recorded_by: string
  readonly kind: ConcernKind
  readonly about_entry_id: string | null
  /** Of an answer: the concern. */
  readonly concern_id: string | null
  /** Of an answer. */
  readonly outcome: ConcernOutcome | null
  readonly raised_at: Date
  readonly sealed: unknown
}

const toRow = (projected: ProjectedEvent<'chartwarden.concern.recorded.v1'>) => {
  const { data } = projected.event
  const recorder = subject(data.recorded_by)
  const kind = oneOf(kinds, data.kind)
  return {
    ...entryRow(projected),
    patient: text(data.patient),
    recorded_by_type: recorder.type,
    recorded_by: recorder.pseudonym,
    kind,
    about_entry_id: data.about_entry_id === undefined ? null : uuid(data.about_entry_id),
    concern_id: kind === 'answer' ? uuid(data.concern_id) : null,
    outcome: kind === 'answer' ? oneOf(outcomes, data.outcome) : null,
    raised_at: time(data.raised_at),
    sealed: sealedPart(data.sealed),
  }
}

const table: ReadModelTable = {
  name: 'concerns',
  columns: `${entryTableColumns},
    patient text collate "C" not null,
    recorded_by_type text not null,
    recorded_by text collate "C" not null,
    kind text collate "C" not null check (kind in ('dispute', 'correction', 'complaint', 'answer')),
    about_entry_id uuid,
    concern_id uuid,
    outcome text,
    raised_at timestamptz not null check (isfinite(raised_at)),
    sealed jsonb,
    primary key (clinic, revision),
    check ((kind = 'answer') = (concern_id is not null) and (kind = 'answer') = (outcome is not null))`,
  indexes: {
    concerns_by_time: "(clinic, raised_at, revision) where kind <> 'answer'",
    concerns_by_patient: "(clinic, patient, raised_at, revision) where kind <> 'answer'",
    concerns_by_entry: "(clinic, about_entry_id) where kind <> 'answer'",
    concerns_answers: "(clinic, concern_id, revision) where kind = 'answer'",
  },
  feed: 'select, insert',
  query: 'readable',
}

export const concerns = defineProjection({
  name: 'concerns',
  version: 1,
  types: ['chartwarden.concern.recorded.v1'],
  tables: [table],
  independent: true,
  apply: async (transaction, events) => {
    await sql`
      insert into concerns (${sql.raw(entryColumnNames)}, patient, recorded_by_type, recorded_by, kind, about_entry_id, concern_id,
        outcome, raised_at, sealed)
      select ${sql.raw(entryColumnValues)}, r.patient, r.recorded_by_type, r.recorded_by, r.kind, r.about_entry_id, r.concern_id,
        r.outcome, r.raised_at, r.sealed
      from ${recordset(
        events.map(toRow),
        `${entryRowColumns}, patient text, recorded_by_type text, recorded_by text, kind text, about_entry_id uuid, concern_id uuid,
         outcome text, raised_at timestamptz, sealed jsonb`,
      )}`.execute(transaction)
  },
})
