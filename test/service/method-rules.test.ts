/**
 * The published table of method → scope → what the named person needs, held to row by row over gRPC: without its scope a method is refused;
 * a person without the permission is refused and recorded; with just that permission the person is not.
 */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
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

/** One well-formed call of each method, for a person where the method can name one. */
const calls = (clients: Clients, person: Person, shareId: string): Readonly<Record<MethodName, () => Promise<unknown>>> => {
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
    'chartwarden.access.v1.AccessService/Explain': () =>
      clients.access.explain({ clinic, ...named(), check: readRecord(clinic, 'anna') }),
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
  const restore = async (): Promise<string> => {
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
    return shareId
  }

  const acting = await with_(Object.keys(scopes) as Scope[])
  for (const [method, rule] of Object.entries(methodRules) as [MethodName, MethodRule][]) {
    const name = method.split('/')[1] as string
    await t.test(`${name} needs scope ${rule.scope}`, async (t) => {
      const lacking = await with_(ownScopes.filter((scope) => scope !== rule.scope))
      t.equal(await outcome(calls(lacking, undefined, randomUUID())[method]), 'SCOPE_MISSING')
      const only = await with_([rule.scope])
      t.not(await outcome(calls(only, undefined, randomUUID())[method]), 'SCOPE_MISSING')
    })
    if (rule.person === 'nothing') continue
    const [resourceType, action] = typeof rule.person === 'string' ? ['imaging', 'share'] : [rule.person.resourceType, rule.person.action]
    await t.test(`${name} needs a person who may ${action} ${resourceType}`, async (t) => {
      const shareId = await restore()
      t.equal(await outcome(calls(acting, undefined, shareId)[method]), 'PERSON_REQUIRED')
      t.equal(await outcome(calls(acting, staff('nobody-much'), shareId)[method]), 'NOT_PERMITTED')
      await put('tailored', resourceType, action)
      const granted = await own.people.grantRole({ requestId: randomUUID(), clinic, subject: staff('manager'), role: 'tailored' })
      t.equal(await outcome(calls(acting, staff('manager'), shareId)[method]), 'done')
      await own.people.revokeRole({ requestId: randomUUID(), clinic, subject: staff('manager'), grantId: granted.grantId })
    })
  }
})
