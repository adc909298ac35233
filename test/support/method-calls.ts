/** One well-formed call of each method of the contract, and what a clinic needs for them to succeed. */
import { randomUUID } from 'node:crypto'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ConsentDecision } from '../../proto/gen/chartwarden/access/v1/consent_pb.js'
import { ReviewOutcome } from '../../proto/gen/chartwarden/access/v1/emergency_pb.js'
import { SummaryDimension } from '../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { ConcernKind, DisclosureCategory } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { emptyRoot } from '../../services/audit/log/tree-hash.ts'
import type { MethodName } from '../../services/kernel/scopes.ts'
import { type Clients, hire, readRecord, registerTestClinic, staff } from './clinic.ts'

const soon = { seconds: BigInt(Math.floor(Date.now() / 1000) + 3_600), nanos: 0 }
export type Person = { readonly type: string; readonly id: string } | undefined

const drain = async (messages: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of messages);
}
/** What a stream that goes on sends first. */
const firstOf = async (messages: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of messages) return
}
const once = async function* <Message>(message: Message) {
  yield message
}

/** What some of the calls end. */
export interface Standing {
  readonly shareId: string
  readonly consentId: string
  readonly openEmergency: string
  readonly endedEmergency: string
}

/** One well-formed call of each method, for a person where the method can name one. */
export const methodCalls = (
  clients: Clients,
  clinic: string,
  person: Person,
  standing: Standing,
): Readonly<Record<MethodName, () => Promise<unknown>>> => {
  const { shareId, consentId, openEmergency, endedEmergency } = standing
  const named = () => (person === undefined ? {} : { onBehalfOf: person })
  const common = () => ({ requestId: randomUUID(), clinic, ...named() })
  const newcomer = () => staff(`newcomer-${randomUUID()}`)
  const access = {
    subject: staff('anna'),
    action: { name: 'read' },
    resource: { type: 'imaging', id: 'i', patientId: 'p' },
    purpose: 'TREAT',
  }
  return {
    'chartwarden.access.v1.AccessService/Check': () => clients.access.check(readRecord(clinic, 'anna')),
    'chartwarden.access.v1.AccessService/CheckBatch': () => clients.access.checkBatch({ clinic, checks: [readRecord(clinic, 'anna')] }),
    'chartwarden.access.v1.AccessService/CheckStream': () =>
      drain(clients.access.checkStream(once({ seq: 1n, check: readRecord(clinic, 'anna') }))),
    'chartwarden.access.v1.AccessService/Explain': () => clients.access.explain({ clinic, ...named(), check: readRecord(clinic, 'anna') }),
    'chartwarden.access.v1.AccessService/WhoCan': () =>
      clients.access.whoCan({ clinic, ...named(), action: access.action, resource: access.resource, purpose: 'TREAT' }),
    'chartwarden.access.v1.AccessService/WhatCan': () =>
      clients.access.whatCan({ clinic, ...named(), subject: access.subject, purpose: 'TREAT' }),
    'chartwarden.access.v1.ClinicService/RegisterClinic': () =>
      clients.clinics.registerClinic({
        requestId: randomUUID(),
        clinic: `c-${randomUUID().slice(0, 8)}`,
        title: 'C',
        timeZone: 'UTC',
        administrator: staff('x'),
      }),
    'chartwarden.access.v1.ClinicService/ListClinics': () => clients.clinics.listClinics({}),
    'chartwarden.access.v1.StaffService/EnrolStaff': () => clients.people.enrolStaff({ ...common(), subject: newcomer() }),
    'chartwarden.access.v1.StaffService/UpdateStaff': () => clients.people.updateStaff({ ...common(), subject: staff('ben') }),
    'chartwarden.access.v1.StaffService/GrantRole': () => clients.people.grantRole({ ...common(), subject: staff('ben'), role: 'dentist' }),
    'chartwarden.access.v1.StaffService/RevokeRole': () =>
      clients.people.revokeRole({ ...common(), subject: staff('ben'), role: 'dentist' }),
    'chartwarden.access.v1.StaffService/Offboard': () => clients.people.offboard({ ...common(), subject: newcomer() }),
    'chartwarden.access.v1.StaffService/Reinstate': () => clients.people.reinstate({ ...common(), subject: staff('carl') }),
    'chartwarden.access.v1.StaffService/GetStaff': () => clients.people.getStaff({ ...common(), subject: staff('ben') }),
    'chartwarden.access.v1.StaffService/ListStaff': () => clients.people.listStaff(common()),
    'chartwarden.access.v1.PolicyService/PutRole': () =>
      clients.policy.putRole({
        ...common(),
        role: { role: 'reader', title: 'Reader', permissions: [{ resourceType: 'x', actions: ['read'], effect: Effect.PERMIT }] },
      }),
    'chartwarden.access.v1.PolicyService/RetireRole': () => clients.policy.retireRole({ ...common(), role: 'spare' }),
    'chartwarden.access.v1.PolicyService/ListRoles': () => clients.policy.listRoles(common()),
    'chartwarden.access.v1.PolicyService/PutSettings': () => clients.policy.putSettings({ ...common(), settings: {} }),
    'chartwarden.access.v1.PolicyService/GetSettings': () => clients.policy.getSettings(common()),
    'chartwarden.access.v1.PolicyService/Simulate': () =>
      clients.policy.simulate({
        clinic,
        ...named(),
        proposed: { retireRoles: ['spare'] },
        questions: { case: 'check', value: readRecord(clinic, 'anna') },
      }),
    'chartwarden.access.v1.RelationshipService/PutCareTeam': () =>
      clients.relationships.putCareTeam({ ...common(), patientId: 'p', subject: staff('ben') }),
    'chartwarden.access.v1.RelationshipService/RemoveCareTeam': () =>
      clients.relationships.removeCareTeam({ ...common(), patientId: 'p', subject: staff('ben') }),
    'chartwarden.access.v1.RelationshipService/ShareRecord': () =>
      clients.relationships.shareRecord({
        ...common(),
        recipient: { type: 'lab', id: 'l' },
        patientId: 'p',
        resourceTypes: ['imaging'],
        actions: ['read'],
        purpose: 'TREAT',
        until: soon,
      }),
    'chartwarden.access.v1.RelationshipService/EndShare': () => clients.relationships.endShare({ ...common(), shareId }),
    'chartwarden.access.v1.DirectoryService/PutSubject': () => clients.directory.putSubject({ ...common(), subject: staff('ben') }),
    'chartwarden.access.v1.DirectoryService/RemoveSubject': () => clients.directory.removeSubject({ ...common(), subject: staff('ben') }),
    'chartwarden.access.v1.DirectoryService/GetSubject': () => clients.directory.getSubject({ ...common(), subject: staff('ben') }),
    'chartwarden.access.v1.DirectoryService/PutResource': () =>
      clients.directory.putResource({ ...common(), description: { resource: { type: 'imaging', id: 'i' } } }),
    'chartwarden.access.v1.DirectoryService/RemoveResource': () =>
      clients.directory.removeResource({ ...common(), resourceType: 'imaging', resourceId: 'i' }),
    'chartwarden.access.v1.DirectoryService/GetResource': () =>
      clients.directory.getResource({ ...common(), resourceType: 'imaging', resourceId: 'i' }),
    'chartwarden.access.v1.ConsentService/RecordConsent': () =>
      clients.consents.recordConsent({ ...common(), consent: { patientId: 'q', decision: ConsentDecision.DENY } }),
    'chartwarden.access.v1.ConsentService/WithdrawConsent': () => clients.consents.withdrawConsent({ ...common(), consentId }),
    'chartwarden.access.v1.ConsentService/ListConsents': () => clients.consents.listConsents({ ...common(), patientId: 'q' }),
    'chartwarden.access.v1.EmergencyService/Open': () =>
      clients.emergencies.open({ ...common(), subject: person ?? staff('opener'), patientId: 'p', reason: 'bleeding heavily' }),
    'chartwarden.access.v1.EmergencyService/Close': () => clients.emergencies.close({ ...common(), emergencyId: openEmergency }),
    'chartwarden.access.v1.EmergencyService/Review': () =>
      clients.emergencies.review({ ...common(), emergencyId: endedEmergency, outcome: ReviewOutcome.JUSTIFIED }),
    'chartwarden.access.v1.EmergencyService/ListUnreviewed': () => clients.emergencies.listUnreviewed(common()),
    'chartwarden.audit.v1.AuditService/RecordAccess': () => clients.audit.recordAccess({ requestId: randomUUID(), clinic, ...access }),
    'chartwarden.audit.v1.AuditService/RecordAccessBatch': () => clients.audit.recordAccessBatch({ clinic, accesses: [access] }),
    'chartwarden.audit.v1.AuditService/RecordDisclosure': () =>
      clients.audit.recordDisclosure({
        requestId: randomUUID(),
        clinic,
        recordedBy: staff('ben'),
        patientId: 'p',
        recipientName: 'Health office',
        description: 'A notifiable disease',
        purpose: 'Required by law',
        category: DisclosureCategory.ACCOUNTABLE,
      }),
    'chartwarden.audit.v1.AuditService/RecordConcern': () =>
      clients.audit.recordConcern({
        requestId: randomUUID(),
        clinic,
        recordedBy: staff('ben'),
        patientId: 'p',
        kind: ConcernKind.COMPLAINT,
        text: 'Was not told who looked',
      }),
    'chartwarden.audit.v1.AuditService/GetEntry': () => clients.audit.getEntry({ ...common(), key: { case: 'revision', value: 0n } }),
    'chartwarden.audit.v1.AuditService/ReadEntries': () => drain(clients.audit.readEntries({ ...common(), untilRevision: 1n })),
    'chartwarden.audit.v1.AuditService/GetCheckpoint': () => clients.audit.getCheckpoint({ clinic }),
    'chartwarden.audit.v1.AuditService/ProveInclusion': () =>
      clients.audit.proveInclusion({ clinic, key: { case: 'revision', value: 0n } }),
    'chartwarden.audit.v1.AuditService/ProveConsistency': () => clients.audit.proveConsistency({ clinic, firstSize: 1n }),
    'chartwarden.audit.v1.AuditService/AwaitReceipt': () => clients.audit.awaitReceipt({ clinic, key: { case: 'revision', value: 0n } }),
    'chartwarden.audit.v1.AuditService/RotateLogKey': () => clients.audit.rotateLogKey({ ...common(), requestId: randomUUID() }),
    'chartwarden.audit.v1.AuditService/CheckLedger': () => drain(clients.audit.checkLedger({ clinic })),
    'chartwarden.audit.v1.AuditService/ExportEntries': () => drain(clients.audit.exportEntries({ ...common() })),
    'chartwarden.audit.v1.AuditService/ImportLedger': () =>
      drain(
        clients.audit.importLedger(
          (async function* () {
            yield {
              item: { case: 'head', value: { clinic: `${clinic}-moved`, size: 0n, rootHash: emptyRoot(), origin: 'log.example' } },
            } as const
          })(),
        ),
      ),
    'chartwarden.report.v1.ReportService/AccessHistory': () => clients.reports.accessHistory(common()),
    'chartwarden.report.v1.ReportService/StreamAccessHistory': () => drain(clients.reports.streamAccessHistory(common())),
    'chartwarden.report.v1.ReportService/RoleGrants': () => clients.reports.roleGrants(common()),
    'chartwarden.report.v1.ReportService/Offboardings': () => clients.reports.offboardings(common()),
    'chartwarden.report.v1.ReportService/Summary': () =>
      clients.reports.summary({ ...common(), query: { dimensions: [SummaryDimension.DAY], timeZone: 'UTC' } }),
    'chartwarden.report.v1.ReportService/PatientReport': () => clients.reports.patientReport({ ...common(), query: { patientId: 'p' } }),
    'chartwarden.report.v1.ReportService/StaffActivity': () =>
      clients.reports.staffActivity({ ...common(), query: { subject: staff('ben') } }),
    'chartwarden.report.v1.ReportService/AccountScope': () =>
      clients.reports.accountScope({
        ...common(),
        query: { account: { case: 'subject', value: staff('ben') }, from: { seconds: 1n, nanos: 0 }, until: soon },
      }),
    'chartwarden.report.v1.ReportService/Disclosures': () => clients.reports.disclosures({ ...common(), query: { patientId: 'p' } }),
    'chartwarden.report.v1.ReportService/EmergencyReviews': () => clients.reports.emergencyReviews(common()),
    'chartwarden.report.v1.ReportService/Concerns': () => clients.reports.concerns(common()),
    'chartwarden.report.v1.ReportService/StreamReport': () =>
      drain(clients.reports.streamReport({ ...common(), report: { case: 'roleGrants', value: {} } })),
    'chartwarden.report.v1.ReportService/WatchAccess': () => firstOf(clients.reports.watchAccess({ ...common(), fromRevision: 0n })),
  }
}

export const nothingStanding: Standing = {
  shareId: randomUUID(),
  consentId: randomUUID(),
  openEmergency: randomUUID(),
  endedEmergency: randomUUID(),
}

/** Defines a role that permits one thing. */
export const putTailoredRole = ({ policy }: Clients, clinic: string, role: string, resourceType: string, action: string) =>
  policy.putRole({
    requestId: randomUUID(),
    clinic,
    role: { role, title: role, permissions: [{ resourceType, actions: [action], effect: Effect.PERMIT }] },
  })

/** A clinic with the people that the calls name. */
export const registerCalledClinic = async (own: Clients, clinic: string): Promise<void> => {
  await registerTestClinic(own, clinic)
  for (const id of ['ben', 'carl']) await hire(own, clinic, id)
  await putTailoredRole(own, clinic, 'opener', 'emergency_access', 'open')
  await hire(own, clinic, 'opener', 'opener')
}

/** What the calls change or end, put in place again. */
export const restoreStanding = async (own: Clients, clinic: string): Promise<Standing> => {
  await own.people.grantRole({ requestId: randomUUID(), clinic, subject: staff('ben'), role: 'dentist' })
  await own.people.offboard({ requestId: randomUUID(), clinic, subject: staff('carl') })
  await putTailoredRole(own, clinic, 'spare', 'x', 'read')
  await own.relationships.putCareTeam({ requestId: randomUUID(), clinic, patientId: 'p', subject: staff('ben') })
  const { shareId } = await own.relationships.shareRecord({
    requestId: randomUUID(),
    clinic,
    recipient: { type: 'lab', id: 'l' },
    patientId: 'p',
    resourceTypes: ['imaging'],
    actions: ['read'],
    purpose: 'TREAT',
    until: soon,
  })
  await own.directory.putSubject({ requestId: randomUUID(), clinic, subject: staff('ben') })
  await own.directory.putResource({ requestId: randomUUID(), clinic, description: { resource: { type: 'imaging', id: 'i' } } })
  const { consentId } = await own.consents.recordConsent({
    requestId: randomUUID(),
    clinic,
    consent: { patientId: 'q', decision: ConsentDecision.PERMIT },
  })
  const open = async (): Promise<string> =>
    (
      await own.emergencies.open({
        requestId: randomUUID(),
        clinic,
        subject: staff('opener'),
        patientId: 'p',
        reason: 'bleeding heavily',
      })
    ).emergencyId
  const [openEmergency, endedEmergency] = [await open(), await open()]
  await own.emergencies.close({ requestId: randomUUID(), clinic, emergencyId: endedEmergency })
  return { shareId, consentId, openEmergency, endedEmergency }
}
