import type { TypedId } from '../input/parsers.ts'
import {
  clinicAdmin,
  complianceOfficer,
  hygienist,
  labTechnician,
  leaver,
  owner,
  receptionist,
  secondDentist,
  secondReceptionist,
  stranger,
} from './people.ts'
import { asks, type Question, type Scene } from './question.ts'

/** The day of the demo clinic: what is asked, in order, and what the roles answer. */

interface Visit {
  readonly patientId: string
  readonly dentist: TypedId
  readonly desk: TypedId
  /** Images are taken and read. */
  readonly imaging?: true
}

const visits: readonly Visit[] = [
  { patientId: 'p-1001', dentist: owner, desk: receptionist, imaging: true },
  { patientId: 'p-1003', dentist: owner, desk: receptionist, imaging: true },
  { patientId: 'p-1005', dentist: secondDentist, desk: receptionist, imaging: true },
  { patientId: 'p-1006', dentist: secondDentist, desk: receptionist },
  { patientId: 'p-1009', dentist: leaver, desk: secondReceptionist },
  { patientId: 'p-1010', dentist: leaver, desk: secondReceptionist, imaging: true },
  { patientId: 'p-1004', dentist: owner, desk: secondReceptionist },
  { patientId: 'p-1007', dentist: secondDentist, desk: secondReceptionist, imaging: true },
]

const number = (patientId: string): string => patientId.slice(2)

const visit = ({ patientId, dentist, desk, imaging }: Visit): Scene => {
  const n = number(patientId)
  const images: readonly Question[] = imaging
    ? [
        asks(dentist, 'create', `imaging:img-${n}-2`, 'TREAT', { patientId, performed: true }),
        asks(dentist, 'read', `imaging:img-${n}-2`, 'TREAT', { patientId, performed: true }),
      ]
    : []
  return {
    name: `visit-${n}`,
    title: `Visit of ${patientId}`,
    questions: [
      asks(desk, 'read', `appointment:apt-${n}`, 'PATADMIN', { patientId }),
      asks(desk, 'read', `personal_details:pd-${n}`, 'PATADMIN', { patientId, performed: true }),
      asks(desk, 'read', `medical_history:mh-${n}`, 'PATADMIN', { patientId, reason: 'Allergies before booking' }),
      asks(dentist, 'read', `medical_history:mh-${n}`, 'TREAT', { patientId, performed: true }),
      asks(dentist, 'read', `treatment_record:tr-${n}`, 'TREAT', { patientId, performed: true }),
      ...images,
      asks(dentist, 'create', `clinical_note:cn-${n}-1`, 'TREAT', { patientId, performed: true }),
      asks(dentist, 'update', `treatment_record:tr-${n}`, 'TREAT', { patientId }),
      asks(desk, 'create', `invoice:inv-${n}`, 'HPAYMT', { patientId }),
      asks(desk, 'share', `invoice:inv-${n}`, 'HPAYMT', { patientId }),
    ],
  }
}

const cleaning = (patientId: string): Scene => {
  const n = number(patientId)
  return {
    name: `cleaning-${n}`,
    title: `Cleaning of ${patientId}`,
    questions: [
      asks(hygienist, 'read', `medical_history:mh-${n}`, 'TREAT', { patientId, performed: true }),
      asks(hygienist, 'read', `imaging:img-${n}-1`, 'TREAT', { patientId, performed: true }),
      asks(hygienist, 'create', `clinical_note:cn-${n}-2`, 'TREAT', { patientId }),
      asks(hygienist, 'update', `clinical_note:cn-${n}-2`, 'TREAT', { patientId, reason: 'Addendum: bleeding index' }),
      asks(hygienist, 'read', `invoice:inv-${n}`, 'TREAT', { patientId, expect: 'no_grant' }),
    ],
  }
}

const screens: readonly Scene[] = [
  {
    name: 'screen-desk',
    title: 'The front desk opens its screen: only asked, nothing opened',
    questions: [
      asks(receptionist, 'create', 'appointment:new', 'PATADMIN', { probe: true }),
      asks(receptionist, 'delete', 'appointment:apt-1002', 'PATADMIN', { patientId: 'p-1002', probe: true }),
      asks(receptionist, 'read', 'clinical_note:cn-1002-1', 'PATADMIN', { patientId: 'p-1002', probe: true, expect: 'no_grant' }),
      asks(receptionist, 'read', 'imaging:img-1002-1', 'PATADMIN', { patientId: 'p-1002', probe: true, expect: 'no_grant' }),
      asks(receptionist, 'read', 'revenue_report:month', 'PATADMIN', { probe: true, expect: 'no_grant' }),
      asks(receptionist, 'create', 'invoice:new', 'HPAYMT', { probe: true }),
    ],
  },
  {
    name: 'screen-dentist',
    title: 'A dentist opens a chart: only asked, nothing opened',
    questions: [
      asks(secondDentist, 'read', 'imaging:img-1008-1', 'TREAT', { patientId: 'p-1008', probe: true }),
      asks(secondDentist, 'update', 'imaging:img-1008-1', 'TREAT', { patientId: 'p-1008', probe: true }),
      asks(secondDentist, 'read', 'imaging:img-1002-1', 'TREAT', { patientId: 'p-1002', probe: true, expect: 'not_own_patient' }),
      asks(secondDentist, 'share', 'referral:ref-1008', 'COC', { patientId: 'p-1008', probe: true }),
      asks(secondDentist, 'create', 'invoice:new', 'TREAT', { patientId: 'p-1008', probe: true, expect: 'no_grant' }),
    ],
  },
]

const labCase: Scene = {
  name: 'lab-case',
  title: 'The lab works on the case shared with it, and reaches for more',
  questions: [
    asks(labTechnician, 'read', 'imaging:img-1003-1', 'TREAT', { patientId: 'p-1003', performed: true }),
    asks(labTechnician, 'read', 'treatment_record:tr-1003', 'TREAT', { patientId: 'p-1003', performed: true }),
    asks(labTechnician, 'create', 'lab_report:lr-1003', 'TREAT', { patientId: 'p-1003', performed: true }),
    asks(labTechnician, 'update', 'lab_report:lr-1003', 'TREAT', { patientId: 'p-1003' }),
    asks(labTechnician, 'read', 'imaging:img-1004-1', 'TREAT', { patientId: 'p-1004', expect: 'not_shared' }),
    asks(labTechnician, 'read', 'personal_details:pd-1003', 'TREAT', { patientId: 'p-1003', expect: 'not_shared' }),
    asks(labTechnician, 'read', 'medical_history:mh-1003', 'TREAT', { patientId: 'p-1003', expect: 'no_grant' }),
    asks(labTechnician, 'read', 'invoice:inv-1003', 'HPAYMT', { patientId: 'p-1003', expect: 'no_grant' }),
    asks(labTechnician, 'read', 'imaging:img-1003-1', 'HRESCH', { patientId: 'p-1003', expect: 'purpose_not_allowed' }),
    asks(owner, 'read', 'lab_report:lr-1003', 'TREAT', { patientId: 'p-1003', performed: true }),
  ],
}

const office: Scene = {
  name: 'office',
  title: 'The office: a complaint, an export, the figures of the month',
  questions: [
    asks(clinicAdmin, 'read', 'clinical_note:cn-1002-1', 'PATRQT', {
      patientId: 'p-1002',
      reason: 'Complaint of the patient',
      performed: true,
    }),
    asks(clinicAdmin, 'read', 'imaging:img-1002-1', 'PATRQT', {
      patientId: 'p-1002',
      reason: 'Complaint of the patient',
      supportsNothing: true,
      expect: 'obligation_unsupported',
    }),
    asks(clinicAdmin, 'create', 'patient_export:exp-1002', 'PATRQT', { patientId: 'p-1002', reason: 'The patient asks for a copy' }),
    asks(clinicAdmin, 'export', 'patient_export:exp-1002', 'PATRQT', {
      patientId: 'p-1002',
      reason: 'The patient asks for a copy',
      performed: true,
    }),
    asks(clinicAdmin, 'read', 'revenue_report:month', 'HOPERAT'),
    asks(owner, 'export', 'revenue_report:month', 'HOPERAT'),
    asks(clinicAdmin, 'create', 'clinical_note:cn-1002-9', 'PATADMIN', { patientId: 'p-1002', expect: 'no_grant' }),
    asks(clinicAdmin, 'update', 'clinic_settings:opening-hours', 'HOPERAT'),
    asks(complianceOfficer, 'read', 'clinic_settings:opening-hours', 'HCOMPL'),
    asks(complianceOfficer, 'read', 'patient_export:exp-1002', 'HCOMPL', { patientId: 'p-1002' }),
    asks(complianceOfficer, 'read', 'treatment_record:tr-1002', 'HCOMPL', { patientId: 'p-1002', expect: 'no_grant' }),
  ],
}

const refusals: Scene = {
  name: 'refusals',
  title: 'What was refused during the day, and why',
  questions: [
    asks(receptionist, 'read', 'clinical_note:cn-1001-1', 'PATADMIN', {
      patientId: 'p-1001',
      reason: 'Patient on the phone',
      expect: 'no_grant',
    }),
    asks(receptionist, 'read', 'imaging:img-1001-1', 'PATADMIN', { patientId: 'p-1001', expect: 'no_grant' }),
    asks(receptionist, 'read', 'medical_history:mh-1001', 'TREAT', { patientId: 'p-1001', expect: 'purpose_not_allowed' }),
    asks(receptionist, 'export', 'personal_details:pd-1001', 'PATADMIN', { patientId: 'p-1001', expect: 'no_grant' }),
    asks(receptionist, 'read', 'treatment_record:tr-1001', 'PATADMIN', {
      patientId: 'p-1001',
      supportsNothing: true,
      expect: 'obligation_unsupported',
    }),
    asks(secondDentist, 'read', 'imaging:img-1001-1', 'TREAT', { patientId: 'p-1001', expect: 'not_own_patient' }),
    asks(secondDentist, 'read', 'treatment_record:tr-1001', 'HMARKT', { patientId: 'p-1001', expect: 'purpose_not_allowed' }),
    asks(hygienist, 'create', 'imaging:img-1007-9', 'TREAT', { patientId: 'p-1007', expect: 'not_own_patient' }),
    asks(hygienist, 'share', 'treatment_record:tr-1005', 'COC', { patientId: 'p-1005', expect: 'no_grant' }),
    asks(secondReceptionist, 'read', 'treatment_record:tr-1012', 'TREAT', {
      patientId: 'p-1012',
      reason: 'My own chart',
      expect: 'own_record',
    }),
    asks(stranger, 'read', 'treatment_record:tr-1001', 'TREAT', { patientId: 'p-1001', expect: 'unknown_subject' }),
    asks(owner, 'read', 'payroll:november', 'HOPERAT', { expect: 'unknown_resource_type' }),
    asks(owner, 'photograph', 'treatment_record:tr-1001', 'TREAT', { patientId: 'p-1001', expect: 'unknown_action' }),
    asks(owner, 'delete', 'treatment_record:tr-1001', 'TREAT', { patientId: 'p-1001', expect: 'no_grant' }),
  ],
}

/** The leaver looks at charts of patients whom others treat: permitted, since colleagues stand in for each other, and on record. */
const lastAfternoon: Scene = {
  name: 'last-afternoon',
  title: 'The last afternoon of the dentist who leaves',
  questions: [
    ...['p-1001', 'p-1002', 'p-1005', 'p-1007', 'p-1008'].map((patientId) =>
      asks(leaver, 'read', `treatment_record:tr-${number(patientId)}`, 'TREAT', { patientId }),
    ),
    asks(leaver, 'read', 'imaging:img-1001-1', 'TREAT', { patientId: 'p-1001', expect: 'not_own_patient' }),
    asks(leaver, 'read', 'imaging:img-1008-1', 'TREAT', { patientId: 'p-1008', expect: 'not_own_patient' }),
    asks(leaver, 'export', 'treatment_record:tr-1009', 'TREAT', { patientId: 'p-1009', expect: 'no_grant' }),
    asks(leaver, 'create', 'referral:ref-1011', 'COC', { patientId: 'p-1011', reason: 'Handing over to a colleague' }),
  ],
}

/** Before the offboarding. */
export const day: readonly Scene[] = [
  ...screens,
  ...visits.slice(0, 4).map(visit),
  ...['p-1001', 'p-1005', 'p-1009'].map(cleaning),
  labCase,
  office,
  ...visits.slice(4).map(visit),
  refusals,
  lastAfternoon,
]

/** After it: every one of them denied. The probe is not counted as an attempt. */
export const afterExit: Scene = {
  name: 'after-exit',
  title: 'The leaver tries again',
  questions: [
    asks(leaver, 'read', 'imaging:img-1010-2', 'TREAT', { patientId: 'p-1010', expect: 'offboarded' }),
    asks(leaver, 'read', 'treatment_record:tr-1009', 'TREAT', { patientId: 'p-1009', expect: 'offboarded' }),
    asks(leaver, 'read', 'appointment:tomorrow', 'TREAT', { expect: 'offboarded', probe: true }),
    asks(leaver, 'export', 'treatment_record:tr-1010', 'TREAT', { patientId: 'p-1010', expect: 'offboarded' }),
  ],
}

/** An access that took place while the network was down, reported afterwards. */
export const afterTheFact = {
  who: secondDentist,
  action: 'read',
  type: 'treatment_record',
  id: 'tr-1006',
  patientId: 'p-1006',
  purpose: 'TREAT',
  reason: 'Network outage, read from the emergency print-out',
  hoursEarlier: 3,
  source: 'paper',
} as const
