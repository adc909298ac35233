import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import t from 'tap'
import { serverProcesses } from '../../../services/kernel/postgres/leftovers.ts'
import { findProcess } from '../../../services/kernel/postgres/process-table.ts'
import { newStateDirectory, startService } from '../../support/embedded-service.ts'
import { waitFor } from '../../support/wait-for.ts'

const query = async <Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> => {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

const remember = (url: string) => query(url, 'create table kept (id int primary key); insert into kept values (42)')
const recall = async (url: string) => (await query<{ id: number }>(url, 'select id from kept')).map((row) => row.id)
const gone = (pid: number) => findProcess(pid) === undefined

t.test('the first start makes a durable server with its own logins, closed to everybody else', async (t) => {
  const { stateDir, dataDirectory } = newStateDirectory(t)
  const service = startService(t, stateDir)
  const ready = await service.ready()
  const names = [
    'fsync',
    'full_page_writes',
    'synchronous_commit',
    'data_checksums',
    'password_encryption',
    'listen_addresses',
    'unix_socket_directories',
  ]
  const [settings] = await query(ready.adminUrl, `select ${names.map((name) => `current_setting('${name}') as ${name}`).join(', ')}`)
  t.strictSame(settings, {
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    data_checksums: 'on',
    password_encryption: 'scram-sha-256',
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
  })
  const rules = await query<{ auth_method: string }>(ready.adminUrl, 'select distinct auth_method from pg_hba_file_rules')
  t.strictSame(rules, [{ auth_method: 'scram-sha-256' }])
  for (const [purpose, url] of Object.entries(ready.urls)) {
    const [login] = await query(
      url,
      'select session_user as name, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles where rolname = session_user',
    )
    t.match(login, { rolsuper: false, rolbypassrls: false, rolcreaterole: false, rolcreatedb: false }, purpose)
  }
  await t.rejects(query(ready.urls.writer, 'create schema intruder'), { code: '42501' })
  await t.rejects(query(ready.urls.feed, 'create temporary table shadow (id int)'), { code: '42501' })
  await t.resolves(query(ready.urls.migrate ?? '', 'create schema allowed; drop schema allowed'))
  const wrong = new URL(ready.adminUrl)
  wrong.password = 'password'
  await t.rejects(query(wrong.href, 'select 1'), { code: '28P01' })

  t.equal(statSync(stateDir).mode & 0o777, 0o700)
  t.equal(statSync(dataDirectory).mode & 0o777, 0o700)
  for (const file of ['lock', 'holder.json', 'postgres.password']) t.equal(statSync(path.join(stateDir, file)).mode & 0o777, 0o600, file)
  for (const row of serverProcesses(dataDirectory)) t.not(row.uid, 0, 'the server does not run as root')
  t.notMatch(
    service.events
      .filter((event) => event.event === 'log')
      .map((event) => JSON.stringify(event))
      .join('\n'),
    new RegExp(
      Object.values(ready.urls)
        .concat(ready.adminUrl)
        .map((url) => new URL(url ?? '').password)
        .join('|'),
    ),
    'no password in the log',
  )
})

t.test('SIGTERM to the whole group leaves the server up until the drain is over, and then nothing runs', async (t) => {
  const { stateDir, dataDirectory } = newStateDirectory(t)
  const service = startService(t, stateDir)
  const ready = await service.ready()
  await remember(ready.adminUrl)
  service.kill('SIGTERM', 'group')
  t.strictSame(await service.ended, { code: 0, signal: null })
  t.match(service.events.at(-2), { event: 'drained', alive: 1 })
  t.match(service.events.at(-1), { event: 'stopped' })
  t.strictSame(serverProcesses(dataDirectory), [])
  t.notOk(existsSync(path.join(dataDirectory, 'postmaster.pid')), 'an orderly shutdown')

  const again = startService(t, stateDir)
  t.strictSame(await recall((await again.ready()).adminUrl), [42], 'what was committed is there after the next start')
})

t.test('SIGINT to the whole group, as from Ctrl-C, does not reach the server', async (t) => {
  const { stateDir } = newStateDirectory(t)
  const service = startService(t, stateDir)
  const ready = await service.ready()
  service.kill('SIGINT', 'group')
  t.equal((await service.ended).signal, 'SIGINT')
  t.strictSame(await query(ready.adminUrl, 'select 1 as alive'), [{ alive: 1 }])
})

t.test('after kill -9 of the service the next start stops the server that was left, and has its data', async (t) => {
  const { stateDir, dataDirectory } = newStateDirectory(t)
  const first = startService(t, stateDir)
  const before = await first.ready()
  await remember(before.adminUrl)
  first.kill('SIGKILL')
  await first.ended
  t.notOk(gone(before.pid), 'the server outlives the service')

  const second = startService(t, stateDir)
  const after = await second.ready()
  t.ok(gone(before.pid))
  t.not(after.pid, before.pid)
  t.strictSame(await recall(after.adminUrl), [42])
  t.equal(serverProcesses(dataDirectory).filter((row) => row.command.includes(' -D ')).length, 1)
  t.match(
    second.events.find((event) => event.logEvent === 'postgres.leftovers_stopped'),
    { pids: [before.pid] },
  )
})

t.test('after kill -9 of the database the service starts it again on the same port and goes on', async (t) => {
  const { stateDir } = newStateDirectory(t)
  const service = startService(t, stateDir)
  const before = await service.ready()
  await remember(before.adminUrl)
  process.kill(before.pid, 'SIGKILL')
  t.match(await service.next('restarting'), { signal: 'SIGKILL' })
  const restarted = await service.next('restarted')
  t.not(restarted.pid, before.pid)
  t.strictSame(await recall(before.adminUrl), [42], 'the same URL serves on')
  t.strictSame(await query(before.urls.writer, 'select 1 as alive'), [{ alive: 1 }])
})

t.test('a server process that is busy when the database is killed does not keep it from starting again', async (t) => {
  const { stateDir } = newStateDirectory(t)
  const service = startService(t, stateDir)
  const before = await service.ready()
  const busy = new pg.Client({ connectionString: before.adminUrl })
  busy.on('error', () => {})
  await busy.connect()
  const [row] = (await busy.query<{ pid: number }>('select pg_backend_pid() as pid')).rows
  // Nothing in this statement looks whether the postmaster lives.
  const statement = busy
    .query('do $$ declare n bigint := 0; begin while n < 9e18 loop n := n + 1; end loop; end $$')
    .catch((thrown: Error) => thrown)
  await waitFor(
    'the statement to run',
    async () => (await query(before.adminUrl, `select from pg_stat_activity where query like 'do $$%' and state = 'active'`)).length === 1,
  )
  process.kill(before.pid, 'SIGKILL')
  await service.next('restarted')
  t.ok(gone(row?.pid ?? 0))
  t.ok((await statement) instanceof Error)
  await busy.end().catch(() => {})
  t.strictSame(await query(before.adminUrl, 'select 1 as alive'), [{ alive: 1 }])
})

t.test('after kill -9 of the service and of the database the next start recovers', async (t) => {
  const { stateDir, dataDirectory } = newStateDirectory(t)
  const first = startService(t, stateDir)
  const before = await first.ready()
  await remember(before.adminUrl)
  first.kill('SIGKILL')
  await first.ended
  process.kill(before.pid, 'SIGKILL')
  await waitFor('the postmaster to end', () => gone(before.pid))
  t.ok(existsSync(path.join(dataDirectory, 'postmaster.pid')), 'the crash left its pid file')
  t.strictSame(await recall((await startService(t, stateDir).ready()).adminUrl), [42])
})

t.test('a second start on the same directory is refused, names directory and process, and disturbs nothing', async (t) => {
  const { stateDir } = newStateDirectory(t)
  const first = startService(t, stateDir)
  const ready = await first.ready()
  const second = startService(t, stateDir)
  t.equal((await second.ended).code, 1)
  const refusal = await second.next('refused')
  t.match(refusal, { startError: true })
  t.match(refusal.message, new RegExp(`^The state directory ${stateDir} is in use by process ${first.pid};[^\\n]*$`))
  t.strictSame(await query(ready.adminUrl, 'select 1 as alive'), [{ alive: 1 }])
})

t.test('of several starts at once exactly one wins, on a new directory and after a crash', async (t) => {
  const { stateDir, dataDirectory } = newStateDirectory(t)
  for (const round of ['new', 'crashed']) {
    const services = Array.from({ length: 4 }, () => startService(t, stateDir))
    const outcomes = await Promise.allSettled(services.map((service) => service.ready()))
    t.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1, round)
    const winner = services[outcomes.findIndex((outcome) => outcome.status === 'fulfilled')]
    for (const service of services) {
      if (service !== winner) t.match(await service.next('refused'), { startError: true, message: `is in use by process ${winner?.pid};` })
    }
    t.equal(serverProcesses(dataDirectory).filter((row) => row.command.includes(' -D ')).length, 1, 'one server')
    winner?.kill('SIGKILL')
    await winner?.ended
  }
})

t.test('a crash while the directory is being made is made good by the next start', async (t) => {
  const { stateDir, dataDirectory } = newStateDirectory(t)
  const home = path.dirname(dataDirectory)
  const first = startService(t, stateDir)
  await waitFor(
    'initdb to be at work',
    () => existsSync(home) && readdirSync(home).some((name) => existsSync(path.join(home, name, 'PG_VERSION'))),
  )
  t.notOk(existsSync(dataDirectory))
  first.kill('SIGKILL')
  await first.ended
  const ready = await startService(t, stateDir).ready()
  t.strictSame(await query(ready.adminUrl, 'select 1 as alive'), [{ alive: 1 }])
  t.strictSame(readdirSync(home), ['data'])
})

t.test('a server that cannot be started again is reported as failed', async (t) => {
  const { stateDir, dataDirectory } = newStateDirectory(t)
  const service = startService(t, stateDir)
  const ready = await service.ready()
  writeFileSync(path.join(dataDirectory, 'pg_hba.conf'), 'nonsense\n')
  process.kill(ready.pid, 'SIGKILL')
  t.match(await service.next('failed'), { error: /could not load .*pg_hba.conf/ })
})
