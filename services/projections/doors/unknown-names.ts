import { sql } from 'kysely'
import type { ProjectionTransaction } from '../database.ts'
import type { ReportCall } from '../reports/report-call.ts'
import type { RecordedQuery } from './report-definition.ts'
import { patientIdentity, softwareOf, subjectIdentity } from './report-requests.ts'

/** Somebody a query names, and whether the entries that the report is read from name them too. */
interface Named {
  readonly name: string
  isKnown(transaction: ProjectionTransaction): Promise<boolean>
}

const namedBy = ({ clinic, vault, projections }: ReportCall, { subject, patientId = '', caller }: RecordedQuery): readonly Named[] => {
  const introduced = async (transaction: ProjectionTransaction, pseudonym: string): Promise<boolean> =>
    (await transaction
      .selectFrom('identities')
      .select('pseudonym')
      .where('clinic', '=', clinic)
      .where('pseudonym', '=', pseudonym)
      .executeTakeFirst()) !== undefined
  const calledIn = async (transaction: ProjectionTransaction, table: 'activities' | 'access_history', name: string): Promise<boolean> => {
    const { rows } = await sql`select from ${sql.table(table)} where clinic = ${clinic} and caller = ${name} limit 1`.execute(transaction)
    return rows.length > 0
  }
  const named: Named[] = []
  if (subject !== undefined) {
    const software = softwareOf(subject)
    named.push({
      name: `${subject.type}:${subject.id}`,
      isKnown: async (transaction) =>
        (await introduced(transaction, vault.pseudonym(subjectIdentity(subject)))) ||
        // What software did for nobody names it as the caller only, and where that stands is not read for every report.
        (software !== undefined && (!projections.includes('activities') || (await calledIn(transaction, 'activities', software)))),
    })
  }
  if (patientId !== '') {
    const pseudonym = vault.pseudonym(patientIdentity(patientId))
    named.push({ name: `the patient ${patientId}`, isKnown: (transaction) => introduced(transaction, pseudonym) })
  }
  if (caller !== undefined) {
    named.push({
      name: `the software ${caller}`,
      isKnown: async (transaction) =>
        (await calledIn(transaction, 'activities', caller)) || (await calledIn(transaction, 'access_history', caller)),
    })
  }
  return named
}

/**
 * Whom the query names and no entry of the clinic does, a sentence each: most likely misspelt, where a report without a row says that nothing
 * happened. Readings of the audit log do not count: this one names them too.
 */
export const unknownNames = async (call: ReportCall, recorded: RecordedQuery): Promise<string[]> => {
  const named = namedBy(call, recorded)
  if (named.length === 0) return []
  return call.reader.read(call.clinic, call.deadline, async (transaction) => {
    const notes: string[] = []
    for (const { name, isKnown } of named) {
      if (!(await isKnown(transaction))) notes.push(`no entry of this clinic names ${name}; check the spelling`)
    }
    return notes
  })
}
