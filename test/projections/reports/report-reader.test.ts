import { sql } from 'kysely'
import t from 'tap'
import { createClinicGate } from '../../../services/kernel/clinic-gate.ts'
import { systemClock } from '../../../services/kernel/clock.ts'
import { createReportReader } from '../../../services/projections/reports/report-reader.ts'
import { fault } from '../../support/fault.ts'
import { createProjectionHouse } from '../../support/projections.ts'
import { waitFor } from '../../support/wait-for.ts'

const soon = (milliseconds: number) => systemClock.monotonic() + milliseconds

t.test('a statement ends with the deadline of the call', async (t) => {
  const house = await createProjectionHouse(t)
  const reader = createReportReader({ pool: house.queryPool, clock: systemClock })
  await t.rejects(
    reader.read('north', soon(150), (transaction) => sql`select pg_sleep(60)`.execute(transaction)),
    fault('DEADLINE_EXCEEDED'),
  )
  await t.rejects(
    reader.read('north', soon(-1), async () => t.fail('it was run')),
    fault('DEADLINE_EXCEEDED'),
  )
})

t.test('nothing can be written while reading', async (t) => {
  const house = await createProjectionHouse(t)
  const reader = createReportReader({ pool: house.feedPool, clock: systemClock })
  const write = sql`insert into chartwarden_projections.clinic_progress (lane, clinic, complete_to_revision) values (1, 'north', 1)`
  await t.rejects(
    reader.read('north', soon(5_000), (transaction) => write.execute(transaction)),
    fault('INTERNAL'),
  )
  t.same(await house.rows('progress'), [])
})

t.test('a lost connection is UNAVAILABLE, and the next call is answered', async (t) => {
  const house = await createProjectionHouse(t)
  const reader = createReportReader({ pool: house.queryPool, clock: systemClock })
  const kill = reader.read('north', soon(5_000), async (transaction) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(transaction)
    await house.adminPool.query('select pg_terminate_backend($1, 5000)', [rows[0]?.pid])
    await sql`select 1`.execute(transaction)
  })
  await t.rejects(kill, fault('LEDGER_UNAVAILABLE'))
  t.equal(await reader.read('north', soon(5_000), async () => 'answered'), 'answered')
})

t.test('a server that is gone is UNAVAILABLE', async (t) => {
  const house = await createProjectionHouse(t)
  const { Pool } = (await import('pg')).default
  const pool = new Pool({ connectionString: house.urls.query.replace(/:\d+\//, ':1/') })
  t.teardown(() => pool.end())
  await t.rejects(
    createReportReader({ pool, clock: systemClock }).read('north', soon(5_000), async () => 1),
    fault('LEDGER_UNAVAILABLE'),
  )
})

/** Statements under way that sleep so long. */
const sleeping = async ({ adminPool }: Awaited<ReturnType<typeof createProjectionHouse>>, seconds: number): Promise<number> => {
  const { rows } = await adminPool.query<{ count: number }>(
    `select count(*)::integer as count from pg_stat_activity where state = 'active' and query = $1`,
    [`select pg_sleep(${seconds})`],
  )
  return rows[0]?.count ?? 0
}

t.test('a statement ends with the caller, and its connection is lent to nobody else', async (t) => {
  const house = await createProjectionHouse(t)
  const reader = createReportReader({ pool: house.queryPool, clock: systemClock })
  const begin = (seconds: number, signal?: AbortSignal) =>
    reader.read('north', soon(120_000), (transaction) => sql.raw(`select pg_sleep(${seconds})`).execute(transaction), {
      ...(signal === undefined ? {} : { signal }),
    })
  const gone = new AbortController()
  const reading = begin(61, gone.signal)
  const twin = begin(62)
  await waitFor('both statements', async () => (await sleeping(house, 61)) + (await sleeping(house, 62)) === 2)
  gone.abort()
  await t.rejects(reading, fault('CALL_CANCELLED'))
  t.equal(await sleeping(house, 61), 0)
  t.equal(await sleeping(house, 62), 1, 'the twin: a statement that knows no caller goes on')
  await t.rejects(begin(61, gone.signal), fault('CALL_CANCELLED'), 'nothing is begun for who has gone')
  await house.adminPool.query(
    `select pg_cancel_backend(pid) from pg_stat_activity where query = 'select pg_sleep(62)' and state = 'active'`,
  )
  await t.rejects(twin, fault('DEADLINE_EXCEEDED'))
  t.equal(await reader.read('north', soon(5_000), async () => 'answered'), 'answered')
})

t.test('what one clinic asks for leaves connections for the others', async (t) => {
  const house = await createProjectionHouse(t)
  const places = house.queryPool.options.max
  const answeredBeside = async (clinicPlaces: number, seconds: number): Promise<string> => {
    const gate = createClinicGate({ places, clinicPlaces, clock: systemClock })
    const reader = createReportReader({ pool: house.queryPool, gate, clock: systemClock })
    const gone = new AbortController()
    const many = Array.from({ length: places + 6 }, () =>
      reader
        .read('north', soon(120_000), (transaction) => sql.raw(`select pg_sleep(${seconds})`).execute(transaction), { signal: gone.signal })
        .catch(() => undefined),
    )
    await waitFor('as many statements as may be', async () => (await sleeping(house, seconds)) === clinicPlaces)
    const answered = await reader.read('south', soon(2_000), async () => 'answered').catch(({ reason }) => String(reason))
    gone.abort()
    await Promise.all(many)
    return answered
  }
  t.equal(await answeredBeside(2, 63), 'answered')
  t.equal(await answeredBeside(places, 64), 'DEADLINE_EXCEEDED', 'the twin: without a share there is no connection left')
})
