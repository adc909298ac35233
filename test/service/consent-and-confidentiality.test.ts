/** What labels, employment, own records and patients' directives do to decisions, over gRPC and as the entries say it. */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ConsentDecision } from '../../proto/gen/chartwarden/access/v1/consent_pb.js'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { ChartwardenError } from '../../services/kernel/errors.ts'
import type { Scope } from '../../services/kernel/scopes.ts'
import { accessOverGrpc } from '../support/access-over-grpc.ts'
import { caught } from '../support/caught.ts'
import { type Clients, hire, registerTestClinic, staff } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'
import { ownScopes } from '../support/service.ts'

const clinic = 'north'
const stamp = (millis: number) => ({ seconds: BigInt(Math.floor(millis / 1000)), nanos: (millis % 1000) * 1_000_000 })
const inAnHour = () => stamp(Date.now() + 3_600_000)
const common = () => ({ requestId: randomUUID(), clinic })
const theLab = { type: 'lab', id: 'lab-1' }

/** A role with everything on treatment records and, unless told otherwise, no clearance. */
const putRole = (
  { policy }: Clients,
  role: string,
  clearance?: { readonly confidentiality?: string; readonly sensitivities?: string[] },
): Promise<unknown> =>
  policy.putRole({
    ...common(),
    role: {
      role,
      title: role,
      permissions: ['treatment_record', 'patient', 'appointment'].map((resourceType) => ({
        resourceType,
        actions: ['read', 'update', 'share'],
        effect: Effect.PERMIT,
      })),
      ...(clearance === undefined ? {} : { clearance }),
    },
  })

const describe_ = (
  { directory }: Clients,
  id: string,
  labels: { readonly confidentiality?: string; readonly sensitivities?: string[] },
  over: { readonly type?: string; readonly patientId?: string } = {},
) =>
  directory.putResource({
    ...common(),
    description: { resource: { type: over.type ?? 'treatment_record', id, patientId: over.patientId ?? '' }, ...labels },
  })

interface Wish {
  readonly type?: string
  readonly id?: string
  readonly patientId?: string
  readonly action?: string
  readonly purpose?: string
  readonly properties?: Record<string, string | string[]>
  readonly subject?: { readonly type: string; readonly id: string }
}

const question = (who: string, wish: Wish = {}) => ({
  ...common(),
  subject: wish.subject ?? staff(who),
  action: { name: wish.action ?? 'read' },
  resource: {
    type: wish.type ?? 'treatment_record',
    id: wish.id ?? 'r-1',
    patientId: wish.patientId ?? 'p-1',
    ...(wish.properties === undefined ? {} : { properties: wish.properties }),
  },
  purpose: wish.purpose ?? 'TREAT',
})

const ask = async ({ access }: Clients, who: string, wish: Wish = {}): Promise<string> => {
  const { decision, reasonCode } = await access.check(question(who, wish))
  if ((decision === Decision.PERMIT) !== (reasonCode === 'role_permits')) throw new Error(`decision ${decision} for ${reasonCode}`)
  return reasonCode
}

const consent = (over: Record<string, unknown> = {}) => ({
  ...common(),
  consent: { patientId: 'p-1', decision: ConsentDecision.DENY, ...over },
  reason: 'told at the front desk',
})

const share = (over: Record<string, unknown> = {}) => ({
  ...common(),
  recipient: theLab,
  patientId: 'p-1',
  resourceTypes: ['treatment_record'],
  actions: ['read'],
  purpose: 'COC',
  until: inAnHour(),
  ...over,
})

const settings = async ({ policy }: Clients, over: Record<string, unknown>): Promise<void> => {
  await policy.putSettings({ ...common(), settings: over })
}

const aClinic = async (t: Test) => {
  const { clock, clients, entries } = await accessOverGrpc(t)
  const withScopes = (scopes: readonly Scope[]) => clients(clinic, scopes)
  const own = withScopes(ownScopes)
  await registerTestClinic(own, clinic)
  await putRole(own, 'doctor')
  await hire(own, clinic, 'anna', 'doctor')
  const ledgers = { entries, count: async (name: string): Promise<number> => (await entries(name)).length }
  return { clock, own, acting: withScopes([...ownScopes, 'act']), withScopes, ledgers }
}

t.test('a label more confidential than any clearance denies, whoever holds the role', async (t) => {
  const { own } = await aClinic(t)
  await putRole(own, 'senior', { confidentiality: 'R' })
  await putRole(own, 'head', { confidentiality: 'V' })
  await hire(own, clinic, 'sam', 'senior')
  await hire(own, clinic, 'hilda', 'head')
  for (const level of ['', 'U', 'N', 'R', 'V']) await describe_(own, `record-${level}`, { confidentiality: level })
  const answers = async (who: string) => Promise.all(['', 'U', 'N', 'R', 'V'].map((level) => ask(own, who, { id: `record-${level}` })))
  t.same(await answers('anna'), ['role_permits', 'role_permits', 'role_permits', 'confidentiality', 'confidentiality'])
  t.same(await answers('sam'), ['role_permits', 'role_permits', 'role_permits', 'role_permits', 'confidentiality'])
  t.same(await answers('hilda'), Array(5).fill('role_permits'))
  t.equal(await ask(own, 'anna', { id: 'never-described' }), 'role_permits')
  await own.directory.removeResource({ ...common(), resourceType: 'treatment_record', resourceId: 'record-V' })
  t.equal(await ask(own, 'anna', { id: 'record-V' }), 'role_permits', 'a label that was removed is gone')
})

t.test('a sensitivity needs a clearance for it, for what lies above it, or for all', async (t) => {
  const { own } = await aClinic(t)
  for (const [role, sensitivities] of [
    ['psychiatrist', ['BH']],
    ['venereologist', ['HIV']],
    ['officer', ['*']],
  ] as const) {
    await putRole(own, role, { sensitivities: [...sensitivities] })
    await hire(own, clinic, role, role)
  }
  await describe_(own, 'psy', { sensitivities: ['PSY'] })
  await describe_(own, 'both', { sensitivities: ['PSY', 'HIV'] })
  await describe_(own, 'odd', { sensitivities: ['HOUSE_RULE'] })
  const table = {
    anna: ['sensitivity', 'sensitivity', 'sensitivity'],
    psychiatrist: ['role_permits', 'sensitivity', 'sensitivity'],
    venereologist: ['sensitivity', 'sensitivity', 'sensitivity'],
    officer: ['role_permits', 'role_permits', 'role_permits'],
  }
  for (const [who, expected] of Object.entries(table)) {
    t.same(await Promise.all(['psy', 'both', 'odd'].map((id) => ask(own, who, { id }))), expected, who)
  }
  await own.people.grantRole({ ...common(), subject: staff('psychiatrist'), role: 'venereologist' })
  t.equal(await ask(own, 'psychiatrist', { id: 'both' }), 'role_permits', 'two roles clear what neither does alone')
})

t.test('stated labels only ever restrict, unless the caller may override what is stored', async (t) => {
  const { own, withScopes } = await aClinic(t)
  const overriding = own
  const plain = withScopes(ownScopes.filter((scope) => scope !== 'directory.override'))
  await describe_(own, 'secret', { confidentiality: 'V', sensitivities: ['HIV'] })
  const lowered = { id: 'secret', properties: { confidentiality: 'N', sensitivities: [] } }
  t.equal(await ask(plain, 'anna', lowered), 'confidentiality')
  t.equal(await ask(overriding, 'anna', lowered), 'role_permits')
  t.equal(await ask(plain, 'anna', { id: 'open', properties: { confidentiality: 'R' } }), 'confidentiality')
  t.equal(await ask(plain, 'anna', { id: 'open', properties: { sensitivities: ['SDV'] } }), 'sensitivity')
  t.equal(await ask(plain, 'anna', { id: 'open', properties: { confidentiality: 'L' } }), 'role_permits')
  for (const properties of [
    { confidentiality: 'X' },
    { confidentiality: ['V'] },
    { sensitivities: 'HIV' },
    { sensitivities: ['HIV', 'no code'] },
    { sensitivities: ['*'] },
    { sensitivities: Array.from({ length: 33 }, (_, index) => `S${index}`) },
  ]) {
    const refused = (await caught(plain.access.check(question('anna', { properties })))) as ChartwardenError
    t.equal(refused.reason, 'INVALID_ARGUMENT', JSON.stringify(properties))
    t.match(refused.fields[0]?.field, /^resource\.properties\.(?:confidentiality|sensitivities)$/)
  }
})

t.test('employees and VIPs as patients are for the care team and those cleared for them', async (t) => {
  const { own } = await aClinic(t)
  await own.people.enrolStaff({ ...common(), subject: staff('colleague'), ownPatientId: 'p-colleague' })
  await describe_(own, 'p-star', { sensitivities: ['VIP'] }, { type: 'patient' })
  await putRole(own, 'trusted', { sensitivities: ['EMP', 'VIP'] })
  await hire(own, clinic, 'trudy', 'trusted')
  for (const patientId of ['p-colleague', 'p-star']) {
    t.equal(await ask(own, 'anna', { patientId }), 'protected_person', patientId)
    t.equal(await ask(own, 'trudy', { patientId }), 'role_permits')
    t.equal(await ask(own, 'anna', { patientId, type: 'appointment' }), 'role_permits', 'types that the settings leave open stay open')
    t.equal(await ask(own, 'anna', { type: 'patient', id: patientId, patientId: '' }), 'protected_person', 'the patient itself too')
    await own.relationships.putCareTeam({ ...common(), patientId, subject: staff('anna') })
    t.equal(await ask(own, 'anna', { patientId }), 'role_permits', 'on the care team')
    await own.relationships.removeCareTeam({ ...common(), patientId, subject: staff('anna') })
  }
  await settings(own, { protectEveryType: true })
  t.equal(await ask(own, 'anna', { patientId: 'p-star', type: 'appointment' }), 'protected_person')
  await own.people.offboard({ ...common(), subject: staff('colleague') })
  t.equal(await ask(own, 'anna', { patientId: 'p-colleague' }), 'protected_person', 'a former colleague stays protected')
  await t.rejects(
    own.access.check(question('anna', { type: 'patient', id: 'p-star', patientId: 'p-other' })),
    fault('INVALID_ARGUMENT'),
    'a patient is no record of another one',
  )
})

t.test('the own record opens as far as the clinic settles', async (t) => {
  const { own } = await aClinic(t)
  await own.people.enrolStaff({ ...common(), subject: staff('me'), ownPatientId: 'p-me' })
  await own.people.grantRole({ ...common(), subject: staff('me'), role: 'doctor' })
  const mine = () => Promise.all(['read', 'update'].map((action) => ask(own, 'me', { patientId: 'p-me', action })))
  t.same(await mine(), ['own_record', 'own_record'], 'unless settled: not at all')
  await settings(own, { ownRecord: 'read' })
  t.same(await mine(), ['role_permits', 'own_record'])
  await settings(own, { ownRecord: 'as_roles_permit' })
  t.same(await mine(), ['role_permits', 'role_permits'])
  await settings(own, { ownRecord: 'deny' })
  t.same(await mine(), ['own_record', 'own_record'])
  t.equal(await ask(own, 'anna', { patientId: 'p-me' }), 'protected_person', 'for others it is that of a colleague')
})

t.test('an employee who becomes a patient later is protected from colleagues, and from opening the own record', async (t) => {
  const { own } = await aClinic(t)
  const requestId = randomUUID()
  const update = (over: object = {}) =>
    own.people.updateStaff({ ...common(), subject: staff('later'), ownPatientId: 'p-later', memberOf: [{ type: 'lab', id: 'x' }], ...over })
  await t.rejects(update(), fault('SUBJECT_UNKNOWN'))
  await hire(own, clinic, 'later', 'doctor')
  const shown = async () => (await own.people.getStaff({ clinic, subject: staff('later') })).staff
  const answers = () => Promise.all(['anna', 'later'].map((who) => ask(own, who, { patientId: 'p-later' })))
  t.same(await answers(), ['role_permits', 'role_permits'])
  t.match(await shown(), { isPatient: false, memberOf: { length: 0 } })

  const updated = await update({ requestId })
  t.same(await answers(), ['protected_person', 'own_record'])
  t.match(await shown(), { isPatient: true, memberOf: [{ type: 'lab', id: 'x' }] })
  t.match(await update({ requestId }), { replayed: true, entry: { id: updated.entry?.id } })
  await t.rejects(update({ requestId, ownPatientId: 'p-2' }), fault('REQUEST_MISMATCH'))
  await t.rejects(update({ memberOf: [staff('later')] }), fault('INVALID_ARGUMENT'))
  await t.rejects(update({ ownPatientId: 'p'.repeat(257) }), fault('INVALID_ARGUMENT'))

  await update({ ownPatientId: '', memberOf: [] })
  t.same(await answers(), ['role_permits', 'role_permits'], 'it was a mistake')
  t.match(await shown(), { isPatient: false, memberOf: { length: 0 } })
  await t.rejects(update({ requestId }), fault('STALE_REQUEST'), 'an old answer is not given for what no longer holds')

  await update()
  await own.people.offboard({ ...common(), subject: staff('later') })
  t.equal(await ask(own, 'anna', { patientId: 'p-later' }), 'protected_person', 'somebody who left stays protected')
  await t.rejects(update(), fault('SUBJECT_FORMER'))
})

t.test('a patient’s directive denies what a role permits, the one that names the recipient most closely first', async (t) => {
  const { own, ledgers } = await aClinic(t)
  await hire(own, clinic, 'ben', 'doctor')
  t.equal(await ask(own, 'anna'), 'role_permits')
  const general = await own.consents.recordConsent(consent({ resourceTypes: ['treatment_record'] }))
  const refused = await own.access.check(question('anna'))
  t.match(refused, { decision: Decision.DENY, reasonCode: 'consent_denied', rule: `consent/${general.consentId}` })
  t.equal(await ask(own, 'anna', { type: 'appointment' }), 'role_permits', 'another type')
  t.equal(await ask(own, 'anna', { patientId: 'p-2' }), 'role_permits', 'another patient')
  await own.consents.recordConsent(consent({ recipient: staff('ben'), decision: ConsentDecision.PERMIT }))
  t.equal(await ask(own, 'ben'), 'role_permits', 'a permit for the person against the general refusal')
  t.equal(await ask(own, 'anna'), 'consent_denied')
  t.equal(await ask(own, 'nobody'), 'unknown_subject', 'a consent permits nothing')
  await own.consents.withdrawConsent({ ...common(), consentId: general.consentId, reason: 'changed my mind' })
  t.equal(await ask(own, 'anna'), 'role_permits', 'withdrawn')
  const bySubject = await own.consents.recordConsent(consent({ purposes: ['TREAT'] }))
  t.equal(await ask(own, 'anna', { purpose: 'COC' }), 'consent_denied', 'a purpose below the one refused')
  t.equal(await ask(own, 'anna', { purpose: 'BTG' }), 'consent_denied', 'break the glass is below it where it denies')
  t.equal(await ask(own, 'anna', { purpose: 'HPAYMT' }), 'role_permits')
  await own.consents.withdrawConsent({ ...common(), consentId: bySubject.consentId })

  const written = (await ledgers.entries(clinic)).filter(({ type }) => type.startsWith('chartwarden.consent.'))
  t.same(
    written.map(({ type }) => type.split('.')[2]),
    ['recorded', 'recorded', 'withdrawn', 'recorded', 'withdrawn'],
  )
  const keys = written.map(({ data }) => (data.sealed as { readonly kid: string } | undefined)?.kid)
  t.same(keys.slice(0, 3), Array(3).fill(written[0]?.data.patient), 'reasons are sealed under the patient’s key, that of a withdrawal too')
  t.equal(keys[4], undefined)
})

t.test('a directive about an organisation reaches its people, less closely than one about the person', async (t) => {
  const { own } = await aClinic(t)
  await own.people.enrolStaff({ ...common(), subject: staff('laura'), memberOf: [theLab] })
  await own.people.grantRole({ ...common(), subject: staff('laura'), role: 'doctor' })
  await own.consents.recordConsent(consent({ recipient: theLab }))
  t.equal(await ask(own, 'laura'), 'consent_denied')
  t.equal(await ask(own, 'anna'), 'role_permits', 'nobody else')
  await own.consents.recordConsent(consent({ recipient: staff('laura'), decision: ConsentDecision.PERMIT }))
  t.equal(await ask(own, 'laura'), 'role_permits')
  await own.consents.recordConsent(consent({ recipient: staff('laura') }))
  t.equal(await ask(own, 'laura'), 'consent_denied', 'among equals the one that denies')
})

t.test('directives are recorded once, withdrawn once and listed in order', async (t) => {
  const { own, acting, ledgers } = await aClinic(t)
  const until = inAnHour()
  const request = consent({
    recipient: { type: 'organisation', id: 'university' },
    resourceTypes: ['imaging', 'lab_report'],
    purposes: ['HRESCH'],
    decision: ConsentDecision.PERMIT,
    until,
  })
  const first = await own.consents.recordConsent(request)
  const count = await ledgers.count(clinic)
  t.match(await own.consents.recordConsent(request), { replayed: true, consentId: first.consentId })
  await t.rejects(
    own.consents.recordConsent({ ...request, consent: { ...request.consent, purposes: ['TREAT'] } }),
    fault('REQUEST_MISMATCH'),
  )
  const later = await own.consents.recordConsent(consent({ from: inAnHour() }))
  const other = await own.consents.recordConsent(consent({ patientId: 'p-2' }))
  t.equal(await ledgers.count(clinic), count + 3, 'two directives and one new patient')

  const listed = await own.consents.listConsents({ clinic, patientId: 'p-1' })
  t.same(
    listed.consents.map(({ consentId }) => consentId),
    [first.consentId, later.consentId],
  )
  t.match(listed.consents[0], {
    patientId: 'p-1',
    recipient: { type: 'organisation', id: 'university' },
    resourceTypes: ['imaging', 'lab_report'],
    purposes: ['HRESCH'],
    decision: ConsentDecision.PERMIT,
    until,
  })
  t.equal(listed.consents[1]?.recipient, undefined)
  const looked = (await ledgers.entries(clinic)).at(-1)
  t.match(looked, { type: 'chartwarden.trail.viewed.v1', data: { query: 'list_consents', actor: { rule: 'scope/consent.read' } } })
  t.ok(listed.completeToRevision <= (looked?.revision ?? 0n))

  await t.rejects(own.consents.withdrawConsent({ ...common(), consentId: randomUUID() }), fault('CONSENT_UNKNOWN'))
  const withdrawal = { ...common(), consentId: other.consentId.toUpperCase() }
  await own.consents.withdrawConsent(withdrawal)
  t.equal((await own.consents.withdrawConsent(withdrawal)).replayed, true)
  await t.rejects(own.consents.withdrawConsent({ ...common(), consentId: other.consentId }), fault('CONSENT_UNKNOWN'))
  t.same((await own.consents.listConsents({ clinic, patientId: 'p-2' })).consents, [])
  await own.consents.withdrawConsent({ ...common(), consentId: first.consentId })
  await t.rejects(own.consents.recordConsent(request), fault('STALE_REQUEST'), 'a directive that was withdrawn is not replayed')

  const before = await ledgers.count(clinic)
  await t.rejects(
    acting.consents.listConsents({ clinic, patientId: 'p-1', onBehalfOf: staff('anna') }),
    fault('NOT_PERMITTED'),
    'a person is decided against the own roles',
  )
  t.match((await ledgers.entries(clinic)).at(-1), {
    type: 'chartwarden.access.decided.v1',
    data: { decision: 'deny', resource_type: 'consent', action: 'read', operation: 'list_consents' },
  })
  t.equal(await ledgers.count(clinic), before + 1)
})

t.test('a consent that is not well formed changes nothing', async (t) => {
  const { own, ledgers } = await aClinic(t)
  const count = await ledgers.count(clinic)
  const wrong: readonly (readonly [string, Record<string, unknown>])[] = [
    ['consent.patient_id', { patientId: '' }],
    ['consent.patient_id', { patientId: 'p'.repeat(257) }],
    ['consent.consent_id', { consentId: randomUUID() }],
    ['consent.decision', { decision: ConsentDecision.UNSPECIFIED }],
    ['consent.decision', { decision: 7 }],
    ['consent.recipient.id', { recipient: { type: 'lab', id: '' } }],
    ['consent.recipient.id', { recipient: { type: 'lab', id: 'lab\u202e' } }],
    ['consent.resource_types', { resourceTypes: ['all records'] }],
    ['consent.resource_types', { resourceTypes: ['*'] }],
    ['consent.resource_types', { resourceTypes: ['imaging', 'imaging'] }],
    ['consent.resource_types', { resourceTypes: Array.from({ length: 65 }, (_, index) => `type_${index}`) }],
    ['consent.purposes', { purposes: ['CURIOSITY'] }],
    ['consent.until', { until: stamp(1_000) }],
    ['consent.until', { from: stamp(Date.now() + 7_200_000), until: inAnHour() }],
    ['consent.from', { from: { seconds: -1n, nanos: 0 } }],
  ]
  for (const [field, over] of wrong) {
    const refused = (await caught(own.consents.recordConsent(consent(over)))) as ChartwardenError
    t.equal(refused.reason, 'INVALID_ARGUMENT', field)
    t.equal(refused.fields[0]?.field, field)
  }
  await t.rejects(own.consents.recordConsent({ ...common() }), fault('INVALID_ARGUMENT'))
  await t.rejects(own.consents.recordConsent({ ...consent(), reason: 'x'.repeat(501) }), fault('INVALID_ARGUMENT'))
  await t.rejects(own.consents.recordConsent({ ...consent(), requestId: 'first' }), fault('INVALID_ARGUMENT'))
  await t.rejects(own.consents.withdrawConsent({ ...common(), consentId: 'that one' }), fault('INVALID_ARGUMENT'))
  await t.rejects(own.consents.listConsents({ clinic, patientId: '' }), fault('INVALID_ARGUMENT'))
  await t.rejects(own.consents.recordConsent({ ...consent(), clinic: 'south' }), fault('CLINIC_NOT_ALLOWED'))
  t.equal(await ledgers.count(clinic), count)
})

t.test('a directive against the recipient keeps a record from being shared, whoever shares', async (t) => {
  const { own, acting, ledgers } = await aClinic(t)
  const refusal = await own.consents.recordConsent(consent({ recipient: theLab, resourceTypes: ['treatment_record'] }))
  const rule = `consent/${refusal.consentId}`

  const byAnna = share({ onBehalfOf: staff('anna') })
  const refused = (await caught(acting.relationships.shareRecord(byAnna))) as ChartwardenError
  t.match(refused, { reason: 'NOT_PERMITTED', metadata: { reason_code: 'consent_denied' } })
  const entries = await ledgers.entries(clinic)
  t.match(entries.at(-1), {
    type: 'chartwarden.access.decided.v1',
    data: {
      decision: 'deny',
      reason_code: 'consent_denied',
      rule,
      operation: 'share_record',
      purpose: 'COC',
      subject: { type: 'staff' },
      roles: ['doctor'],
    },
  })
  await t.rejects(acting.relationships.shareRecord(byAnna), fault('NOT_PERMITTED'), 'repeated it is refused again')
  t.equal(await ledgers.count(clinic), entries.length, 'and adds nothing')

  const bySoftware = share()
  t.match((await caught(own.relationships.shareRecord(bySoftware))) as ChartwardenError, {
    reason: 'NOT_PERMITTED',
    metadata: { reason_code: 'consent_denied' },
  })
  const after = await ledgers.entries(clinic)
  t.match(after.at(-1), {
    type: 'chartwarden.access.decided.v1',
    data: {
      decision: 'deny',
      reason_code: 'consent_denied',
      rule,
      operation: 'share_record',
      subject: { type: 'service' },
      roles: { length: 0 },
    },
  })
  const service = (after.at(-1)?.data.subject as { readonly pseudonym: string } | undefined)?.pseudonym
  t.ok(
    after.slice(0, -1).some(({ type, data }) => type === 'chartwarden.identity.introduced.v1' && data.pseudonym === service),
    'the software stands in the ledger before its refusal',
  )
  await t.rejects(own.relationships.shareRecord(bySoftware), fault('NOT_PERMITTED'))
  t.equal(await ledgers.count(clinic), after.length)

  t.ok((await own.relationships.shareRecord(share({ resourceTypes: ['appointment'] }))).shareId, 'another type')
  await t.rejects(
    own.relationships.shareRecord(share({ resourceTypes: ['appointment', 'treatment_record'] })),
    fault('NOT_PERMITTED'),
    'each type counts',
  )
  t.ok((await own.relationships.shareRecord(share({ recipient: { type: 'lab', id: 'lab-2' } }))).shareId, 'another recipient')
  await own.consents.withdrawConsent({ ...common(), consentId: refusal.consentId })
  t.ok((await acting.relationships.shareRecord(share({ onBehalfOf: staff('anna') }))).shareId)
  const unpermitted = (await caught(acting.relationships.shareRecord(share({ onBehalfOf: staff('boss') })))) as ChartwardenError
  t.match(unpermitted, { metadata: { reason_code: 'no_grant' } }, 'the person’s own right comes first')
})

t.test('where a consent is demanded, a third party gets nothing without one, nor after it is withdrawn', async (t) => {
  const { own, acting, ledgers } = await aClinic(t)
  await settings(own, { consentToShare: ['treatment_record'] })
  await own.policy.putRole({
    ...common(),
    role: {
      role: 'reader',
      title: 'Reader',
      permissions: [
        { resourceType: 'treatment_record', actions: ['read'], effect: Effect.LIMITED, bounds: [{ kind: 'shared' }], purposes: ['COC'] },
      ],
    },
  })
  await own.people.enrolStaff({ ...common(), subject: staff('laura'), memberOf: [theLab] })
  await own.people.grantRole({ ...common(), subject: staff('laura'), role: 'reader' })

  const refused = (await caught(acting.relationships.shareRecord(share({ onBehalfOf: staff('anna') })))) as ChartwardenError
  t.match(refused, { reason: 'NOT_PERMITTED', metadata: { reason_code: 'consent_required' } })
  t.match((await ledgers.entries(clinic)).at(-1), { data: { reason_code: 'consent_required', rule: '' } })
  await t.rejects(own.relationships.shareRecord(share()), fault('NOT_PERMITTED'))
  t.ok((await own.relationships.shareRecord(share({ recipient: staff('anna') }))).shareId, 'the clinic’s own are no third party')

  const given = await own.consents.recordConsent(consent({ recipient: theLab, decision: ConsentDecision.PERMIT }))
  const request = share({ onBehalfOf: staff('anna') })
  const shared = await acting.relationships.shareRecord(request)
  const bySoftware = share({ resourceTypes: ['treatment_record', 'appointment'] })
  const sharedBySoftware = await own.relationships.shareRecord(bySoftware)
  t.equal(await ask(own, 'laura', { purpose: 'COC' }), 'role_permits')
  await own.consents.withdrawConsent({ ...common(), consentId: given.consentId })
  t.equal(await ask(own, 'laura', { purpose: 'COC' }), 'consent_required', 'the share stands, and gives nothing')
  await t.rejects(acting.relationships.shareRecord(request), fault('NOT_PERMITTED'), 'an old share is not replayed against the patient')
  t.match((await ledgers.entries(clinic)).at(-1), {
    data: { reason_code: 'consent_required', supersedes: shared.entry?.id, operation: 'share_record' },
  })
  await t.rejects(own.relationships.shareRecord(bySoftware), fault('NOT_PERMITTED'))
  t.match((await ledgers.entries(clinic)).at(-1), {
    data: { reason_code: 'consent_required', supersedes: sharedBySoftware.entry?.id, subject: { type: 'service' } },
  })
  await own.relationships.endShare({ ...common(), shareId: sharedBySoftware.shareId })
  await acting.relationships.endShare({ ...common(), onBehalfOf: staff('anna'), shareId: shared.shareId })
  t.equal(await ask(own, 'laura', { purpose: 'COC' }), 'not_shared', 'ending a share needs no consent')
})

t.test('a directive holds up to its last millisecond and from its first', async (t) => {
  const { clock, clients } = await accessOverGrpc(t)
  const own = clients(clinic)
  await registerTestClinic(own, clinic)
  await hire(own, clinic, 'anna')
  const start = clock.wall()
  await own.consents.recordConsent(consent({ from: stamp(start + 1_000), until: stamp(start + 2_000) }))
  const permitted = question('anna')
  t.equal((await own.access.check(permitted)).reasonCode, 'role_permits', 'not yet')
  clock.advance(start + 999 - clock.wall())
  t.equal(await ask(own, 'anna'), 'role_permits')
  clock.advance(1)
  t.equal(await ask(own, 'anna'), 'consent_denied', 'at its start')
  t.equal((await own.access.check(permitted)).reasonCode, 'stale_request', 'the earlier permit is not given again')
  clock.advance(999)
  t.equal(await ask(own, 'anna'), 'consent_denied')
  t.equal((await own.consents.listConsents({ clinic, patientId: 'p-1' })).consents.length, 1)
  clock.advance(1)
  t.equal(await ask(own, 'anna'), 'role_permits', 'at its end')
  t.same((await own.consents.listConsents({ clinic, patientId: 'p-1' })).consents, [], 'what is over is not listed')
})

t.test('nothing is shared from the end of the consent on', async (t) => {
  const { clock, clients } = await accessOverGrpc(t)
  const own = clients(clinic)
  await registerTestClinic(own, clinic)
  await settings(own, { consentToShare: ['*'] })
  const start = clock.wall()
  const until = (millis: number) => share({ until: stamp(start + millis) })
  await own.consents.recordConsent(consent({ recipient: theLab, decision: ConsentDecision.PERMIT, until: stamp(start + 2_000) }))
  clock.advance(start + 1_999 - clock.wall())
  t.ok((await own.relationships.shareRecord(until(60_000))).shareId)
  clock.advance(1)
  const refused = (await caught(own.relationships.shareRecord(until(60_000)))) as ChartwardenError
  t.match(refused, { reason: 'NOT_PERMITTED', metadata: { reason_code: 'consent_required' } })
})
