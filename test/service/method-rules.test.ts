/**
 * The published table of method → scope → what the named person needs, held to row by row over gRPC: without its scope a method is refused;
 * a person without the permission is refused and recorded; with just that permission the person is not.
 */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ConsentDecision } from '../../proto/gen/chartwarden/access/v1/consent_pb.js'
import { ReviewOutcome } from '../../proto/gen/chartwarden/access/v1/emergency_pb.js'
import type { ChartwardenError } from '../../services/kernel/errors.ts'
import { type MethodName, type MethodRule, methodRules, type Scope, scopes } from '../../services/kernel/scopes.ts'
import { type Clients, clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { ownScopes, startTestService } from '../support/service.ts'

const clinic = 'north'
const soon = { seconds: BigInt(Math.floor(Date.now() / 1000) + 3_600), nanos: 0 }
type Person = { readonly type: string; readonly id: string } | undefined

const drain = async (messages: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of messages);
}
const once = async function* <Message>(message: Message) {
  yield message
}

/** What some of the calls end. */
interface Standing {
  readonly shareId: string
  readonly consentId: string
  readonly openEmergency: string
  readonly endedEmergency: string
}

/** One well-formed call of each method, for a person where the method can name one. */
const calls = (clients: Clients, person: Person, standing: Standing): Readonly<Record<MethodName, () => Promise<unknown>>> => {
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
      clients.emergencies.open({ ...common(), subject: person ?? staff('ben'), patientId: 'p', reason: 'bleeding heavily' }),
    'chartwarden.access.v1.EmergencyService/Close': () => clients.emergencies.close({ ...common(), emergencyId: openEmergency }),
    'chartwarden.access.v1.EmergencyService/Review': () =>
      clients.emergencies.review({ ...common(), emergencyId: endedEmergency, outcome: ReviewOutcome.JUSTIFIED }),
    'chartwarden.access.v1.EmergencyService/ListUnreviewed': () => clients.emergencies.listUnreviewed(common()),
    'chartwarden.audit.v1.AuditService/RecordAccess': () => clients.audit.recordAccess({ requestId: randomUUID(), clinic, ...access }),
    'chartwarden.audit.v1.AuditService/RecordAccessBatch': () => clients.audit.recordAccessBatch({ clinic, accesses: [access] }),
    'chartwarden.audit.v1.AuditService/GetEntry': () => clients.audit.getEntry({ ...common(), key: { case: 'revision', value: 0n } }),
    'chartwarden.audit.v1.AuditService/ReadEntries': () => drain(clients.audit.readEntries({ ...common(), untilRevision: 1n })),
    'chartwarden.report.v1.ReportService/AccessHistory': () => clients.reports.accessHistory(common()),
    'chartwarden.report.v1.ReportService/StreamAccessHistory': () => drain(clients.reports.streamAccessHistory(common())),
    'chartwarden.report.v1.ReportService/RoleGrants': () => clients.reports.roleGrants(common()),
    'chartwarden.report.v1.ReportService/Offboardings': () => clients.reports.offboardings(common()),
  }
}

const nothingStanding: Standing = {
  shareId: randomUUID(),
  consentId: randomUUID(),
  openEmergency: randomUUID(),
  endedEmergency: randomUUID(),
}

/** The reason of the refusal, or "done". */
const outcome = (call: () => Promise<unknown>): Promise<string> =>
  call().then(
    () => 'done',
    (error: ChartwardenError) => error.reason,
  )

t.test('the table of methods is what the service does', async (t) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, { database })
  const with_ = async (given: readonly Scope[]) => clientsOf(service, await service.token({ clinics: [clinic], scopes: given }))
  const own = await with_(ownScopes)
  await registerTestClinic(own, clinic)
  for (const id of ['ben', 'carl']) await hire(own, clinic, id)
  for (const id of ['nobody-much', 'manager']) await own.people.enrolStaff({ requestId: randomUUID(), clinic, subject: staff(id) })
  const put = (role: string, resourceType: string, action: string) =>
    own.policy.putRole({
      requestId: randomUUID(),
      clinic,
      role: { role, title: role, permissions: [{ resourceType, actions: [action], effect: Effect.PERMIT }] },
    })
  /** What the calls of the table change or end, put back. */
  const restore = async (): Promise<Standing> => {
    await own.people.grantRole({ requestId: randomUUID(), clinic, subject: staff('ben'), role: 'dentist' })
    await own.people.offboard({ requestId: randomUUID(), clinic, subject: staff('carl') })
    await put('spare', 'x', 'read')
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

  await put('opener', 'emergency_access', 'open')
  await hire(own, clinic, 'opener', 'opener')
  const acting = await with_(Object.keys(scopes) as Scope[])
  for (const [method, rule] of Object.entries(methodRules) as [MethodName, MethodRule][]) {
    const name = method.split('/')[1] as string
    await t.test(`${name} needs scope ${rule.scope}`, async (t) => {
      const lacking = await with_(ownScopes.filter((scope) => scope !== rule.scope))
      t.equal(await outcome(calls(lacking, undefined, nothingStanding)[method]), 'SCOPE_MISSING')
      const only = await with_([rule.scope])
      t.not(await outcome(calls(only, undefined, nothingStanding)[method]), 'SCOPE_MISSING')
    })
    if (rule.person === 'nothing') continue
    const { resourceType, action } =
      typeof rule.person !== 'string'
        ? rule.person
        : rule.person === 'own_or_review'
          ? { resourceType: 'emergency_access', action: 'review' }
          : { resourceType: 'imaging', action: 'share' }
    await t.test(`${name} needs a person who may ${action} ${resourceType}`, async (t) => {
      const standing = await restore()
      t.equal(await outcome(calls(acting, undefined, standing)[method]), 'PERSON_REQUIRED')
      t.equal(await outcome(calls(acting, staff('nobody-much'), standing)[method]), 'NOT_PERMITTED')
      await put('tailored', resourceType, action)
      const granted = await own.people.grantRole({ requestId: randomUUID(), clinic, subject: staff('manager'), role: 'tailored' })
      t.equal(await outcome(calls(acting, staff('manager'), standing)[method]), 'done')
      await own.people.revokeRole({ requestId: randomUUID(), clinic, subject: staff('manager'), grantId: granted.grantId })
    })
  }
})
