import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { directoryMark, serverProcesses } from '../../../services/kernel/postgres/leftovers.ts'
import { findProcess } from '../../../services/kernel/postgres/process-table.ts'
import { serverAccount } from '../../../services/kernel/postgres/server-account.ts'
import { type EmbeddedService, newStateDirectory, startService, usedStateDirectory } from '../../support/embedded-service.ts'
import { copyDirectory } from '../../support/postgres-server.ts'
import { query } from '../../support/query.ts'
import { waitFor } from '../../support/wait-for.ts'

t.setTimeout(300_000)

const remember = (url: string) => query(url, 'create table kept (id int primary key); insert into kept values (42)')
const recall = (url: string) => query(url, 'select id from kept')
const gone = (pid: number) => findProcess(pid) === undefined
const kill = async (service: EmbeddedService) => {
  service.kill('SIGKILL')
  await service.ended
}
const killServer = async (pid: number) => {
  process.kill(pid, 'SIGKILL')
  await waitFor('the postmaster to end', () => gone(pid))
}

t.test('after kill -9 of the service the next start stops the server that was left, and has its data', async (t) => {
  const { stateDir, dataDirectory } = await usedStateDirectory(t)
  const first = startService(t, stateDir)
  const before = await first.ready()
  await remember(before.adminUrl)
  await kill(first)
  t.notOk(gone(before.pid), 'the server outlives the service')

  const second = startService(t, stateDir)
  const after = await second.ready()
  t.ok(gone(before.pid))
  t.strictSame(await recall(after.adminUrl), [{ id: 42 }])
  t.equal(serverProcesses(dataDirectory).filter((row) => row.command.includes(' -D ')).length, 1, 'one server')
  const report = second.events.find((event) => event.logEvent === 'postgres.leftovers_stopped')
  t.ok(report !== undefined && (report.pids as number[]).includes(before.pid))
  t.notOk(
    second.events.some((event) => /was not properly shut down/.test(String(event.line))),
    'the old server shut down in order',
  )
})

t.test('after kill -9 of the database the service starts it again on the same port and goes on', async (t) => {
  const { stateDir } = await usedStateDirectory(t)
  const service = startService(t, stateDir)
  const before = await service.ready()
  await remember(before.adminUrl)
  process.kill(before.pid, 'SIGKILL')
  t.match(await service.next('restarting'), { signal: 'SIGKILL' })
  t.not((await service.next('restarted')).pid, before.pid)
  t.strictSame(await recall(before.adminUrl), [{ id: 42 }], 'the same URL serves on')
  t.strictSame(await query(before.urls.writer, 'select 1 as alive'), [{ alive: 1 }])
  service.kill('SIGTERM')
  t.equal((await service.ended).code, 0, 'and it stops in order')
})

t.test('a server process that is busy when the database is killed does not keep it from starting again', async (t) => {
  const { stateDir } = await usedStateDirectory(t)
  const service = startService(t, stateDir)
  const before = await service.ready()
  const busy = new pg.Client({ connectionString: before.adminUrl })
  busy.on('error', () => {})
  await busy.connect()
  const [row] = (await busy.query<{ pid: number }>('select pg_backend_pid() as pid')).rows
  // Nothing in this statement looks whether the postmaster lives.
  const loop = 'do $$ declare n bigint := 0; begin while n < 9e18 loop n := n + 1; end loop; end $$'
  const statement = busy.query(loop).catch((thrown: unknown) => thrown)
  const active = `select from pg_stat_activity where query like 'do $$%' and state = 'active'`
  await waitFor('the statement to run', async () => (await query(before.adminUrl, active)).length === 1)
  process.kill(before.pid, 'SIGKILL')
  await service.next('restarted')
  t.ok(gone(row?.pid ?? 0))
  t.ok((await statement) instanceof Error)
  await busy.end().catch(() => {})
  t.strictSame(await query(before.adminUrl, 'select 1 as alive'), [{ alive: 1 }])
})

t.test('after kill -9 of the service and of the database the next start recovers', async (t) => {
  const { stateDir, dataDirectory } = await usedStateDirectory(t)
  const first = startService(t, stateDir)
  const before = await first.ready()
  await remember(before.adminUrl)
  await kill(first)
  await killServer(before.pid)
  t.ok(existsSync(path.join(dataDirectory, 'postmaster.pid')), 'the crash left its pid file')
  const second = startService(t, stateDir)
  t.strictSame(await recall((await second.ready()).adminUrl), [{ id: 42 }])
  t.ok(
    second.events.some((event) => /was not properly shut down/.test(String(event.line))),
    'from its log',
  )
})

/** A process of the server's own account that must come through unharmed: it reports any signal it gets. */
const bystander = async (test: Test, dataDirectory: string, ...words: string[]) => {
  const report = `for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGUSR1']) process.on(signal, () => process.exit(3))
    process.stdin.resume().once('close', () => process.exit(4))
    process.stdout.write('up')`
  const child = spawn(process.execPath, ['-e', report, ...words], {
    stdio: ['pipe', 'pipe', 'ignore'],
    ...serverAccount(dataDirectory),
    cwd: '/',
  })
  const ended = once(child, 'exit')
  test.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  await once(child.stdout, 'data')
  return { pid: child.pid as number, runs: () => child.exitCode === null && child.signalCode === null }
}

t.test('a pid file that names no process is no obstacle', async (t) => {
  const { stateDir, dataDirectory } = await usedStateDirectory(t)
  const first = startService(t, stateDir)
  const before = await first.ready()
  await kill(first)
  await killServer(before.pid)
  await waitFor('its other processes to end', () => serverProcesses(dataDirectory).length === 0)
  const second = startService(t, stateDir)
  await second.ready()
  t.ok(second.events.some((event) => event.logEvent === 'postgres.stale_pid_cleared'))
})

t.test('a pid file whose number is another process by now is no obstacle, and that process is left alone', async (t) => {
  const { stateDir, dataDirectory } = await usedStateDirectory(t)
  const mark = directoryMark(dataDirectory)
  const strangers = [
    await bystander(t, dataDirectory),
    await bystander(t, dataDirectory, '/bin/postgres', '-D', '/other', '-c', `cluster_name=${mark}`),
  ]
  for (const stranger of strangers) {
    const first = startService(t, stateDir)
    const before = await first.ready()
    await kill(first)
    await killServer(before.pid)
    const pidFile = path.join(dataDirectory, 'postmaster.pid')
    const [, ...rest] = readFileSync(pidFile, 'utf8').split('\n')
    writeFileSync(pidFile, [stranger.pid, ...rest].join('\n'))
    const second = startService(t, stateDir)
    await second.ready()
    t.ok(stranger.runs())
    await kill(second)
  }
  t.ok(strangers.every((stranger) => stranger.runs()))
})

t.test('a pid file with anything else in it is no obstacle', async (t) => {
  const { stateDir, dataDirectory } = await usedStateDirectory(t)
  for (const content of ['', 'not a number\nnothing', '1\n/proc/self/cwd\n0\n5432\n\n127.0.0.1\n']) {
    writeFileSync(path.join(dataDirectory, 'postmaster.pid'), content)
    const service = startService(t, stateDir)
    t.strictSame(await query((await service.ready()).adminUrl, 'select 1 as alive'), [{ alive: 1 }])
    service.kill('SIGTERM')
    await service.ended
  }
})

t.test('without its pid file a server that was left is still found and stopped', async (t) => {
  const { stateDir, dataDirectory } = await usedStateDirectory(t)
  const first = startService(t, stateDir)
  const before = await first.ready()
  await remember(before.adminUrl)
  await kill(first)
  rmSync(path.join(dataDirectory, 'postmaster.pid'))
  t.strictSame(await recall((await startService(t, stateDir).ready()).adminUrl), [{ id: 42 }])
  t.ok(gone(before.pid))
})

t.test('a copy of the directory starts beside the original and leaves its server alone', async (t) => {
  const original = await usedStateDirectory(t)
  const copy = newStateDirectory(t)
  const service = startService(t, original.stateDir)
  const ready = await service.ready()
  copyDirectory(original.stateDir, copy.stateDir)
  const beside = await startService(t, copy.stateDir).ready()
  t.not(beside.pid, ready.pid)
  t.strictSame(await query(ready.adminUrl, 'select 1 as alive'), [{ alive: 1 }])
  t.notOk(service.events.some((event) => event.event === 'restarting'))
})

t.test('a crash while the directory is being made is made good by the next start', async (t) => {
  const { stateDir, dataDirectory } = newStateDirectory(t)
  const home = path.dirname(dataDirectory)
  const first = startService(t, stateDir)
  const atWork = () => existsSync(home) && readdirSync(home).some((name) => existsSync(path.join(home, name, 'PG_VERSION')))
  await waitFor('initdb to be at work', atWork)
  t.notOk(existsSync(dataDirectory))
  await kill(first)
  const ready = await startService(t, stateDir).ready()
  t.strictSame(await query(ready.adminUrl, 'select 1 as alive'), [{ alive: 1 }])
  t.strictSame(readdirSync(home), ['data'])
})

t.test('a server that cannot be started again is reported as failed', async (t) => {
  const { stateDir, dataDirectory } = await usedStateDirectory(t)
  const service = startService(t, stateDir)
  const ready = await service.ready()
  writeFileSync(path.join(dataDirectory, 'pg_hba.conf'), 'nonsense\n')
  process.kill(ready.pid, 'SIGKILL')
  t.match(await service.next('failed'), { error: /could not load .*pg_hba.conf/ })
})

t.test('a server that ends again and again is given up', async (t) => {
  const { stateDir } = await usedStateDirectory(t)
  const service = startService(t, stateDir)
  let { pid } = await service.ready()
  for (let crash = 1; crash <= 3; crash += 1) {
    process.kill(pid, 'SIGKILL')
    pid = (await service.next('restarted')).pid as number
  }
  process.kill(pid, 'SIGKILL')
  t.match(await service.next('failed'), { error: /again and again/ })
})
