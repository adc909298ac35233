/** Emergency access over gRPC: what it opens, what it never opens, how it ends, and the review that stays owed. */
import { randomUUID } from 'node:crypto'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import t, { type Test } from 'tap'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ReviewOutcome } from '../../proto/gen/chartwarden/access/v1/emergency_pb.js'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import type { Scope } from '../../services/kernel/scopes.ts'
import { type AccessOverGrpcOptions, accessOverGrpc } from '../support/access-over-grpc.ts'
import { hire, registerTestClinic, staff } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'
import { ownScopes } from '../support/service.ts'

const clinic = 'north'
const minute = 60_000
const hour = 60 * minute

const permit = (resourceType: string, ...actions: string[]) => ({ resourceType, actions, effect: Effect.PERMIT })

const roles = [
  {
    role: 'clinician',
    title: 'May open emergency access; writes notes of own patients',
    permissions: [
      permit('emergency_access', 'open'),
      {
        resourceType: 'clinical_note',
        actions: ['read', 'update'],
        effect: Effect.LIMITED,
        bounds: [{ kind: 'own_patients' }],
        purposes: ['TREAT'],
      },
      { ...permit('imaging', 'export', 'share'), purposes: ['TREAT'] },
    ],
  },
  { role: 'laboratory', title: 'Laboratory', permissions: [permit('lab_report', 'read', 'update'), permit('patient_export', 'read')] },
  { role: 'no_images', title: 'No images', permissions: [{ resourceType: 'imaging', actions: ['read'], effect: Effect.FORBID }] },
  {
    role: 'no_notes',
    title: 'No notes for treatment',
    permissions: [{ resourceType: 'clinical_note', actions: ['read'], effect: Effect.FORBID, purposes: ['TREAT'] }],
  },
]

const aClinic = async (t: Test, options?: AccessOverGrpcOptions) => {
  const house = await accessOverGrpc(t, options)
  const own = house.clients(clinic)
  const acting = house.clients(clinic, [...ownScopes, 'act'] as Scope[])
  await registerTestClinic(own, clinic)
  for (const role of roles) await own.policy.putRole({ requestId: randomUUID(), clinic, role })
  await hire(own, clinic, 'anna', 'clinician')
  return { ...house, own, acting }
}

const opening = (over: object = {}) => ({
  requestId: randomUUID(),
  clinic,
  subject: staff('anna'),
  patientId: 'patient-1',
  reason: 'Unconscious after a fall in the waiting room',
  ...over,
})

interface Asked {
  readonly id?: string
  readonly type?: string
  readonly action?: string
  readonly patient?: string
  readonly purpose?: string
  readonly requestId?: string
  readonly issuedAt?: number
}

/** Asks and says permit or deny, with the reason code. */
const asker =
  ({ own }: Awaited<ReturnType<typeof aClinic>>) =>
  async ({
    id = 'anna',
    type = 'lab_report',
    action = 'read',
    patient = 'patient-1',
    purpose = 'BTG',
    requestId,
    issuedAt,
  }: Asked = {}) => {
    const answer = await own.access.check({
      requestId: requestId ?? randomUUID(),
      clinic,
      subject: staff(id),
      action: { name: action },
      resource: { type, id: 'record-1', patientId: patient },
      purpose,
      ...(issuedAt === undefined ? {} : { session: { id: 's', issuedAt: { seconds: BigInt(Math.floor(issuedAt / 1_000)), nanos: 0 } } }),
    })
    return `${answer.decision === Decision.PERMIT ? 'permit' : 'deny'} ${answer.reasonCode}`
  }

const lastData = async (house: Pick<Awaited<ReturnType<typeof aClinic>>, 'entries'>) => (await house.entries(clinic)).at(-1)?.data

t.test('it opens reading what no role gives, and writing what a role gives for others; each entry says what it overrode', async (t) => {
  const house = await aClinic(t)
  const ask = asker(house)
  t.equal(await ask(), 'deny no_grant')
  const { emergencyId, until, reviewDue, entry } = await house.own.emergencies.open(opening())
  t.equal(timestampMs(until as NonNullable<typeof until>), Math.floor(house.clock.wall()) + hour, 'an hour, as the clinic settled')
  t.equal(timestampMs(reviewDue as NonNullable<typeof reviewDue>), Math.floor(house.clock.wall()) + 72 * hour)
  t.equal(entry?.id, emergencyId)
  for (const purpose of ['BTG', 'ETREAT', 'ERTREAT']) t.equal(await ask({ purpose }), 'permit emergency_access', purpose)
  t.match(await lastData(house), {
    decision: 'permit',
    rule: `emergency/${emergencyId}`,
    overrode: { reason_code: 'no_grant', rule: '' },
  })
  t.equal(
    await ask({ type: 'clinical_note', action: 'update' }),
    'permit emergency_access',
    'not on the care team, but the role writes notes',
  )
  t.match(await lastData(house), { overrode: { reason_code: 'purpose_not_allowed', rule: 'role/clinician#clinical_note.read+update' } })
  t.equal(await ask({ action: 'update' }), 'deny no_grant', 'no role writes lab reports')
  t.equal(await ask({ purpose: 'TREAT' }), 'deny no_grant', 'another purpose')
  t.equal(await ask({ purpose: 'PATADMIN' }), 'deny no_grant')
})

t.test('it overrides a consent that refuses, as far as the clinic settled', async (t) => {
  const house = await aClinic(t)
  const ask = asker(house)
  await house.own.consents.recordConsent({ requestId: randomUUID(), clinic, consent: { patientId: 'patient-1', decision: 2 } })
  await house.own.emergencies.open(opening())
  t.equal(await ask(), 'permit emergency_access')
  t.match(await lastData(house), { overrode: { reason_code: 'consent_denied' } })
  const put = (emergency: object) => house.own.policy.putSettings({ requestId: randomUUID(), clinic, settings: { emergency } })
  await put({ overrides: ['permissions', 'confidentiality'] })
  t.equal(await ask(), 'deny consent_denied')
  await put({ disabled: true })
  t.equal(await ask(), 'deny consent_denied')
})

t.test('it never reaches another person, another patient, an export, a share, administration or the audit log', async (t) => {
  const house = await aClinic(t)
  const ask = asker(house)
  await hire(house.own, clinic, 'ben', 'clinician')
  await house.own.emergencies.open(opening())
  const never: readonly Asked[] = [
    { id: 'ben' },
    { patient: 'patient-2' },
    { patient: '' },
    { type: 'imaging', action: 'export' },
    { type: 'imaging', action: 'share' },
    { type: 'patient_export' },
    { type: 'staff_account' },
    { type: 'clinic_settings' },
    { type: 'care_team' },
    { type: 'audit_log' },
    { type: 'emergency_access', action: 'review' },
    { type: 'directory' },
    { type: 'consent' },
    { type: 'no_such_type' },
  ]
  for (const asked of never) t.match(await ask(asked), /^deny (?!emergency)/, JSON.stringify(asked))
  await t.rejects(
    house.acting.people.listStaff({ clinic, onBehalfOf: staff('anna') }),
    fault('NOT_PERMITTED'),
    'an administrative call neither',
  )
  await t.rejects(
    house.acting.audit.getEntry({ clinic, onBehalfOf: staff('anna'), key: { case: 'revision', value: 0n } }),
    fault('NOT_PERMITTED'),
  )
})

t.test('it never opens the own record of the person, nor anything for somebody unknown', async (t) => {
  const house = await aClinic(t)
  const ask = asker(house)
  const { own } = house
  await own.people.enrolStaff({ requestId: randomUUID(), clinic, subject: staff('carl'), ownPatientId: 'patient-1' })
  await own.people.grantRole({ requestId: randomUUID(), clinic, subject: staff('carl'), role: 'clinician' })
  await own.emergencies.open(opening({ subject: staff('carl') }))
  t.equal(await ask({ id: 'carl' }), 'deny own_record')
  await own.emergencies.open(opening())
  t.equal(await ask({ id: 'nobody' }), 'deny unknown_subject')
  t.equal(await ask(), 'permit emergency_access', 'an employee as patient is protected from colleagues, yet not in an emergency')
})

t.test('a forbid stands, one for treatment too', async (t) => {
  const house = await aClinic(t)
  const ask = asker(house)
  await house.own.emergencies.open(opening())
  t.equal(await ask({ type: 'imaging' }), 'permit emergency_access')
  t.equal(await ask({ type: 'clinical_note' }), 'permit emergency_access')
  for (const role of ['no_images', 'no_notes']) {
    await house.own.people.grantRole({ requestId: randomUUID(), clinic, subject: staff('anna'), role })
  }
  t.equal(await ask({ type: 'imaging' }), 'deny forbidden')
  t.equal(await ask({ type: 'clinical_note' }), 'deny forbidden', 'break the glass is a kind of treatment where something is forbidden')
  t.equal(await ask(), 'permit emergency_access')
})

t.test('it ends by itself, to the millisecond, whether or not an entry says so', async (t) => {
  const house = await aClinic(t)
  const ask = asker(house)
  const { emergencyId } = await house.own.emergencies.open(opening({ minutes: 5, purpose: 'ETREAT' }))
  const before = randomUUID()
  house.clock.advance(5 * minute - 1)
  t.equal(await ask({ requestId: before }), 'permit emergency_access')
  house.clock.advance(1)
  t.equal(await ask(), 'deny no_grant')
  t.equal(await ask({ requestId: before }), 'deny stale_request', 'an old permit cannot be repeated')
  t.notMatch(await house.entries(clinic), [{ type: 'chartwarden.emergency.closed.v1' }])
  const close = { requestId: randomUUID(), clinic, emergencyId }
  await t.rejects(house.own.emergencies.close(close), fault('EMERGENCY_OVER'))
})

t.test('it ends when it is closed, by its person without any permission, by a reviewer or by the software; nobody else', async (t) => {
  const house = await aClinic(t)
  const ask = asker(house)
  const { own, acting } = house
  await hire(own, clinic, 'ben', 'clinician')
  const { emergencyId } = await own.emergencies.open(opening())
  const close = (onBehalfOf: object, id = emergencyId) => ({ requestId: randomUUID(), clinic, onBehalfOf, emergencyId: id, reason: 'over' })
  await t.rejects(acting.emergencies.close(close(staff('ben'))), fault('NOT_PERMITTED'))
  await t.rejects(acting.emergencies.close(close(staff('nobody'))), fault('NOT_PERMITTED'))
  t.match(await lastData(house), { decision: 'deny', operation: 'close_emergency', reason_code: 'unknown_subject' })
  t.equal(await ask(), 'permit emergency_access')
  await own.people.revokeRole({ requestId: randomUUID(), clinic, subject: staff('anna'), role: 'clinician' })
  const closing = close(staff('anna'))
  t.ok((await acting.emergencies.close(closing)).entry)
  t.match(await lastData(house), { actor: { rule: `emergency/${emergencyId}` }, cause: 'closed', emergency_id: emergencyId })
  t.equal((await acting.emergencies.close(closing)).replayed, true)
  await t.rejects(acting.emergencies.close(close(staff('anna'))), fault('EMERGENCY_OVER'))
  t.equal(await ask(), 'deny no_grant')
  await t.rejects(own.emergencies.close({ requestId: randomUUID(), clinic, emergencyId: randomUUID() }), fault('EMERGENCY_UNKNOWN'))

  const second = await own.emergencies.open(opening({ subject: staff('ben') }))
  await acting.emergencies.close(close(staff('boss'), second.emergencyId))
  t.match(await lastData(house), { actor: { rule: 'role/administrator#emergency_access.review' } })
  const third = await own.emergencies.open(opening({ subject: staff('ben') }))
  await own.emergencies.close({ requestId: randomUUID(), clinic, emergencyId: third.emergencyId })
  t.match(await lastData(house), { actor: { rule: 'scope/emergency.use' } })
})

t.test('offboarding ends it and its review stays owed', async (t) => {
  const house = await aClinic(t)
  const ask = asker(house)
  const { own, clock } = house
  const { emergencyId } = await own.emergencies.open(opening())
  const offboarded = await own.people.offboard({ requestId: randomUUID(), clinic, subject: staff('anna') })
  t.match(offboarded, { grantsEnded: 1, emergenciesEnded: 1 })
  t.equal(await ask(), 'deny offboarded')
  await t.rejects(own.emergencies.open(opening()), fault('NOT_PERMITTED'))
  t.match(await lastData(house), { decision: 'deny', operation: 'open_emergency', reason_code: 'offboarded', action: 'open' })
  const { emergencies } = await own.emergencies.listUnreviewed({ clinic })
  t.match(emergencies, [{ emergencyId, subject: { id: 'anna' } }])

  await own.people.reinstate({ requestId: randomUUID(), clinic, subject: staff('anna') })
  await own.people.grantRole({ requestId: randomUUID(), clinic, subject: staff('anna'), role: 'clinician' })
  t.equal(await ask({ issuedAt: clock.wall() }), 'deny session_cut_off', 'a reinstatement brings no emergency back')
  await t.rejects(own.emergencies.open(opening()), fault('NOT_PERMITTED'), 'after a cut-off the sign-in must be stated')
  clock.advance(2_000)
  const session = { id: 's', issuedAt: { seconds: BigInt(Math.floor(clock.wall() / 1_000)), nanos: 0 } }
  t.equal(await ask({ issuedAt: clock.wall() }), 'deny no_grant')
  await own.emergencies.open(opening({ subject: { ...staff('anna'), session } }))
  t.equal(await ask(), 'deny session_required')
  t.equal(await ask({ issuedAt: clock.wall() - hour }), 'deny session_cut_off')
  t.equal(await ask({ issuedAt: clock.wall() }), 'permit emergency_access')
})

t.test('who may open it is decided for the person it is for, whoever calls', async (t) => {
  const house = await aClinic(t)
  const { own, acting, clock } = house
  await hire(own, clinic, 'ben', 'dentist')
  await t.rejects(own.emergencies.open(opening({ subject: staff('ben') })), fault('NOT_PERMITTED'))
  t.match(await lastData(house), { decision: 'deny', operation: 'open_emergency', resource_type: 'emergency_access', action: 'open' })
  await t.rejects(own.emergencies.open(opening({ subject: staff('nobody') })), fault('NOT_PERMITTED'))
  await t.rejects(acting.emergencies.open(opening()), fault('PERSON_REQUIRED'))
  await t.rejects(own.emergencies.open(opening({ onBehalfOf: staff('anna') })), fault('PERSON_NOT_ALLOWED'))
  await t.rejects(acting.emergencies.open(opening({ onBehalfOf: staff('ben') })), fault('INVALID_ARGUMENT'), 'not for somebody else')
  t.ok((await acting.emergencies.open(opening({ onBehalfOf: staff('anna') }))).emergencyId)
  t.match(await lastData(house), { actor: { rule: 'role/clinician#emergency_access.open' } })
  const later = { seconds: BigInt(Math.floor(clock.wall() / 1_000) + 3_600), nanos: 0 }
  await t.rejects(
    own.emergencies.open(opening({ subject: { ...staff('anna'), session: { id: 's', issuedAt: later } } })),
    fault('INVALID_ARGUMENT'),
  )
  await own.people.grantRole({
    requestId: randomUUID(),
    clinic,
    subject: staff('ben'),
    role: 'clinician',
    until: { seconds: BigInt(Math.floor(clock.wall() / 1_000) + 60), nanos: 0 },
  })
  t.ok((await own.emergencies.open(opening({ subject: staff('ben') }))).emergencyId)
  clock.advance(61_000)
  await t.rejects(own.emergencies.open(opening({ subject: staff('ben') })), fault('NOT_PERMITTED'), 'the role has ended')
})

t.test('a request that is not well formed opens nothing', async (t) => {
  const house = await aClinic(t)
  const { own } = house
  const count = (await house.entries(clinic)).length
  const refused = async (over: object, field: RegExp) =>
    t.rejects(own.emergencies.open(opening(over)), { reason: 'INVALID_ARGUMENT', message: field } as unknown as Error, JSON.stringify(over))
  await refused({ reason: '   short    ' }, /^reason: .*10/)
  await refused({ reason: 'x'.repeat(501) }, /^reason: /)
  await refused({ minutes: 241 }, /^minutes: .*240/)
  await refused({ purpose: 'TREAT' }, /^purpose: /)
  await refused({ purpose: 'btg' }, /^purpose: /)
  await refused({ patientId: '' }, /^patient_id: /)
  await refused({ subject: undefined }, /^subject: is required/)
  await refused({ requestId: 'x' }, /^request_id: /)
  t.equal((await house.entries(clinic)).length, count)
  await own.policy.putSettings({
    requestId: randomUUID(),
    clinic,
    settings: { emergency: { defaultMinutes: 10, maxMinutes: 20, reviewHours: 1 } },
  })
  await refused({ minutes: 21 }, /^minutes: .*20/)
  const { until } = await own.emergencies.open(opening())
  t.equal(timestampMs(until as NonNullable<typeof until>), Math.floor(house.clock.wall()) + 10 * minute)
  await own.policy.putSettings({ requestId: randomUUID(), clinic, settings: { emergency: { disabled: true } } })
  await t.rejects(own.emergencies.open(opening()), fault('EMERGENCY_DISABLED'))
  t.equal(await asker(house)(), 'deny no_grant', 'and one that was open is over')
})

t.test('opening is idempotent, a repeat after its end is stale, and a second one for the same patient is another', async (t) => {
  const house = await aClinic(t)
  const { own, clock } = house
  const request = opening({ minutes: 5 })
  const first = await own.emergencies.open(request)
  const again = await own.emergencies.open({ ...request, subject: { ...staff('anna'), session: { id: 'another sign-in' } } })
  t.match(again, { replayed: true, emergencyId: first.emergencyId, until: first.until })
  await t.rejects(own.emergencies.open({ ...request, patientId: 'patient-2' }), fault('REQUEST_MISMATCH'))
  const second = await own.emergencies.open(opening({ minutes: 10 }))
  t.not(second.emergencyId, first.emergencyId)
  clock.advance(5 * minute)
  await t.rejects(own.emergencies.open(request), fault('STALE_REQUEST'))
  t.equal(await asker(house)(), 'permit emergency_access', 'the longer one')
  t.equal((await own.emergencies.listUnreviewed({ clinic })).emergencies.length, 2, 'both are reviewed')
})

t.test('a review names somebody else, comes after the end, and only once', async (t) => {
  const house = await aClinic(t)
  const { own, acting, clock } = house
  await own.policy.putRole({
    requestId: randomUUID(),
    clinic,
    role: { role: 'reviewer', title: 'Reviewer', permissions: [permit('emergency_access', 'review')] },
  })
  await own.people.grantRole({ requestId: randomUUID(), clinic, subject: staff('anna'), role: 'reviewer' })
  const { emergencyId } = await own.emergencies.open(opening({ minutes: 5 }))
  const review = (who: string | undefined, over: object = {}) => ({
    requestId: randomUUID(),
    clinic,
    ...(who === undefined ? {} : { onBehalfOf: staff(who) }),
    emergencyId,
    outcome: ReviewOutcome.JUSTIFIED,
    note: 'The ambulance was on its way',
    ...over,
  })
  await t.rejects(own.emergencies.review(review(undefined)), fault('PERSON_REQUIRED'), 'software cannot judge')
  await t.rejects(own.emergencies.review(review('boss')), fault('PERSON_NOT_ALLOWED'))
  await t.rejects(acting.emergencies.review(review(undefined)), fault('PERSON_REQUIRED'))
  await t.rejects(acting.emergencies.review(review('boss')), fault('EMERGENCY_OPEN'))
  clock.advance(5 * minute)
  await t.rejects(acting.emergencies.review(review('anna')), fault('SELF_REVIEW'))
  await hire(own, clinic, 'ben')
  await t.rejects(acting.emergencies.review(review('ben')), fault('NOT_PERMITTED'))
  await t.rejects(acting.emergencies.review(review('boss', { outcome: ReviewOutcome.UNSPECIFIED })), fault('INVALID_ARGUMENT'))
  await t.rejects(acting.emergencies.review(review('boss', { outcome: 9 })), fault('INVALID_ARGUMENT'))
  await t.rejects(acting.emergencies.review(review('boss', { emergencyId: randomUUID() })), fault('EMERGENCY_UNKNOWN'))
  const good = review('boss')
  t.ok((await acting.emergencies.review(good)).entry)
  t.match(await lastData(house), {
    emergency_id: emergencyId,
    outcome: 'justified',
    actor: { rule: 'role/administrator#emergency_access.review' },
  })
  t.equal((await acting.emergencies.review(good)).replayed, true)
  await t.rejects(acting.emergencies.review(review('boss')), fault('EMERGENCY_UNKNOWN'))
  t.same((await own.emergencies.listUnreviewed({ clinic })).emergencies, [])
})

t.test('what owes a review is listed oldest first in pages, is an entry, and shows the reason only to whom may see it', async (t) => {
  const house = await aClinic(t)
  const { own, acting, clock } = house
  const ids: string[] = []
  for (const patientId of ['p-1', 'p-2', 'p-3']) {
    ids.push((await own.emergencies.open(opening({ patientId, minutes: 5 }))).emergencyId)
    clock.advance(1_000)
  }
  clock.advance(72 * hour - 2_500)
  const before = (await house.entries(clinic)).length
  const first = await acting.emergencies.listUnreviewed({ clinic, onBehalfOf: staff('boss'), pageSize: 2 })
  t.match(await lastData(house), { query: 'list_unreviewed', actor: { rule: 'role/administrator#emergency_access.review' } })
  const rest = await acting.emergencies.listUnreviewed({
    clinic,
    onBehalfOf: staff('boss'),
    pageSize: 2,
    pageToken: first.nextPageToken,
  })
  t.equal((await house.entries(clinic)).length, before + 1, 'the second page belongs to the first reading')
  t.same(
    [...first.emergencies, ...rest.emergencies].map(({ emergencyId, patientId, overdue, purpose, reason }) => [
      emergencyId,
      patientId,
      overdue,
      purpose,
      reason,
    ]),
    [
      [ids[0], 'p-1', true, 'BTG', 'Unconscious after a fall in the waiting room'],
      [ids[1], 'p-2', false, 'BTG', 'Unconscious after a fall in the waiting room'],
      [ids[2], 'p-3', false, 'BTG', 'Unconscious after a fall in the waiting room'],
    ],
  )
  t.equal(rest.nextPageToken, '')
  const blind = house.clients(
    clinic,
    ownScopes.filter((scope) => scope !== 'audit.unseal'),
  )
  t.match((await blind.emergencies.listUnreviewed({ clinic })).emergencies, [
    { reason: '', patientId: 'p-1', subject: { id: 'anna' } },
    {},
    {},
  ])
  await t.rejects(
    own.emergencies.listUnreviewed({ clinic, pageToken: first.nextPageToken }),
    fault('PAGE_TOKEN_INVALID'),
    'it is of another person',
  )
  await t.rejects(own.emergencies.listUnreviewed({ clinic, pageSize: 1_001 }), fault('INVALID_ARGUMENT'))
  await t.rejects(acting.emergencies.listUnreviewed({ clinic, onBehalfOf: staff('anna') }), fault('NOT_PERMITTED'))
})

t.test('without its ledger nothing is opened and nothing is permitted', async (t) => {
  let broken = false
  const house = await aClinic(t, {
    decorateLedger: (ledger) => ({
      ...ledger,
      append: (append) => (broken ? Promise.reject(new ChartwardenError('LEDGER_UNAVAILABLE')) : ledger.append(append)),
    }),
  })
  const ask = asker(house)
  const { own } = house
  broken = true
  const request = opening()
  await t.rejects(own.emergencies.open(request), fault('LEDGER_UNAVAILABLE'))
  await t.rejects(ask(), fault('LEDGER_UNAVAILABLE'))
  broken = false
  t.equal(await ask(), 'deny no_grant')
  await own.emergencies.open(request)
  t.equal(await ask(), 'permit emergency_access')
  broken = true
  await t.rejects(ask(), fault('LEDGER_UNAVAILABLE'), 'an open emergency is no reason to answer without a record')
})
