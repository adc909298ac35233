import type { TypedId } from '../input/parsers.ts'

/** The people of the demo clinic. Identifiers are made up and name nobody. */

export const owner: TypedId = { type: 'staff', id: 'd-1' }
export const secondDentist: TypedId = { type: 'staff', id: 'd-2' }
/** Leaves at the end of the day. */
export const leaver: TypedId = { type: 'staff', id: 'd-3' }
export const hygienist: TypedId = { type: 'staff', id: 'h-1' }
export const receptionist: TypedId = { type: 'staff', id: 'r-1' }
export const secondReceptionist: TypedId = { type: 'staff', id: 'r-2' }
export const clinicAdmin: TypedId = { type: 'staff', id: 'a-1' }
export const complianceOfficer: TypedId = { type: 'staff', id: 'c-1' }
const lab: TypedId = { type: 'lab', id: 'north' }
export const labTechnician: TypedId = { type: 'lab', id: 't-1' }
/** Never enrolled: what a mistyped or foreign identifier looks like. */
export const stranger: TypedId = { type: 'staff', id: 'x-9' }

export interface Enrolment {
  readonly person: TypedId
  readonly roles: readonly string[]
  readonly reason: string
  readonly memberOf?: TypedId
  readonly ownPatientId?: string
}

/** Everyone but the owner, whom registration makes known. The first is enrolled by the owner and enrols the others. */
export const enrolments: readonly Enrolment[] = [
  { person: clinicAdmin, roles: ['clinic_admin'], reason: 'Practice manager' },
  { person: secondDentist, roles: ['dentist'], reason: 'Employed dentist' },
  { person: leaver, roles: ['dentist'], reason: 'Employed dentist, fixed term' },
  { person: hygienist, roles: ['hygienist'], reason: 'Dental hygienist' },
  { person: receptionist, roles: ['receptionist'], reason: 'Front desk' },
  { person: secondReceptionist, roles: ['receptionist'], reason: 'Front desk, afternoons', ownPatientId: 'p-1012' },
  { person: complianceOfficer, roles: ['compliance_officer'], reason: 'Compliance officer of the clinic' },
  { person: lab, roles: [], reason: '' },
  { person: labTechnician, roles: ['lab_technician'], reason: 'Technician of the lab', memberOf: lab },
]

/** Roles of the owner besides `administrator`: two at once, which add up. */
export const ownersRoles: readonly { readonly role: string; readonly reason: string }[] = [
  { role: 'dentist', reason: 'Owner, treats patients' },
  { role: 'clinic_admin', reason: 'Owner, runs the clinic' },
]

/** Who treats whom: the patients of each. */
export const careTeams: readonly { readonly member: TypedId; readonly patients: readonly string[] }[] = [
  { member: owner, patients: ['p-1001', 'p-1002', 'p-1003', 'p-1004'] },
  { member: secondDentist, patients: ['p-1005', 'p-1006', 'p-1007', 'p-1008'] },
  { member: leaver, patients: ['p-1009', 'p-1010', 'p-1011', 'p-1012'] },
  { member: hygienist, patients: ['p-1001', 'p-1002', 'p-1005', 'p-1006', 'p-1009'] },
]

/** A crown case: what the lab needs of one patient, for thirty days. */
export const labShare = {
  sharedBy: owner,
  recipient: lab,
  patientId: 'p-1003',
  resourceTypes: ['imaging', 'treatment_record', 'lab_report'],
  actions: ['read', 'create', 'update'],
  purpose: 'TREAT',
  days: 30,
} as const

/** Obligations that the demo's practice software carries out. */
export const supportedObligations: readonly string[] = [
  'addendum_only',
  'addressee_only',
  'annotate_only',
  'fields',
  'own_entries',
  'own_schedule',
  'purpose_stated',
  'recipient',
  'signed_only',
  'until_accepted',
  'until_sent',
]
