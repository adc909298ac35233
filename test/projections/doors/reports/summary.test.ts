import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import t from 'tap'
import { AccessKind, SummaryDimension } from '../../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { caught } from '../../../support/caught.ts'
import { fault } from '../../../support/fault.ts'
import { createProjectionHouse } from '../../../support/projections.ts'
import { contextOf, reportsOf, startReports } from '../../../support/reports.ts'

const { DAY, SUBJECT, RESOURCE_TYPE, KIND } = SummaryDimension

t.test("days are those of the clinic's zone, or of the one asked for, also where the clocks change", async (t) => {
  const { script, summary, settle } = await startReports(t)
  const anna = await script.staff('anna')
  // Lisbon: summer time (+1) until 01:00 UTC on 25 October 2026.
  for (const at of ['2026-10-24T22:59:59.999Z', '2026-10-24T23:00:00Z', '2026-10-25T23:59:59Z', '2026-10-26T00:00:00Z']) {
    await script.recorded({ subject: anna, time: Date.parse(at) })
  }
  await settle()
  const days = async (timeZone: string) => {
    const answer = await summary({ query: { dimensions: [DAY], timeZone } })
    return { zone: answer.timeZone, days: answer.rows?.map(({ day, accesses }) => `${day} ${accesses}`) }
  }
  t.same(await days(''), { zone: 'Europe/Lisbon', days: ['2026-10-24 1', '2026-10-25 2', '2026-10-26 1'] }, 'a day of 25 hours')
  t.same(await days('UTC'), { zone: 'UTC', days: ['2026-10-24 2', '2026-10-25 1', '2026-10-26 1'] })
  t.same(await days('Pacific/Kiritimati'), { zone: 'Pacific/Kiritimati', days: ['2026-10-25 2', '2026-10-26 2'] })
})

t.test('a clinic that was registered under an abbreviation has the days of the clock that Node knew it for', async (t) => {
  const house = await createProjectionHouse(t)
  const { script, summary, settle } = reportsOf(t, house, await house.script('north', 'CET'), house.vault)
  await script.recorded({ subject: await script.staff('anna'), time: Date.parse('2026-07-15T22:30:00Z') })
  await settle()
  const { timeZone, rows } = await summary({ query: { dimensions: [DAY] } })
  t.match({ timeZone, day: rows?.[0]?.day }, { timeZone: 'Europe/Brussels', day: '2026-07-16' })
  const other = reportsOf(t, house, await house.script('south', 'US/Pacific-New'), house.vault)
  await other.script.recorded({ subject: await other.script.staff('anna'), time: Date.parse('2026-07-15T22:30:00Z') })
  await other.settle()
  t.match(await other.summary({ query: { dimensions: [DAY] } }), { timeZone: 'America/Los_Angeles', rows: [{ day: '2026-07-15' }] })
})

t.test('without dimensions there is one row, and none where nothing matches', async (t) => {
  const { script, summary, settle, readings } = await startReports(t)
  const anna = await script.staff('anna')
  const patient = await script.patient('p-1')
  await script.decided('permit', { subject: anna, patient })
  await script.decided('permit', { subject: anna, patient })
  await script.decided('deny', { subject: anna })
  await script.decided('probe', { subject: anna, patient })
  await settle()
  t.match(await summary({}), { rows: [{ accesses: 3n, patients: 1n, day: '', resourceType: '' }], totalAccesses: 3n, nextPageToken: '' })
  t.match(await summary({ query: { filter: { kinds: [AccessKind.PROBED] }, dimensions: [KIND] } }), {
    rows: [{ kind: AccessKind.PROBED, accesses: 1n }],
    totalAccesses: 1n,
  })
  t.match(await summary({ query: { filter: { subject: { type: 'staff', id: 'nobody' } } } }), { rows: { length: 0 }, totalAccesses: 0n })
  t.match(readings[0], {
    query: 'summary',
    streamed: false,
    filter: { dimensions: { length: 0 }, kinds: ['authorised', 'performed', 'refused'] },
  })
})

t.test('what is wrong with the query is named', async (t) => {
  const { summary, streamReport, readings } = await startReports(t)
  const fields = async (query: NonNullable<Parameters<typeof summary>[0]['query']>) =>
    (await caught(summary({ query }))).fields.map(({ field }) => field)
  t.same(await fields({ timeZone: 'Mars/Olympus' }), ['query.time_zone'])
  t.same(await fields({ timeZone: 'CET' }), ['query.time_zone'], 'an abbreviation is another clock for Postgres')
  t.same(await fields({ timeZone: '+02:00' }), ['query.time_zone'], 'an offset follows no clock change')
  t.same(await fields({ dimensions: [DAY, DAY] }), ['query.dimensions'])
  t.same(await fields({ dimensions: [99 as SummaryDimension] }), ['query.dimensions'])
  t.same(await fields({ filter: { actions: [''] } }), ['query.filter.actions'])
  const stream = streamReport({ report: { case: 'summary', value: { filter: { actions: [''] } } } })
  t.same(
    (await caught(stream[Symbol.asyncIterator]().next())).fields.map(({ field }) => field),
    ['summary.filter.actions'],
  )
  t.same(
    (await caught(streamReport({})[Symbol.asyncIterator]().next())).fields.map(({ field }) => field),
    ['report'],
  )
  t.equal(readings.length, 0, 'and nothing is recorded')
})

t.test('pages count one ledger while rows arrive; a query made anew counts them', async (t) => {
  const { script, summary, settle, readings } = await startReports(t)
  const anna = await script.staff('anna')
  for (const resourceType of ['a', 'b', 'c', 'd']) await script.decided('permit', { subject: anna, resourceType })
  await settle()
  const query = { dimensions: [RESOURCE_TYPE, SUBJECT] }
  const first = await summary({ query, pageSize: 2 })
  await script.decided('permit', { subject: anna, resourceType: 'd' })
  await script.decided('permit', { subject: anna, resourceType: 'e' })
  await settle()
  const second = await summary({ query, pageSize: 2, pageToken: first.nextPageToken ?? '' })
  const text = (answer: typeof first) => answer.rows?.map(({ resourceType, accesses }) => `${resourceType} ${accesses}`)
  t.same(
    [text(first), text(second)],
    [
      ['a 1', 'b 1'],
      ['c 1', 'd 1'],
    ],
  )
  t.same([first.totalAccesses, second.totalAccesses, second.nextPageToken], [4n, 4n, ''])
  t.equal(second.completeToRevision, first.completeToRevision)
  // The twin: without the cut at the first page's revision the same two pages would be these.
  t.same(text(await summary({ query })), ['a 1', 'b 1', 'c 1', 'd 2', 'e 1'], 'the twin')
  t.same(
    readings.map(({ continuation }) => continuation),
    [false, true, false],
  )
})

t.test('a page token serves its own dimensions, zone, filter, caller and person only', async (t) => {
  const { script, summary, history, settle } = await startReports(t)
  const anna = await script.staff('anna')
  for (const resourceType of ['a', 'b']) await script.decided('permit', { subject: anna, resourceType })
  await settle()
  const query = { dimensions: [RESOURCE_TYPE] }
  const pageToken = (await summary({ query, pageSize: 1 })).nextPageToken ?? ''
  const refused = fault('PAGE_TOKEN_INVALID')
  await t.rejects(summary({ query: { dimensions: [RESOURCE_TYPE, DAY] }, pageToken }), refused, 'other dimensions')
  await t.rejects(summary({ query: { ...query, timeZone: 'UTC' }, pageToken }), refused, 'another zone')
  await t.rejects(summary({ query: { ...query, filter: { from: timestampFromMs(0) } }, pageToken }), refused, 'another filter')
  await t.rejects(summary({ query, pageToken }, contextOf({ caller: 'other' })), refused, 'another caller')
  await t.rejects(summary({ query, pageToken, onBehalfOf: { type: 'staff', id: 'anna' } }), refused, 'another person')
  await t.rejects(history({ pageToken }), refused, 'another report')
  await t.rejects(summary({ query, pageToken, waitForRevision: 9_999n }), fault('INVALID_ARGUMENT'), 'a later page cannot be newer')
  t.match((await summary({ query, pageToken })).rows, [{ resourceType: 'b' }])
})

t.test('names as long as they may be fit into a page token', async (t) => {
  const { script, summary, settle } = await startReports(t)
  const staff = { type: '𝒮'.repeat(64), pseudonym: (await script.staff('anna')).pseudonym }
  const resourceType = '𝒯'.repeat(64)
  for (const purpose of ['A', '𝒫'.repeat(64)]) await script.decided('permit', { subject: staff, resourceType, purpose })
  await settle()
  const query = { dimensions: [SUBJECT, RESOURCE_TYPE, SummaryDimension.PURPOSE, KIND, DAY] }
  const first = await summary({ query, pageSize: 1 })
  const second = await summary({ query, pageSize: 1, pageToken: first.nextPageToken ?? '' })
  t.match(second.rows, [{ purpose: '𝒫'.repeat(64), resourceType, subject: { type: staff.type } }])
})
