import { createServer, type Socket } from 'node:net'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { createKysely, createPool, endPool, type PoolOptions } from '../../../services/kernel/postgres/pool.ts'
import { createTestDatabase, ownTestServer } from '../../support/postgres.ts'
import { query } from '../../support/query.ts'
import { waitFor } from '../../support/wait-for.ts'

t.setTimeout(300_000)

const open = (test: Test, url: string, options: Partial<PoolOptions> = {}) => {
  const warnings: Record<string, unknown>[] = []
  const pool = createPool({ url, applicationName: 'pool-test', logger: { warn: (fields) => warnings.push({ ...fields }) }, ...options })
  test.teardown(() => (pool.ended ? undefined : endPool(pool)))
  return { pool, warnings }
}

const terminate = (adminUrl: string) =>
  query(adminUrl, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pool-test'`)

t.test('an idle connection that is lost is logged and replaced', async (t) => {
  const database = await createTestDatabase(t)
  const { pool, warnings } = open(t, database.writerUrl)
  await pool.query('select 1')
  await terminate(database.adminUrl)
  await waitFor('the loss to be noticed', () => warnings.length === 1)
  t.strictSame(warnings, [{ event: 'postgres.connection_lost', pool: 'pool-test', code: '57P01' }])
  t.strictSame((await pool.query('select 1 as alive')).rows, [{ alive: 1 }])
})

t.test('a connection lost while it is checked out fails its next statement and nothing else', async (t) => {
  const database = await createTestDatabase(t)
  const { pool } = open(t, database.writerUrl)
  const client = await pool.connect()
  const lost = new Promise((resolve) => client.once('end', resolve))
  await terminate(database.adminUrl)
  await lost
  await t.rejects(client.query('select 1'))
  client.release(true)
  t.strictSame((await pool.query('select 1 as alive')).rows, [{ alive: 1 }])
})

t.test('a pool outlives a crash of its server', async (t) => {
  const server = await ownTestServer(t)
  const database = await createTestDatabase(t, { server })
  const { pool } = open(t, database.writerUrl)
  const client = await pool.connect()
  const lost = new Promise((resolve) => client.once('end', resolve))
  await pool.query('select 1')
  const underWay = pool.query('select pg_sleep(600)').catch((thrown: unknown) => thrown)
  await waitFor('the statement to run', async () => {
    const { rowCount } = await client.query(`select from pg_stat_activity where query like '%pg_sleep(600)%' and wait_event = 'PgSleep'`)
    return rowCount === 1
  })
  await server.kill('SIGQUIT')
  t.ok((await underWay) instanceof Error)
  await lost
  client.release(true)
  await t.rejects(pool.query('select 1'), { code: 'ECONNREFUSED' })
  await server.start()
  t.strictSame((await pool.query('select 1 as alive')).rows, [{ alive: 1 }])
})

t.test('the server shows the name and ends what takes too long', async (t) => {
  const database = await createTestDatabase(t)
  const { pool } = open(t, database.writerUrl, { statementTimeoutMs: 1000, idleInTransactionTimeoutMs: 1234 })
  const { rows } = await pool.query(
    `select current_setting('application_name') as name, current_setting('idle_in_transaction_session_timeout') as idle`,
  )
  t.strictSame(rows, [{ name: 'pool-test', idle: '1234ms' }])
  await t.rejects(pool.query('select pg_sleep(600)'), { code: '57014' })
})

t.test('a server that accepts and says nothing is given up in time', async (t) => {
  const sockets: Socket[] = []
  const silent = createServer((socket) => sockets.push(socket))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  const { port } = silent.address() as { port: number }
  const { pool } = open(t, `postgresql://nobody@127.0.0.1:${port}/none`, { connectionTimeoutMs: 50 })
  await t.rejects(pool.query('select 1'), /timeout/)
})

t.test('no more connections than allowed, and who waits too long for one is told', async (t) => {
  const database = await createTestDatabase(t)
  const { pool } = open(t, database.writerUrl, { max: 1, connectionTimeoutMs: 2000 })
  const client = await pool.connect()
  await t.rejects(pool.query('select 1'), /timeout/)
  client.release()
  await t.resolves(pool.query('select 1'))
})

t.test('every connection takes the role it is given', async (t) => {
  const database = await createTestDatabase(t)
  const { pool } = open(t, database.adminUrl, { role: { name: 'chartwarden_query', required: true } })
  const who = `select current_user as role, session_user as login, pg_backend_pid() as pid`
  const [first, second] = await Promise.all([pool.query(who), pool.query(who)])
  t.match(first.rows, [{ role: 'chartwarden_query', login: 'chartwarden_admin' }])
  t.match(second.rows, [{ role: 'chartwarden_query', login: 'chartwarden_admin' }])
  t.not(first.rows[0].pid, second.rows[0].pid)
})

t.test('a role that may not be taken refuses the connection where it is required, else it warns', async (t) => {
  const database = await createTestDatabase(t)
  const required = open(t, database.feedUrl, { role: { name: 'chartwarden_query', required: true } })
  await t.rejects(required.pool.query('select 1'), { code: '42501' })
  const wished = open(t, database.feedUrl, { role: { name: 'chartwarden_query', required: false } })
  t.strictSame((await wished.pool.query('select current_user as role')).rows, [{ role: 'chartwarden_feed_login' }])
  t.strictSame(wished.warnings, [{ event: 'postgres.role_not_taken', pool: 'pool-test', role: 'chartwarden_query', code: '42501' }])
})

t.test('ending a pool waits for whoever still uses it and until the server has let go', async (t) => {
  const database = await createTestDatabase(t)
  const { pool } = open(t, database.writerUrl)
  const [, client] = await Promise.all([pool.query('select 1'), pool.connect()])
  const sessions = async () => (await query(database.adminUrl, `select from pg_stat_activity where application_name = 'pool-test'`)).length
  t.equal(await sessions(), 2)
  const ended = endPool(pool).then(() => 'ended')
  await client.query('select 1')
  t.equal(await Promise.race([ended, 'waiting']), 'waiting')
  client.release()
  await ended
  await waitFor('the server to let go', async () => (await sessions()) === 0)
})

t.test('the query builder uses the pool, and destroying it ends the pool', async (t) => {
  const database = await createTestDatabase(t)
  const { pool } = open(t, database.writerUrl)
  const db = createKysely<Record<string, never>>(pool)
  const { rows } = await sql<{ login: string }>`select session_user as login`.execute(db)
  t.strictSame(rows, [{ login: 'chartwarden_writer_login' }])
  await db.destroy()
  t.ok(pool.ended)
})
