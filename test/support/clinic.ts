/** A registered clinic with roles, ready to be asked. */
import { randomUUID } from 'node:crypto'
import { AccessService, Intent } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import {
  ClinicService,
  Effect,
  PolicyService,
  RelationshipService,
  StaffService,
} from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ConsentService } from '../../proto/gen/chartwarden/access/v1/consent_pb.js'
import { DirectoryService } from '../../proto/gen/chartwarden/access/v1/directory_pb.js'
import { EmergencyService } from '../../proto/gen/chartwarden/access/v1/emergency_pb.js'
import { AuditService } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { ReportService } from '../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { TestService } from './service.ts'

export const staff = (id: string) => ({ type: 'staff', id })

/** Clients of one caller for every service. */
export const clientsOf = (service: Pick<TestService, 'client'>, token: string) => ({
  access: service.client(AccessService, token),
  audit: service.client(AuditService, token),
  clinics: service.client(ClinicService, token),
  consents: service.client(ConsentService, token),
  directory: service.client(DirectoryService, token),
  emergencies: service.client(EmergencyService, token),
  people: service.client(StaffService, token),
  policy: service.client(PolicyService, token),
  relationships: service.client(RelationshipService, token),
  reports: service.client(ReportService, token),
})

export type Clients = ReturnType<typeof clientsOf>

/** Registers a clinic whose dentists may read treatment records and, of their own patients, images. */
export const registerTestClinic = async ({ clinics, policy }: Clients, clinic: string): Promise<void> => {
  await clinics.registerClinic({
    requestId: randomUUID(),
    clinic,
    title: 'Test clinic',
    timeZone: 'Europe/Berlin',
    administrator: staff('boss'),
  })
  await policy.putRole({
    requestId: randomUUID(),
    clinic,
    role: {
      role: 'dentist',
      title: 'Dentist',
      permissions: [
        { resourceType: 'treatment_record', actions: ['read'], effect: Effect.PERMIT, purposes: ['TREAT'] },
        { resourceType: 'imaging', actions: ['read'], effect: Effect.LIMITED, bounds: [{ kind: 'own_patients' }], purposes: ['TREAT'] },
        { resourceType: 'medical_history', actions: ['read'], effect: Effect.LIMITED, bounds: [{ kind: 'fields', codes: ['alerts'] }] },
      ],
    },
  })
}

/** Enrols a person and grants one role. */
export const hire = async ({ people }: Clients, clinic: string, id: string, role = 'dentist'): Promise<string> => {
  await people.enrolStaff({ requestId: randomUUID(), clinic, subject: staff(id) })
  return (await people.grantRole({ requestId: randomUUID(), clinic, subject: staff(id), role })).grantId
}

/** May this person read the treatment record of a patient? */
export const readRecord = (
  clinic: string,
  id: string,
  over: { readonly requestId?: string; readonly patient?: string; readonly probe?: boolean } = {},
) => ({
  requestId: over.requestId ?? randomUUID(),
  clinic,
  subject: staff(id),
  action: { name: 'read' },
  resource: { type: 'treatment_record', id: 'record-1', patientId: over.patient ?? 'patient-1' },
  purpose: 'TREAT',
  intent: over.probe === true ? Intent.PROBE : Intent.ACCESS,
})
