import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import t from 'tap'
import { systemClock } from '../../../../services/kernel/clock.ts'
import { accountScope } from '../../../../services/projections/reports/account-scope.ts'
import { createPeople } from '../../../../services/projections/reports/people.ts'
import { createReportReader } from '../../../../services/projections/reports/report-reader.ts'
import { caught } from '../../../support/caught.ts'
import { reportsOf, startReports } from '../../../support/reports.ts'

const window = { from: timestampFromMs(Date.parse('2026-11-23T00:00:00Z')), until: timestampFromMs(Date.parse('2026-11-24T00:00:00Z')) }
const account = { case: 'subject' as const, value: { type: 'staff', id: 'anna' } }

t.test('the first question after a stolen password: which patients, how many records, what else', async (t) => {
  const { script, scope, streamReport, settle, readings } = await startReports(t)
  const anna = await script.staff('anna')
  const [one, two] = [await script.patient('p-1'), await script.patient('p-2')]
  await script.decided('permit', { subject: anna, patient: two, resourceId: 'x-1' })
  await script.recorded({ subject: anna, patient: two, resourceId: 'x-1' })
  await script.decided('permit', { subject: anna, patient: two, resourceId: 'x-2', action: 'export', resourceType: 'invoice' })
  await script.decided('deny', { subject: anna, patient: one })
  await script.decided('permit', { subject: anna, resourceId: 'calendar' })
  await script.decided('permit', { subject: await script.staff('ben'), patient: one })
  await script.granted(anna, 'dentist', { by: anna })
  await settle()
  const answer = await scope({ query: { account, ...window } })
  t.match(answer.patients, [
    {
      patientId: 'p-2',
      authorised: 2n,
      performed: 1n,
      refused: 0n,
      records: 2n,
      resourceTypes: ['imaging', 'invoice'],
      actions: ['export', 'read'],
    },
    { patientId: 'p-1', authorised: 0n, performed: 0n, refused: 1n, records: 0n, resourceTypes: { length: 0 } },
  ])
  t.match(answer.totals, {
    patients: 1n,
    patientsRefusedOnly: 1n,
    records: 3n,
    authorised: 3n,
    performed: 1n,
    refused: 1n,
    withoutPatient: 1n,
    changes: 1n,
    readings: 0n,
    recordsCounted: true,
  })
  const items: unknown[] = []
  for await (const { item } of streamReport({ report: { case: 'accountScope', value: { account, ...window } } })) items.push(item?.case)
  t.same(items, ['accountScopeTotals', 'accountScope', 'accountScope', 'end'], 'the totals come before the rows')
  t.match(readings, [
    { query: 'account_scope', subject: { id: 'anna' }, streamed: false },
    { query: 'account_scope', streamed: true },
  ])
})

t.test('records of a window too long to open are not counted, and that is said', async (t) => {
  const { house, script, settle } = await startReports(t)
  const anna = await script.staff('anna')
  for (const patientId of ['p-1', 'p-2', 'p-3']) await script.decided('permit', { subject: anna, patient: await script.patient(patientId) })
  await settle()
  const call = {
    clinic: script.clinic,
    projections: ['access_history', 'activities'],
    vault: script.vault,
    reader: createReportReader({ pool: house.queryPool, clock: systemClock }),
    people: createPeople(),
    unseal: false,
    deadline: systemClock.monotonic() + 20_000,
  }
  const query = { account: { kind: 'caller' as const, caller: 'practice-software' }, from: 0n, until: 4_000_000_000_000_000n }
  const range = { through: undefined, after: undefined, limit: 2 }
  const cut = await accountScope(call, query, range, { maxOpenedAccesses: 2n })
  t.match(cut, { extra: { recordsCounted: false, records: 0n, patients: 3n }, rows: [{ records: 0n }, { records: 0n }] })
  const later = await accountScope(call, query, { through: cut.completeTo, after: cut.next, limit: 2 }, { maxOpenedAccesses: 2n })
  t.match(later, { extra: { recordsCounted: false, records: 0n, patients: 3n }, rows: [{ patientId: 'p-3' }] })
  const whole = await accountScope(call, query, range, { maxOpenedAccesses: 3n })
  t.match(whole, { extra: { recordsCounted: true, records: 1n }, rows: [{ records: 1n }, { records: 1n }] }, 'the twin')
})

t.test('an erased patient is still one, with one record of each category', async (t) => {
  const { house, script, settle } = await startReports(t)
  const anna = await script.staff('anna')
  const patient = await script.patient('p-1')
  for (const resourceId of ['x-1', 'x-2']) await script.decided('permit', { subject: anna, patient, resourceId })
  await settle()
  house.keyStore.destroy(script.clinic, patient)
  const replica = reportsOf(t, house, script, house.replicaVault())
  t.match(await replica.scope({ query: { account, ...window } }), {
    patients: [{ patientId: `erased:${patient}`, authorised: 2n, records: 1n }],
    totals: { patients: 1n, records: 1n },
  })
})

t.test('both ends of the window and exactly one account are needed', async (t) => {
  const { scope, readings } = await startReports(t)
  const fields = async (query: NonNullable<Parameters<typeof scope>[0]['query']>) =>
    (await caught(scope({ query }))).fields.map(({ field }) => field)
  t.same(await fields({}), ['query.account', 'query.from', 'query.until'])
  t.same(await fields({ account: { case: 'caller', value: '' }, ...window }), ['query.caller'])
  t.same(await fields({ account, from: window.until, until: window.from }), ['query.until'])
  t.equal(readings.length, 0)
})

t.test('whom no entry names is said, and whom one does is not, however little there is to show', async (t) => {
  const { script, scope, patient, activity, history, streamReport, settle } = await startReports(t)
  await script.decided('permit', { subject: await script.staff('anna'), patient: await script.patient('p-1') })
  await settle()
  const before = { from: timestampFromMs(0), until: timestampFromMs(1) }
  const nobody = { type: 'staff', id: 'nobody' }
  const sentence = /no entry of this clinic names staff:nobody; check the spelling/
  t.match((await scope({ query: { account: { case: 'subject', value: nobody }, ...window } })).notes, [sentence])
  t.same((await scope({ query: { account, ...before } })).notes, [], 'twin: anna did nothing then, and is known')
  t.match((await scope({ query: { account: { case: 'caller', value: 'nobody' }, ...window } })).notes, [/names the software nobody/])
  t.match((await activity({ query: { subject: nobody } })).notes, [sentence], 'the reading before, which named nobody too, does not count')
  t.match((await patient({ query: { patientId: 'p-9' } })).notes, [/names the patient p-9/])
  t.match((await history({ filter: { subject: nobody, patientId: 'p-9' } })).notes, [sentence, /p-9/])
  t.same((await history({ filter: { subject: { type: 'staff', id: 'anna' }, patientId: 'p-1' } })).notes, [])
  const ends: unknown[] = []
  for await (const { item } of streamReport({ report: { case: 'staffActivity', value: { subject: nobody } } })) ends.push(item?.value)
  t.match(ends, [{ items: 0n, notes: [sentence] }])
  const wrong = await caught(scope({ query: { account, from: window.until, until: window.from } }))
  t.match(wrong, { reason: 'INVALID_ARGUMENT', message: 'query.until: must be after from' })
})
