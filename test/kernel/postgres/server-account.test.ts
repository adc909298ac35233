import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { binariesIn, locateBinaries } from '../../../services/kernel/postgres/binaries.ts'
import { serverProcesses } from '../../../services/kernel/postgres/leftovers.ts'
import { accountNamed, binariesFor, serverAccount } from '../../../services/kernel/postgres/server-account.ts'
import { StartError } from '../../../services/kernel/start-error.ts'
import { newStateDirectory, startService } from '../../support/embedded-service.ts'
import { copyDirectory } from '../../support/postgres-server.ts'
import { query } from '../../support/query.ts'

t.setTimeout(300_000)

const asRoot = process.getuid?.() === 0 && process.platform === 'linux'
const nobody = { uid: 65534, gid: 65534 }

const scratch = (test: Test): string => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'chartwarden-test-account-'))
  test.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

t.test('an account is found by name, and root under another name is none', async (t) => {
  const passwd =
    'root:x:0:0::/root:/bin/sh\npostgresql:x:5:5::/:\npostgres:x:101:104:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\ntoor:x:0:0::/:\nbroken\n'
  t.strictSame(accountNamed(passwd, 'postgres'), { uid: 101, gid: 104 })
  t.equal(accountNamed(passwd, 'toor'), undefined)
  t.equal(accountNamed(passwd, 'broken'), undefined)
  t.equal(accountNamed(passwd, 'nobody'), undefined)
})

t.test('a plain user starts, loses and recovers the server as itself', { skip: !asRoot }, async (t) => {
  const { stateDir, dataDirectory } = newStateDirectory(t, { account: nobody })
  const first = startService(t, stateDir, { account: nobody })
  const before = await first.ready()
  await query(before.adminUrl, 'create table kept (id int); insert into kept values (42)')
  t.equal(statSync(dataDirectory).uid, nobody.uid)
  t.ok(serverProcesses(dataDirectory).every((row) => row.uid === nobody.uid))
  first.kill('SIGKILL')
  await first.ended

  const second = startService(t, stateDir, { account: nobody })
  const after = await second.ready()
  t.strictSame(await query(after.adminUrl, 'select id from kept'), [{ id: 42 }])
  process.kill(after.pid, 'SIGKILL')
  await second.next('restarted')
  second.kill('SIGTERM')
  t.equal((await second.ended).code, 0)
  t.strictSame(serverProcesses(dataDirectory), [])
})

t.test('a plain user is refused a state directory that belongs to another', { skip: !asRoot }, async (t) => {
  const { stateDir } = newStateDirectory(t)
  const refused = await startService(t, stateDir, { account: nobody }).next('refused')
  t.match(refused, { startError: true, message: `The state directory ${stateDir} cannot be used (EACCES);` })
})

t.test('root hands the server to the account that owns the data, and refuses data of its own', { skip: !asRoot }, async (t) => {
  const directory = scratch(t)
  t.throws(
    () => serverAccount(directory),
    new StartError(`${directory} belongs to root, which Postgres refuses; give it to an account such as postgres ("chown -R").`),
  )
  const chosen = serverAccount(path.join(directory, 'missing'))
  t.ok(chosen !== undefined && chosen.uid > 0)
})

t.test('programs below a directory closed to others are copied once to where the account can use them', { skip: !asRoot }, async (t) => {
  const installed = locateBinaries()
  const closed = scratch(t)
  copyDirectory(installed.directory, path.join(closed, 'native'))
  const unreachable = binariesIn(path.join(closed, 'native'), installed.version)
  chmodSync(unreachable.directory, 0o700)
  const open = scratch(t)
  chmodSync(open, 0o755)
  const cache = path.join(open, 'cache')
  const copied = await binariesFor(unreachable, nobody, cache)
  t.equal(copied.directory, path.join(cache, `postgres-${installed.version}`))
  t.equal(statSync(copied.postgres).uid, 0, 'the account cannot change what it runs')
  const inode = statSync(copied.postgres).ino
  t.strictSame(await binariesFor(unreachable, nobody, cache), copied)
  t.equal(statSync(copied.postgres).ino, inode, 'once')
  t.equal(await binariesFor(installed, nobody, cache), installed, 'what can be used as it is stays where it is')

  const hidden = path.join(closed, 'cache')
  mkdirSync(hidden)
  await t.rejects(binariesFor(unreachable, nobody, hidden), { name: 'StartError', message: /start the service as an ordinary user\.$/ })
})
