/** What was disclosed outside the clinic: one row for each disclosure, written once. */
import { sql } from 'kysely'
import type { DisclosureCategory } from '../../access/events.ts'
import { recordset } from '../database.ts'
import { defineProjection, type ProjectedEvent, type ReadModelTable } from '../projection.ts'
import { oneOf, optionalTime, sealedPart, subject, text, texts, time } from './content.ts'
import { type EntryColumns, entryColumnNames, entryColumnValues, entryRow, entryRowColumns, entryTableColumns } from './entry-columns.ts'

const disclosureCategories = [
  'accountable',
  'treatment_payment_operations',
  'to_individual',
  'incidental',
  'authorized',
  'directory',
  'national_security',
  'custodial',
  'limited_data_set',
] as const satisfies readonly DisclosureCategory[]

export interface DisclosuresTable extends EntryColumns {
  readonly patient: string
  readonly recorded_by_type: string
  readonly recorded_by: string
  readonly disclosed_at: Date
  readonly category: DisclosureCategory
  /** The same for repeats: patient, recipient and purpose. */
  readonly series: string
  readonly suspended_until: Date | null
  readonly flags: string[]
  readonly sealed: unknown
}

const toRow = (projected: ProjectedEvent<'chartwarden.disclosure.recorded.v1'>) => {
  const { data } = projected.event
  const recorder = subject(data.recorded_by)
  return {
    ...entryRow(projected),
    patient: text(data.patient),
    recorded_by_type: recorder.type,
    recorded_by: recorder.pseudonym,
    disclosed_at: time(data.disclosed_at),
    category: oneOf(disclosureCategories, data.category),
    series: text(data.series),
    suspended_until: optionalTime(data.suspended_until),
    flags: texts(data.flags),
    sealed: sealedPart(data.sealed),
  }
}

const table: ReadModelTable = {
  name: 'disclosures',
  columns: `${entryTableColumns},
    patient text collate "C" not null,
    recorded_by_type text not null,
    recorded_by text collate "C" not null,
    disclosed_at timestamptz not null check (isfinite(disclosed_at)),
    category text collate "C" not null,
    series text collate "C" not null,
    suspended_until timestamptz check (isfinite(suspended_until)),
    flags text[] not null,
    sealed jsonb,
    primary key (clinic, revision)`,
  indexes: {
    disclosures_by_time: '(clinic, disclosed_at, revision)',
    disclosures_by_patient: '(clinic, patient, disclosed_at, revision)',
    disclosures_by_series: '(clinic, series, disclosed_at, revision)',
  },
  feed: 'select, insert',
  query: 'readable',
}

export const disclosures = defineProjection({
  name: 'disclosures',
  version: 1,
  types: ['chartwarden.disclosure.recorded.v1'],
  tables: [table],
  independent: true,
  apply: async (transaction, events) => {
    await sql`
      insert into disclosures (${sql.raw(entryColumnNames)}, patient, recorded_by_type, recorded_by, disclosed_at, category, series,
        suspended_until, flags, sealed)
      select ${sql.raw(entryColumnValues)}, r.patient, r.recorded_by_type, r.recorded_by, r.disclosed_at, r.category, r.series,
        r.suspended_until, r.flags, r.sealed
      from ${recordset(
        events.map(toRow),
        `${entryRowColumns}, patient text, recorded_by_type text, recorded_by text, disclosed_at timestamptz, category text, series text,
         suspended_until timestamptz, flags text[], sealed jsonb`,
      )}`.execute(transaction)
  },
})
