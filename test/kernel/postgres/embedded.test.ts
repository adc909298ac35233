import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { serverProcesses } from '../../../services/kernel/postgres/leftovers.ts'
import { newStateDirectory, startService, usedStateDirectory } from '../../support/embedded-service.ts'
import { query } from '../../support/query.ts'

t.setTimeout(300_000)

t.test('the first start makes a durable server with its own logins, closed to everybody else', async (t) => {
  const { stateDir, dataDirectory } = newStateDirectory(t)
  const service = startService(t, stateDir)
  const ready = await service.ready()
  const expected = {
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    data_checksums: 'on',
    password_encryption: 'scram-sha-256',
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    server_encoding: 'UTF8',
    log_min_error_statement: 'panic',
    log_statement: 'none',
  }
  const columns = Object.keys(expected).map((name) => `current_setting('${name}') as ${name}`)
  t.strictSame(await query(ready.adminUrl, `select ${columns.join(', ')}`), [expected])
  const rules = await query(ready.adminUrl, 'select distinct auth_method from pg_hba_file_rules')
  t.strictSame(rules, [{ auth_method: 'scram-sha-256' }])
  const wrong = new URL(ready.adminUrl)
  wrong.password = 'password'
  await t.rejects(query(wrong.href, 'select 1'), { code: '28P01' })

  for (const [purpose, url] of Object.entries(ready.urls)) {
    const attributes = 'rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication'
    const [login] = await query(url, `select ${attributes} from pg_roles where rolname = session_user`)
    t.strictSame(
      { ...login },
      { rolsuper: false, rolbypassrls: false, rolcreaterole: false, rolcreatedb: false, rolreplication: false },
      purpose,
    )
  }
  await t.rejects(query(ready.urls.writer, 'create schema intruder'), { code: '42501' })
  await t.rejects(query(ready.urls.feed, 'create temporary table shadow (id int)'), { code: '42501' })
  await t.rejects(query(ready.urls.query, 'set role chartwarden_owner'), { code: '42501' })
  await t.resolves(query(ready.urls.migrate ?? '', 'set role chartwarden_owner; create schema allowed; drop schema allowed'))

  t.equal(statSync(stateDir).mode & 0o777, 0o700)
  t.equal(statSync(dataDirectory).mode & 0o777, 0o700)
  for (const file of ['lock', 'holder.json', 'postgres.password']) t.equal(statSync(path.join(stateDir, file)).mode & 0o777, 0o600, file)
  const processes = serverProcesses(dataDirectory)
  t.ok(processes.length > 1)
  t.notOk(
    processes.some((row) => row.uid === 0),
    'nothing of the server runs as root',
  )

  const passwords = [ready.adminUrl, ...Object.values(ready.urls)].map((url) => new URL(url ?? '').password)
  t.equal(new Set(passwords).size, 5, 'every login has a password of its own')
  const log = JSON.stringify(service.events.filter((event) => event.event === 'log'))
  t.notOk(
    passwords.some((password) => log.includes(password)),
    'no password in the log',
  )
})

t.test('SIGTERM to the whole group leaves the server up until the drain is over, and then nothing runs', async (t) => {
  const { stateDir, dataDirectory } = await usedStateDirectory(t)
  const service = startService(t, stateDir)
  const ready = await service.ready()
  await query(ready.adminUrl, 'create table kept (id int); insert into kept values (42)')
  service.kill('SIGTERM', 'group')
  t.strictSame(await service.ended, { code: 0, signal: null })
  const drained = service.events.findIndex((event) => event.event === 'drained' && event.alive === 1)
  const shutDown = service.events.findIndex((event) => /received fast shutdown request/.test(String(event.line)))
  t.ok(drained >= 0 && drained < shutDown, 'a statement of the drain succeeded, and only then was the server told to stop')
  t.notOk(
    service.events.some((event) => event.event === 'restarting'),
    'a stop that was asked for is no exit to report',
  )
  t.strictSame(serverProcesses(dataDirectory), [])
  t.notOk(existsSync(path.join(dataDirectory, 'postmaster.pid')), 'an orderly shutdown')

  const again = startService(t, stateDir)
  t.strictSame(await query((await again.ready()).adminUrl, 'select id from kept'), [{ id: 42 }], 'what was committed is there')
  t.notOk(again.events.some((event) => /was not properly shut down/.test(String(event.line))))
})

t.test('SIGINT to the whole group, as from Ctrl-C, does not reach the server', async (t) => {
  const { stateDir } = await usedStateDirectory(t)
  const service = startService(t, stateDir)
  const ready = await service.ready()
  service.kill('SIGINT', 'group')
  t.equal((await service.ended).signal, 'SIGINT')
  t.strictSame(await query(ready.adminUrl, 'select 1 as alive'), [{ alive: 1 }])
})

t.test('no setting in the data directory weakens durability', async (t) => {
  const { stateDir, dataDirectory } = await usedStateDirectory(t)
  writeFileSync(path.join(dataDirectory, 'postgresql.auto.conf'), 'fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n')
  const ready = await startService(t, stateDir).ready()
  const settings = `select current_setting('fsync') as a, current_setting('full_page_writes') as b, current_setting('synchronous_commit') as c`
  t.strictSame(await query(ready.adminUrl, settings), [{ a: 'on', b: 'on', c: 'on' }])
})

t.test('a path too long for a socket, with spaces and quotes in it, is as good as any', async (t) => {
  const { stateDir } = newStateDirectory(t, { name: `Dr. O'Neill "North" ${'x'.repeat(120)}` })
  const service = startService(t, stateDir)
  const ready = await service.ready()
  t.strictSame(await query(ready.adminUrl, 'select 1 as alive'), [{ alive: 1 }])
  service.kill('SIGKILL')
  await service.ended
  const again = startService(t, stateDir)
  t.not((await again.ready()).pid, ready.pid, 'and is recognised after a crash')
})

t.test('a directory that cannot be used stops the start with one line that says why', async (t) => {
  const refusal = async (prepare: (directory: { stateDir: string; dataDirectory: string }) => void): Promise<string> => {
    const directory = await usedStateDirectory(t)
    prepare(directory)
    const refused = await startService(t, directory.stateDir).next('refused')
    t.ok(refused.startError)
    t.notMatch(refused.message, /\n/)
    return String(refused.message).replaceAll(directory.stateDir, '<state>')
  }
  const other = await refusal(({ dataDirectory }) => writeFileSync(path.join(dataDirectory, 'PG_VERSION'), '17\n'))
  t.match(other, /^<state>\/postgres\/data was made by PostgreSQL 17 and this release brings PostgreSQL 18;/)
  const partial = await refusal(({ dataDirectory }) => rmSync(path.join(dataDirectory, 'PG_VERSION')))
  t.match(partial, /^<state>\/postgres\/data is not a Postgres data directory/)
  const secretless = await refusal(({ stateDir }) => rmSync(path.join(stateDir, 'postgres.password')))
  t.match(secretless, /^The database's password file <state>\/postgres\.password is missing although/)
  const wrongSecret = await refusal(({ stateDir }) => writeFileSync(path.join(stateDir, 'postgres.password'), 'other\n'))
  t.match(wrongSecret, /does not accept its own administrator: password authentication failed/)
  const damaged = await refusal(({ dataDirectory }) => rmSync(path.join(dataDirectory, 'global', 'pg_control')))
  t.match(damaged, /^Postgres does not start in <state>\/postgres\/data: .*pg_control/)
  const file = await refusal(({ stateDir }) => {
    renameSync(stateDir, `${stateDir}.old`)
    writeFileSync(stateDir, '')
  })
  t.match(file, /^The state directory <state> cannot be used \(EEXIST\); set CHARTWARDEN_STATE_DIR/)
})

t.test('a refused start leaves no server and no lock', async (t) => {
  const { stateDir, dataDirectory } = await usedStateDirectory(t)
  const passwordFile = path.join(stateDir, 'postgres.password')
  const password = readFileSync(passwordFile, 'utf8')
  writeFileSync(passwordFile, 'other\n')
  await startService(t, stateDir).next('refused')
  t.strictSame(serverProcesses(dataDirectory), [])
  writeFileSync(passwordFile, password)
  await t.resolves(startService(t, stateDir).ready())
})

t.test('the server gets none of our environment', { skip: process.platform !== 'linux' }, async (t) => {
  const { stateDir } = await usedStateDirectory(t)
  mkdirSync(stateDir, { recursive: true })
  process.env.PGPORT = '1'
  process.env.CHARTWARDEN_TEST_SECRET = 'not for the server'
  t.teardown(() => {
    delete process.env.PGPORT
    delete process.env.CHARTWARDEN_TEST_SECRET
  })
  const ready = await startService(t, stateDir).ready()
  const names = readFileSync(`/proc/${ready.pid}/environ`, 'utf8')
    .split('\0')
    .map((pair) => pair.split('=')[0])
  t.notOk(names.includes('CHARTWARDEN_TEST_SECRET') || names.includes('PGPORT'))
})
