/** What a report's read models could not take is told with it: nothing is missing in silence. */
import t from 'tap'
import { contextOf, startReports } from '../../support/reports.ts'

/** Of no type this release knows, so that it may concern every report; and an access that cannot be read, which concerns those of accesses. */
const startWithParked = async (...args: Parameters<typeof startReports>) => {
  const reports = await startReports(...args)
  const { script, house, settle } = reports
  const anna = await script.staff('anna')
  await script.decided('permit', { subject: anna })
  await script.writeRaw('chartwarden.future.invented.v1', {})
  await script.writeRaw('chartwarden.access.decided.v1', { subject: anna, decision: 'maybe' })
  const last = await script.decided('permit', { subject: anna })
  const other = await house.script('south')
  await other.writeRaw('chartwarden.future.invented.v1', {})
  await settle()
  return { ...reports, anna, last }
}

const subject = { type: 'staff', id: 'anna' }
const window = { from: { seconds: 0n }, until: { seconds: 7_000_000_000n } }

t.test('every page says how many entries of the clinic its read models could not take', async (t) => {
  const reports = await startWithParked(t)
  const ofAccesses = [
    await reports.history({}),
    await reports.summary({}),
    await reports.patient({ query: { patientId: 'p-1' } }),
    await reports.activity({ query: { subject } }),
    await reports.scope({ query: { account: { case: 'subject', value: subject }, ...window } }),
    await reports.leavers({}),
  ]
  for (const { parkedEntries } of ofAccesses) t.equal(parkedEntries, 2n)
  for (const answer of [await reports.grants({}), await reports.disclosures({}), await reports.concerns({})]) {
    t.equal(answer.parkedEntries, 1n, 'an access that cannot be read is missing in no report of anything else')
  }
  const elsewhere = await reports.history({ clinic: 'south' })
  t.equal(elsewhere.parkedEntries, 1n, 'only those of the clinic asked about')
})

t.test('the end of a stream says it too', async (t) => {
  const { stream, streamReport } = await startWithParked(t)
  for (const items of [stream({}), streamReport({ report: { case: 'summary', value: {} } })]) {
    const ends: unknown[] = []
    for await (const { item } of items) if (item?.case === 'end') ends.push(item.value.parkedEntries)
    t.same(ends, [2n])
  }
})

t.test('a later page tells of what it is complete to, and what comes after that is not counted', async (t) => {
  const { script, history, settle } = await startWithParked(t)
  const first = await history({ pageSize: 1 })
  t.equal(first.parkedEntries, 2n)
  await script.writeRaw('chartwarden.future.invented.v1', {})
  await settle()
  const later = await history({ pageSize: 1, pageToken: first.nextPageToken ?? '' })
  t.equal(later.parkedEntries, 2n)
  t.equal((await history({})).parkedEntries, 3n)
})

t.test('a watch says it with how far it has come, and once it falls', async (t) => {
  const { script, anna, last, projections, house } = await startWithParked(t)
  const abort = new AbortController()
  const request = { clinic: 'north', fromRevision: 0n } as Parameters<typeof projections.handlers.watchAccess>[0]
  const said: unknown[] = []
  const watch = projections.handlers.watchAccess(request, contextOf({ signal: abort.signal }))[Symbol.asyncIterator]()
  const next = async (): Promise<void> => {
    for (;;) {
      const step = await watch.next()
      if (step.done === true) throw new Error('the watch ended')
      if (step.value.item?.case !== 'completeToRevision') continue
      said.push(step.value.parkedEntries)
      if ((step.value.item.value ?? -1n) >= last.revision) return
    }
  }
  await next()
  t.equal(said.at(-1), 2n)
  await house.adminPool.query(`delete from chartwarden_projections.parked where clinic = 'north'`)
  await script.decided('permit', { subject: anna })
  await next()
  t.equal(said.at(-1), 0n)
  abort.abort()
  await watch.return?.()
})

t.test('twin: a query role that may not see them is noticed', async (t) => {
  const { house, history } = await startWithParked(t)
  await house.adminPool.query('drop policy clinic on chartwarden_projections.parked')
  t.equal((await history({})).parkedEntries, 0n)
})
