/** No clinic takes the reports of another, and what is read for a caller ends when that caller goes. */
import t from 'tap'
import { clientsOf, hire, readRecord, registerTestClinic } from '../support/clinic.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { query } from '../support/query.ts'
import { startTestService } from '../support/service.ts'
import { waitFor } from '../support/wait-for.ts'

t.setTimeout(120_000)

/** As if each statement about the clinic's accesses took a minute and more. */
const slowDown = async (adminUrl: string, clinic: string): Promise<void> => {
  const [live] = await query<{ schema_name: string }>(
    adminUrl,
    `select schema_name from chartwarden_projections.generations where projection = 'access_history' and state = 'live'`,
  )
  await query(
    adminUrl,
    `create policy slow on ${live?.schema_name}.access_history as restrictive for select to chartwarden_query
       using (case when clinic = '${clinic}' then pg_sleep(90) is not null else true end)`,
  )
}

/** Statements of reports that are under way. */
const underWay = async (adminUrl: string): Promise<number> => {
  const [row] = await query<{ count: number }>(
    adminUrl,
    `select count(*)::integer as count from pg_stat_activity
     where datname = current_database() and state = 'active' and wait_event = 'PgSleep'`,
  )
  return row?.count ?? 0
}

t.test('many slow reports of one clinic leave the others theirs, and end with their callers', async (t) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, { database })
  const clinics = ['north', 'south'] as const
  const [north, south] = await Promise.all(
    clinics.map(async (clinic) => {
      const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
      await registerTestClinic(clients, clinic)
      await hire(clients, clinic, 'anna')
      const { entry } = await clients.access.check(readRecord(clinic, 'anna'))
      await clients.reports.accessHistory({ clinic, waitForRevision: entry?.revision ?? 0n })
      return clients
    }),
  )
  if (north === undefined || south === undefined) throw new Error('two clinics')
  await slowDown(database.adminUrl, 'north')

  const gone = new AbortController()
  const all = async (stream: AsyncIterable<unknown>): Promise<void> => {
    for await (const _ of stream);
  }
  const many = Array.from({ length: 26 }, (_, index) => {
    const options = { signal: gone.signal, timeoutMs: 90_000 }
    const call =
      index % 2 === 0
        ? north.reports.summary({ clinic: 'north' }, options)
        : all(north.reports.streamReport({ clinic: 'north', report: { case: 'summary', value: {} } }, options))
    return call.then(
      () => 'answered',
      ({ reason }) => String(reason),
    )
  })
  const pages = Array.from({ length: 8 }, () =>
    north.reports.accessHistory({ clinic: 'north' }, { signal: gone.signal, timeoutMs: 90_000 }).catch(() => undefined),
  )
  await waitFor('the clinic to have its share', async () => (await underWay(database.adminUrl)) === 5)
  const { rows } = await south.reports.accessHistory({ clinic: 'south' })
  t.ok(rows.length > 0, 'another clinic’s report is answered')
  await all(south.audit.readEntries({ clinic: 'south' }))
  t.pass('and so are its entries')
  await all(north.audit.readEntries({ clinic: 'south' })).then(
    () => t.fail('a token names its clinics'),
    ({ reason }) => t.equal(reason, 'CLINIC_NOT_ALLOWED'),
  )
  t.equal(await underWay(database.adminUrl), 5, 'all the while')
  gone.abort()
  await Promise.all([...many, ...pages])
  await waitFor('the statements to end', async () => (await underWay(database.adminUrl)) === 0)
})
