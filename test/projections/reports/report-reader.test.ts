import { sql } from 'kysely'
import t from 'tap'
import { systemClock } from '../../../services/kernel/clock.ts'
import { createReportReader } from '../../../services/projections/reports/report-reader.ts'
import { fault } from '../../support/fault.ts'
import { createProjectionHouse } from '../../support/projections.ts'

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
