import t from 'tap'
import { AccessKind, ActivityKind } from '../../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { caught } from '../../../support/caught.ts'
import { contextOf, startReports } from '../../../support/reports.ts'

t.test('changes, readings, recordings and accesses of one person stand in one order', async (t) => {
  const { script, activity, settle, readings } = await startReports(t)
  const [anna, ben] = [await script.staff('anna'), await script.staff('ben')]
  const patient = await script.patient('p-1')
  await script.decided('permit', { subject: anna, patient, reason: 'toothache' })
  await script.granted(ben, 'assistant', { by: anna })
  await script.granted(anna, 'dentist', { by: ben })
  await script.write('chartwarden.trail.viewed.v1', {
    actor: { subject: anna, rule: 'r' },
    query: 'access_history',
    streamed: true,
    subject: ben,
    patient,
  })
  await script.write('chartwarden.concern.recorded.v1', { patient, recorded_by: anna, kind: 'dispute', raised_at: '2026-11-23T09:00:00Z' })
  await script.decided('deny', { subject: anna, resourceType: 'staff_account', action: 'update' }, { operation: 'grant_role' })
  await script.decided('probe', { subject: anna, patient })
  await script.offboarded(ben, { by: anna })
  await settle()
  const query = { subject: { type: 'staff', id: 'anna' } }
  const { ACCESS, CHANGE, READING, RECORDING, PROBE } = ActivityKind
  t.match((await activity({ query })).rows, [
    { kind: CHANGE, type: 'chartwarden.staff.offboarded.v1', about: { type: 'staff', id: 'ben' }, detail: '', caller: 'practice-software' },
    { kind: ACCESS, detail: 'grant_role', access: { kind: AccessKind.REFUSED, resourceType: 'staff_account', flags: ['administrative'] } },
    { kind: RECORDING, type: 'chartwarden.concern.recorded.v1', patientId: 'p-1', detail: 'dispute' },
    { kind: READING, about: { id: 'ben' }, patientId: 'p-1', detail: 'access_history' },
    { kind: CHANGE, type: 'chartwarden.role.granted.v1', about: { id: 'ben' }, detail: 'assistant', access: undefined },
    { kind: ACCESS, patientId: 'p-1', detail: '', access: { reason: 'toothache', resourceId: 'record-1' } },
  ])
  const kinds = async (asked: ActivityKind[]) => (await activity({ query: { ...query, kinds: asked } })).rows?.map(({ kind }) => kind)
  t.same(await kinds([PROBE]), [PROBE])
  t.same(await kinds([READING, CHANGE]), [CHANGE, READING, CHANGE])
  const sealed = await activity({ query: { ...query, kinds: [ACCESS] } }, contextOf({ scopes: ['report.read'] }))
  t.match(sealed.rows, [{}, { access: { reason: '' } }], 'free text only with audit.unseal')
  t.match(readings[0], { query: 'staff_activity', subject: { type: 'staff', id: 'anna' } })
})

t.test('what software did for nobody is its own, what it did for somebody is theirs', async (t) => {
  const { script, activity, settle } = await startReports(t)
  const [anna, ben] = [await script.staff('anna'), await script.staff('ben')]
  await script.granted(ben, 'assistant', { by: anna })
  await script.granted(anna, 'dentist')
  await script.write('chartwarden.emergency.closed.v1', {
    actor: { rule: 'expiry' },
    emergency_id: '00000000-0000-4000-8000-000000000000',
    subject: anna,
    patient: await script.patient('p-1'),
    cause: 'expired',
  })
  await settle()
  t.match((await activity({ query: { subject: { type: 'service', id: 'practice-software' } } })).rows, [
    { type: 'chartwarden.role.granted.v1', about: { id: 'anna' } },
    { type: 'chartwarden.clinic.registered.v1' },
  ])
  t.same((await activity({ query: { subject: { type: 'service', id: 'another' } } })).rows, [])
  t.same((await activity({ query: { subject: { type: 'staff', id: 'practice-software' } } })).rows, [], 'a person of that name is another')
})

t.test('a person is needed, and kinds must exist', async (t) => {
  const { activity, readings } = await startReports(t)
  const fields = async (query: NonNullable<Parameters<typeof activity>[0]['query']>) =>
    (await caught(activity({ query }))).fields.map(({ field }) => field)
  t.same(await fields({}), ['query.subject'])
  t.same(await fields({ subject: { type: 'staff', id: '' }, kinds: [99 as ActivityKind] }), ['query.subject.id', 'query.kinds'])
  t.equal(readings.length, 0)
})
