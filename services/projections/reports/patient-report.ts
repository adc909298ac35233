/** Who opened one patient's record, in a form the patient may be handed: staff are told apart, and named only where that was asked for. */
import type { Kysely } from 'kysely'
import type { ClinicVault, Pseudonym } from '../../audit/vault.ts'
import type { ProjectionDatabase } from '../database.ts'
import type { AccessKind } from '../read-models/access-history.ts'
import type { NamedSubject } from '../reading.ts'
import { type AccessFilter, accessCursor, accessCursorOf, accessRowsQuery } from './access-history.ts'
import { cutPage, type EntryReference, extentOf, type PageRange, type ReportCall, type ReportPage } from './report-call.ts'
import { rolesHeld } from './roles-held.ts'

export interface PatientReportRow {
  readonly entry: EntryReference
  readonly kind: AccessKind
  /** Microseconds since the epoch. */
  readonly occurredAt: bigint
  readonly action: string
  readonly resourceType: string
  readonly purpose: string
  /** Held at the decision; for a performed access those of the decision it names, else those held when it happened. */
  readonly roles: readonly string[]
  readonly staffPseudonym: string
  /** Undefined unless names were asked for. */
  readonly subject: NamedSubject | undefined
  readonly emergency: boolean
  readonly flags: readonly string[]
  readonly reasonCode: string
}

export interface PatientReportQuery {
  readonly filter: AccessFilter & { readonly patient: Pseudonym }
  readonly staffNames: boolean
}

/** 96 bits: enough to tell the staff of a clinic apart, short enough to be read out. */
const pseudonymLength = 16

/**
 * The same for the same person throughout the reports about one patient, and another in those about any other patient: two patients who
 * compare their reports learn nothing. It is none of the ledger's own pseudonyms and leads to none without the clinic's key.
 */
export const staffPseudonym = (vault: ClinicVault, patient: Pseudonym, subject: string): string =>
  vault.pseudonym({ kind: 'report_staff', type: patient, id: subject }).slice(0, pseudonymLength)

/** Decisions about the patient by the ids of their entries: the index leads to one patient's permits, and to nobody else's. */
const decisionsNamed = async (
  db: Kysely<ProjectionDatabase>,
  clinic: string,
  patient: Pseudonym,
  through: bigint,
  ids: readonly string[],
) => {
  if (ids.length === 0) return new Map<string, { readonly subject: string; readonly roles: string[]; readonly emergency: boolean }>()
  const rows = await db
    .selectFrom('access_history')
    .select(['entry_id', 'subject', 'roles', 'emergency'])
    .where('clinic', '=', clinic)
    .where('patient', '=', patient)
    .where('kind', '=', 'authorised')
    .where('revision', '<=', String(through))
    .where('entry_id', 'in', ids)
    .execute()
  return new Map(rows.map((row) => [row.entry_id, row]))
}

export const patientReport = async (
  call: ReportCall,
  { filter, staffNames }: PatientReportQuery,
  range: PageRange,
): Promise<ReportPage<PatientReportRow>> => {
  const { clinic, vault, reader, people, deadline } = call
  const { page, decisions, held, found, completeTo, parked } = await reader.read(clinic, deadline, async (transaction) => {
    const { through, parked } = await extentOf(transaction, call, range)
    const after = range.after === undefined ? {} : { after: accessCursor(range.after) }
    const rows = await accessRowsQuery(transaction, clinic, filter, { ...after, through, limit: range.limit + 1 }).execute()
    const page = cutPage(rows, range.limit, accessCursorOf)
    const performed = page.rows.filter((row) => row.kind === 'performed')
    const ids = performed.flatMap((row) => (row.decision_entry_id === null ? [] : [row.decision_entry_id]))
    const decisions = await decisionsNamed(transaction, clinic, filter.patient, through, ids)
    const undecided = performed.filter((row) => decisions.get(row.decision_entry_id ?? '')?.subject !== row.subject)
    const held = await rolesHeld(transaction, clinic, through, undecided)
    const shown = staffNames ? page.rows.map((row) => row.subject) : []
    return { page, decisions, held, found: await people.find(transaction, clinic, shown), completeTo: through, parked }
  })
  const names = await people.open(clinic, vault, found)
  const rows = page.rows.map((row): PatientReportRow => {
    // A recorded access may name the decision about somebody else: then it says nothing of this person's roles.
    const named = decisions.get(row.decision_entry_id ?? '')
    const decision = named?.subject === row.subject ? named : undefined
    return {
      entry: { id: row.entry_id, revision: BigInt(row.revision), time: row.entry_time.getTime(), leafHash: row.leaf_hash },
      kind: row.kind,
      occurredAt: BigInt(row.occurred_us),
      action: row.action,
      resourceType: row.resource_type,
      purpose: row.purpose,
      roles: row.kind === 'performed' ? (decision?.roles ?? held.get(row.revision) ?? []) : row.roles,
      staffPseudonym: staffPseudonym(vault, filter.patient, row.subject),
      subject: staffNames ? names.subject(row.subject_type, row.subject) : undefined,
      emergency: row.emergency || decision?.emergency === true,
      flags: row.flags,
      reasonCode: row.reason_code,
    }
  })
  return { rows, next: page.next, completeTo, parked, extra: undefined }
}
