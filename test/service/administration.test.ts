/** Administrative and sharing calls over gRPC: decided for the person named, recorded, idempotent. */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import t, { type Test } from 'tap'
import { Effect, StaffStatus } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { Scope } from '../../services/kernel/scopes.ts'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'
import { createLedgerReader } from '../support/ledger-reader.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { ownScopes, startTestService } from '../support/service.ts'

const clinic = 'north'
const soon = { seconds: BigInt(Math.floor(Date.now() / 1000) + 3_600), nanos: 0 }

const aClinic = async (t: Test) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, { database })
  const own = clientsOf(service, await service.token({ clinics: [clinic] }))
  const acting = clientsOf(service, await service.token({ clinics: [clinic], scopes: [...ownScopes, 'act'] as Scope[] }))
  await registerTestClinic(own, clinic)
  return { database, service, own, acting, ledgers: await createLedgerReader(t, database) }
}

t.test('a clinic is registered once', async (t) => {
  const { own, service, ledgers } = await aClinic(t)
  const registration = { requestId: randomUUID(), clinic: 'south', title: 'South', timeZone: 'UTC', administrator: staff('sue') }
  const south = clientsOf(service, await service.token({ clinics: ['south', clinic] }))
  const first = await south.clinics.registerClinic(registration)
  t.equal(first.entry?.revision, 0n)
  const again = await south.clinics.registerClinic(registration)
  t.equal(again.replayed, true)
  t.equal(again.entry?.id, first.entry?.id)
  await t.rejects(south.clinics.registerClinic({ ...registration, title: 'Other' }), fault('REQUEST_MISMATCH'))
  await t.rejects(south.clinics.registerClinic({ ...registration, requestId: randomUUID() }), fault('CLINIC_EXISTS'))
  await t.rejects(
    south.clinics.registerClinic({ ...registration, requestId: randomUUID(), administrator: staff('eve') }),
    fault('CLINIC_EXISTS'),
  )
  await t.rejects(own.clinics.registerClinic({ ...registration, requestId: randomUUID(), clinic: 'UP' }), fault('INVALID_ARGUMENT'))
  await t.rejects(
    own.clinics.registerClinic({ ...registration, requestId: randomUUID(), clinic: 'east', timeZone: 'Mars/Base' }),
    fault('INVALID_ARGUMENT'),
  )
  t.same(
    (await ledgers.entries('south')).map(({ type }) => type),
    [
      'chartwarden.clinic.registered.v1',
      'chartwarden.identity.introduced.v1',
      'chartwarden.staff.enrolled.v1',
      'chartwarden.role.defined.v2',
      'chartwarden.role.granted.v1',
    ],
  )
  const listed = await south.clinics.listClinics({ pageSize: 1 })
  t.equal(listed.clinics[0]?.clinic, 'north')
  const rest = await south.clinics.listClinics({ pageSize: 1, pageToken: listed.nextPageToken })
  t.match(rest.clinics[0], { clinic: 'south', title: 'South', timeZone: 'UTC' })
  t.equal(rest.nextPageToken, '')
})

t.test('a token with scope act must name a person, one without may not', async (t) => {
  const { own, acting } = await aClinic(t)
  const enrol = (id: string) => ({ requestId: randomUUID(), clinic, subject: staff(id) })
  await t.rejects(acting.people.enrolStaff(enrol('a')), fault('PERSON_REQUIRED'))
  await t.rejects(own.people.enrolStaff({ ...enrol('a'), onBehalfOf: staff('boss') }), fault('PERSON_NOT_ALLOWED'))
  await t.rejects(acting.reports.roleGrants({ clinic }), fault('PERSON_REQUIRED'))
  await t.rejects(own.reports.roleGrants({ clinic, onBehalfOf: staff('boss') }), fault('PERSON_NOT_ALLOWED'))
  t.ok((await acting.people.enrolStaff({ ...enrol('a'), onBehalfOf: staff('boss') })).entry)
})

t.test('a person named is decided against that person’s own roles, and a refusal is recorded', async (t) => {
  const { own, acting, ledgers } = await aClinic(t)
  await hire(own, clinic, 'anna')
  const request = { requestId: randomUUID(), clinic, onBehalfOf: staff('anna'), subject: staff('friend') }
  await t.rejects(acting.people.enrolStaff(request), fault('NOT_PERMITTED'))
  const refusal = (await ledgers.entries(clinic)).at(-1)
  t.match(refusal, {
    type: 'chartwarden.access.decided.v1',
    data: { decision: 'deny', operation: 'enrol_staff', resource_type: 'staff_account' },
  })
  const count = await ledgers.count(clinic)
  await t.rejects(acting.people.enrolStaff(request), fault('NOT_PERMITTED'), 'a repeat is refused again')
  t.equal(await ledgers.count(clinic), count, 'and adds nothing')
  const readingsAndChanges: readonly (() => Promise<unknown>)[] = [
    () => acting.people.getStaff({ clinic, onBehalfOf: staff('anna'), subject: staff('boss') }),
    () => acting.reports.accessHistory({ clinic, onBehalfOf: staff('anna') }),
    () => acting.audit.getEntry({ clinic, onBehalfOf: staff('anna'), key: { case: 'revision', value: 0n } }),
    () => acting.policy.retireRole({ requestId: randomUUID(), clinic, onBehalfOf: staff('anna'), role: 'dentist' }),
    () =>
      acting.relationships.putCareTeam({
        requestId: randomUUID(),
        clinic,
        onBehalfOf: staff('anna'),
        patientId: 'p',
        subject: staff('anna'),
      }),
  ]
  for (const refused of readingsAndChanges) {
    await t.rejects(refused(), fault('NOT_PERMITTED'))
  }
  t.same(
    (await ledgers.entries(clinic))
      .filter(({ type }) => type === 'chartwarden.access.decided.v1')
      .slice(-5)
      .map(({ data }) => [data.decision, data.operation]),
    ['get_staff', 'access_history', 'get_entry', 'retire_role', 'put_care_team'].map((operation) => ['deny', operation]),
  )
})

t.test('changes are idempotent, and a repeat whose effect is gone is stale', async (t) => {
  const { own, ledgers } = await aClinic(t)
  await own.people.enrolStaff({ requestId: randomUUID(), clinic, subject: staff('anna') })
  const grant = { requestId: randomUUID(), clinic, subject: staff('anna'), role: 'dentist', reason: 'new dentist' }
  const first = await own.people.grantRole(grant)
  const count = await ledgers.count(clinic)
  const again = await own.people.grantRole(grant)
  t.equal(again.replayed, true)
  t.equal(again.grantId, first.grantId)
  await t.rejects(own.people.grantRole({ ...grant, role: 'administrator' }), fault('REQUEST_MISMATCH'))
  t.equal(await ledgers.count(clinic), count)
  await own.people.revokeRole({ requestId: randomUUID(), clinic, subject: staff('anna'), grantId: first.grantId })
  await t.rejects(own.people.grantRole(grant), fault('STALE_REQUEST'))
  const enrol = { requestId: randomUUID(), clinic, subject: staff('ben') }
  await own.people.enrolStaff(enrol)
  t.equal((await own.people.enrolStaff(enrol)).replayed, true)
  await t.rejects(own.people.enrolStaff({ ...enrol, requestId: randomUUID() }), fault('SUBJECT_EXISTS'))
})

t.test('errors change nothing, not even the list of identities', async (t) => {
  const { own, ledgers } = await aClinic(t)
  const count = await ledgers.count(clinic)
  const nobody = { requestId: randomUUID(), clinic, subject: staff('nobody') }
  await t.rejects(own.people.grantRole({ ...nobody, role: 'dentist' }), fault('SUBJECT_UNKNOWN'))
  await t.rejects(own.people.grantRole({ ...nobody, subject: staff('boss'), role: 'wizard' }), fault('ROLE_UNKNOWN'))
  await t.rejects(own.people.revokeRole({ ...nobody, subject: staff('boss'), grantId: randomUUID() }), fault('GRANT_UNKNOWN'))
  await t.rejects(own.people.revokeRole({ ...nobody, subject: staff('boss') }), fault('INVALID_ARGUMENT'))
  await t.rejects(own.people.reinstate({ ...nobody, subject: staff('boss') }), fault('SUBJECT_NOT_FORMER'))
  await t.rejects(own.people.offboard({ ...nobody, effective: soon }), fault('FUTURE_EFFECTIVE'))
  await t.rejects(own.relationships.removeCareTeam({ ...nobody, patientId: 'p' }), fault('CARE_TEAM_UNKNOWN'))
  await t.rejects(own.relationships.endShare({ requestId: randomUUID(), clinic, shareId: randomUUID() }), fault('SHARE_UNKNOWN'))
  await t.rejects(own.policy.retireRole({ requestId: randomUUID(), clinic, role: 'administrator' }), fault('ROLE_RESERVED'))
  await t.rejects(
    own.policy.putRole({
      requestId: randomUUID(),
      clinic,
      role: { role: 'x', title: 'X', permissions: [{ resourceType: 'a', actions: ['b'] }] },
    }),
    fault('INVALID_ARGUMENT'),
  )
  await t.rejects(
    own.policy.putRole({
      requestId: randomUUID(),
      clinic,
      role: { role: 'x', title: 'X', permissions: [{ resourceType: 'a', actions: ['b'], effect: Effect.PERMIT, condition: 'true &&' }] },
    }),
    fault('INVALID_ARGUMENT'),
  )
  await t.rejects(own.people.getStaff({ clinic, subject: staff('nobody') }), fault('SUBJECT_UNKNOWN'))
  t.equal(await ledgers.count(clinic), count)
})

t.test('an unknown leaver is recorded, barred and reported as unknown', async (t) => {
  const { own } = await aClinic(t)
  const left = await own.people.offboard({ requestId: randomUUID(), clinic, subject: staff('mistyped') })
  t.equal(left.unknownSubject, true)
  const again = await own.people.offboard({
    requestId: randomUUID(),
    clinic,
    subject: staff('mistyped'),
    reason: 'asked by another system',
  })
  t.match(again, { replayed: true, unknownSubject: true, entry: { id: left.entry?.id } }, 'asked anew it is the same offboarding')
  t.equal((await own.access.check(readRecord(clinic, 'mistyped'))).reasonCode, 'offboarded')
  await t.rejects(own.people.enrolStaff({ requestId: randomUUID(), clinic, subject: staff('mistyped') }), fault('SUBJECT_FORMER'))
})

t.test('a reinstated person starts from nothing and needs a sign-in after the cut-off', async (t) => {
  const { own } = await aClinic(t)
  await hire(own, clinic, 'anna')
  await own.people.offboard({ requestId: randomUUID(), clinic, subject: staff('anna') })
  await own.people.reinstate({ requestId: randomUUID(), clinic, subject: staff('anna'), reason: 'back again' })
  await own.people.grantRole({ requestId: randomUUID(), clinic, subject: staff('anna'), role: 'dentist' })
  const ask = async (session?: { readonly id: string; readonly issuedAt?: { readonly seconds: bigint; readonly nanos: number } }) =>
    (await own.access.check({ ...readRecord(clinic, 'anna'), ...(session === undefined ? {} : { session }) })).reasonCode
  t.equal(await ask(), 'session_required')
  t.equal(await ask({ id: 's-1' }), 'session_required')
  t.equal(await ask({ id: 's-1', issuedAt: { seconds: 1_700_000_000n, nanos: 0 } }), 'session_cut_off')
  t.equal(await ask({ id: 's-2', issuedAt: { seconds: BigInt(Math.floor(Date.now() / 1000) + 20), nanos: 0 } }), 'role_permits')
  const { staff: shown } = await own.people.getStaff({ clinic, subject: staff('anna') })
  t.equal(shown?.status, StaffStatus.ACTIVE)
  t.ok(shown?.cutOff)
})

t.test('care teams and shares reach exactly what they say', async (t) => {
  const { own } = await aClinic(t)
  await hire(own, clinic, 'anna')
  const image = (patientId: string, id = 'i-1', who = 'anna') => ({
    ...readRecord(clinic, who),
    resource: { type: 'imaging', id, patientId },
  })
  const reason = async (question: ReturnType<typeof image>) => (await own.access.check({ ...question, requestId: randomUUID() })).reasonCode
  t.equal(await reason(image('p-1')), 'not_own_patient')
  await own.relationships.putCareTeam({ requestId: randomUUID(), clinic, patientId: 'p-1', subject: staff('anna') })
  t.equal(await reason(image('p-1')), 'role_permits')
  t.equal(await reason(image('p-2')), 'not_own_patient')
  await own.relationships.removeCareTeam({ requestId: randomUUID(), clinic, patientId: 'p-1', subject: staff('anna') })
  t.equal(await reason(image('p-1')), 'not_own_patient')

  await own.policy.putRole({
    requestId: randomUUID(),
    clinic,
    role: {
      role: 'lab_technician',
      title: 'Lab technician',
      permissions: [
        { resourceType: 'imaging', actions: ['read'], effect: Effect.LIMITED, bounds: [{ kind: 'shared' }], purposes: ['TREAT'] },
      ],
    },
  })
  const lab = { type: 'lab', id: 'lab-1' }
  await own.people.enrolStaff({ requestId: randomUUID(), clinic, subject: staff('tom'), memberOf: [lab] })
  await own.people.grantRole({ requestId: randomUUID(), clinic, subject: staff('tom'), role: 'lab_technician' })
  t.equal(await reason(image('p-1', 'i-1', 'tom')), 'not_shared')
  const { shareId } = await own.relationships.shareRecord({
    requestId: randomUUID(),
    clinic,
    recipient: lab,
    patientId: 'p-1',
    resourceTypes: ['imaging'],
    resourceIds: ['i-1'],
    actions: ['read'],
    purpose: 'TREAT',
    until: soon,
  })
  t.equal(await reason(image('p-1', 'i-1', 'tom')), 'role_permits')
  t.equal(await reason(image('p-1', 'i-2', 'tom')), 'not_shared', 'another record')
  t.equal(await reason(image('p-2', 'i-1', 'tom')), 'not_shared', 'another patient')
  await own.relationships.endShare({ requestId: randomUUID(), clinic, shareId, reason: 'case closed' })
  t.equal(await reason(image('p-1', 'i-1', 'tom')), 'not_shared')
})

t.test('batches and streams answer each item for itself', async (t) => {
  const { own, service, ledgers } = await aClinic(t)
  await hire(own, clinic, 'anna')
  const twice = readRecord(clinic, 'anna')
  const { results } = await own.access.checkBatch({
    clinic,
    checks: [
      twice,
      { ...readRecord(clinic, 'anna'), purpose: 'NONSENSE' },
      readRecord(clinic, 'nobody'),
      { ...twice },
      { ...twice, reason: 'other' },
    ],
  })
  t.same(
    results.map(({ outcome }) =>
      outcome.case === 'response' ? [outcome.value.reasonCode, outcome.value.replayed] : outcome.value?.reason,
    ),
    [['role_permits', false], 'INVALID_ARGUMENT', ['unknown_subject', false], ['role_permits', true], 'REQUEST_MISMATCH'],
  )
  await t.rejects(own.access.checkBatch({ clinic, checks: [] }), fault('INVALID_ARGUMENT'))
  await t.rejects(own.access.checkBatch({ clinic, checks: [{ ...twice, clinic: 'south' }] }), fault('INVALID_ARGUMENT'))
  const tooMany = Array.from({ length: 513 }, () => ({ clinic }))
  await t.rejects(own.access.checkBatch({ clinic, checks: tooMany }), fault('INVALID_ARGUMENT'))

  const count = await ledgers.count(clinic)
  async function* questions() {
    for (let seq = 1n; seq <= 700n; seq += 1n)
      yield { seq, check: { ...readRecord(clinic, 'anna'), ...(seq === 5n ? { clinic: 'south' } : {}) } }
  }
  const seen = new Map<bigint, string>()
  for await (const { seq, result } of own.access.checkStream(questions())) {
    const outcome = result?.outcome
    seen.set(seq, outcome?.case === 'response' ? Decision[outcome.value.decision] : (outcome?.value?.reason ?? ''))
  }
  t.equal(seen.size, 700)
  t.equal(seen.get(5n), 'CLINIC_NOT_ALLOWED')
  t.equal([...seen.values()].filter((answer) => answer === 'PERMIT').length, 699)
  t.equal(await ledgers.count(clinic), count + 699)
  t.ok(service.grpcPort > 0)
})

const inSeconds = (count: number) => ({ seconds: BigInt(Math.floor(Date.now() / 1000) + count), nanos: 0 })

t.test('a leaver whose clock is a little ahead of the ledger leaves all the same', async (t) => {
  const { own, ledgers } = await aClinic(t)
  await hire(own, clinic, 'anna')
  const left = await own.people.offboard({ requestId: randomUUID(), clinic, subject: staff('anna'), effective: inSeconds(30) })
  const entry = (await ledgers.entries(clinic)).find(({ revision }) => revision === left.entry?.revision)
  const { time } = left.entry ?? {}
  t.equal(Date.parse(entry?.data.effective as string), Number(time?.seconds) * 1000 + (time?.nanos ?? 0) / 1_000_000, 'from the entry on')
  t.equal((await own.access.check(readRecord(clinic, 'anna'))).reasonCode, 'offboarded')
  await t.rejects(
    own.people.offboard({ requestId: randomUUID(), clinic, subject: staff('ben'), effective: inSeconds(120) }),
    fault('FUTURE_EFFECTIVE'),
  )
})

t.test('a sign-in in the future opens nothing, whatever the call', async (t) => {
  const { own, acting, ledgers } = await aClinic(t)
  await hire(own, clinic, 'olga', 'administrator')
  await own.people.offboard({ requestId: randomUUID(), clinic, subject: staff('olga') })
  await own.people.reinstate({ requestId: randomUUID(), clinic, subject: staff('olga') })
  await own.people.grantRole({ requestId: randomUUID(), clinic, subject: staff('olga'), role: 'administrator' })
  const olga = (issuedAt: { readonly seconds: bigint; readonly nanos: number } | undefined) => ({
    ...staff('olga'),
    ...(issuedAt === undefined ? {} : { session: { id: 's', issuedAt } }),
  })
  const count = await ledgers.count(clinic)
  for (const onBehalfOf of [olga(inSeconds(120)), olga({ seconds: 32_000_000_000n, nanos: 0 })]) {
    const calls: readonly (() => Promise<unknown>)[] = [
      () => acting.people.enrolStaff({ requestId: randomUUID(), clinic, onBehalfOf, subject: staff('x') }),
      () => acting.reports.roleGrants({ clinic, onBehalfOf }),
      () => acting.audit.getEntry({ clinic, onBehalfOf, key: { case: 'revision', value: 0n } }),
    ]
    for (const call of calls) await t.rejects(call(), fault('INVALID_ARGUMENT'))
  }
  t.equal(await ledgers.count(clinic), count)
  await t.rejects(acting.reports.roleGrants({ clinic, onBehalfOf: olga(undefined) }), fault('NOT_PERMITTED'), 'the cut-off needs a sign-in')
  t.ok(await acting.reports.roleGrants({ clinic, onBehalfOf: olga(inSeconds(20)) }))
})

t.test('a change cannot be replayed by a person who may no longer make it', async (t) => {
  const { own, acting, ledgers } = await aClinic(t)
  await hire(own, clinic, 'olga', 'administrator')
  await own.people.enrolStaff({ requestId: randomUUID(), clinic, subject: staff('anna') })
  const grant = { requestId: randomUUID(), clinic, onBehalfOf: staff('olga'), subject: staff('anna'), role: 'dentist' }
  await acting.people.grantRole(grant)
  t.equal((await acting.people.grantRole(grant)).replayed, true)
  await own.people.offboard({ requestId: randomUUID(), clinic, subject: staff('olga') })
  await t.rejects(acting.people.grantRole(grant), fault('NOT_PERMITTED'))
  t.match((await ledgers.entries(clinic)).at(-1)?.data, { decision: 'deny', reason_code: 'offboarded', operation: 'grant_role' })
  const count = await ledgers.count(clinic)
  await t.rejects(acting.people.grantRole(grant), fault('NOT_PERMITTED'))
  t.equal(await ledgers.count(clinic), count, 'the refusal is one entry')
})

t.test('a registration that cannot be carried out leaves nothing behind', async (t) => {
  const { own, database } = await aClinic(t)
  const registration = { requestId: randomUUID(), clinic: 'east', title: 'East', timeZone: 'Mars/Base', administrator: staff('eve') }
  await t.rejects(own.clinics.registerClinic(registration), fault('INVALID_ARGUMENT'))
  const client = new pg.Client({ connectionString: database.adminUrl })
  await client.connect()
  const { rows } = await client.query('select clinic from chartwarden_vault.clinic_keys where clinic = $1', ['east'])
  await client.end()
  t.same(rows, [], 'not even keys')
})

t.test('what the ledger cannot hold is not there, and characters are counted as people count them', async (t) => {
  const { own } = await aClinic(t)
  for (const value of [2n ** 63n, 2n ** 64n - 1n, 10_000n]) {
    await t.rejects(own.audit.getEntry({ clinic, key: { case: 'revision', value } }), fault('ENTRY_UNKNOWN'))
  }
  const patientId = '🦷'.repeat(200)
  const { entry } = await own.access.check(readRecord(clinic, 'nobody', { patient: patientId }))
  const { rows } = await own.reports.accessHistory({ clinic, filter: { patientId }, waitForRevision: entry?.revision ?? 0n })
  t.equal(rows[0]?.patientId, patientId)
  await t.rejects(own.reports.accessHistory({ clinic, filter: { subject: { type: '', id: '' } } }), fault('INVALID_ARGUMENT'))
})
