import type { Kysely, SqlBool } from 'kysely'
import { sql } from 'kysely'
import type { ProjectionDatabase } from '../database.ts'
import { type AccessFilter, accessesOf } from './access-history.ts'
import type { ReportCall } from './report-call.ts'
import { openSealedPart, resourceOf } from './sealed-parts.ts'

/** Sealed parts opened at a time. */
const portion = 2_000

/** How many different records. */
export interface RecordCounts {
  readonly total: number
  readonly byPatient: ReadonlyMap<string, number>
}

const portionQuery = (
  db: Kysely<ProjectionDatabase>,
  clinic: string,
  filter: AccessFilter,
  through: bigint,
  after: string,
  patients: readonly string[] | undefined,
) => {
  const query = accessesOf(db, clinic, filter, through)
    .select(['revision', 'entry_id', 'entry_type', 'subject', 'patient', 'resource_type', 'sealed'])
    .where(sql<SqlBool>`revision > ${after}::bigint`)
    .orderBy('revision')
    .limit(portion)
  return patients === undefined ? query : query.where('patient', 'in', patients)
}

/**
 * Opens the sealed part of each access that matches, of these patients or of all, and counts records as reports show them: by category and
 * identifier, those of an erased patient as one of each category. The caller sees to it that there are not too many.
 */
export const countRecords = async (
  call: ReportCall,
  filter: AccessFilter,
  through: bigint,
  patients?: readonly string[],
): Promise<RecordCounts> => {
  const { clinic, vault, reader, deadline } = call
  const all = new Set<string>()
  const byPatient = new Map<string, Set<string>>()
  let after = '-1'
  for (;;) {
    const rows = await reader.read(clinic, deadline, (transaction) =>
      portionQuery(transaction, clinic, filter, through, after, patients).execute(),
    )
    const records = await Promise.all(
      rows.map(async (row) => `${row.resource_type}\n${resourceOf(await openSealedPart(clinic, vault, row), row)}`),
    )
    rows.forEach(({ patient }, index) => {
      const record = records[index] as string
      all.add(record)
      if (patient === null) return
      const own = byPatient.get(patient) ?? new Set()
      byPatient.set(patient, own.add(record))
    })
    const last = rows[portion - 1]
    if (last === undefined) break
    after = last.revision
  }
  return { total: all.size, byPatient: new Map([...byPatient].map(([patient, own]) => [patient, own.size])) }
}
