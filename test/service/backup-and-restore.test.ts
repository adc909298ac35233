/** An installation that is backed up while it serves, and brought back by the commands: it serves as if nothing had happened, or not at all. */
import { randomUUID } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { Environment } from '../../services/kernel/config.ts'
import { openAttacker } from '../support/attacker.ts'
import { ageKeys } from '../support/backups.ts'
import { type Clients, clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { type Chartwarden, commandLine } from '../support/command-line.ts'
import { fault } from '../support/fault.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { openPool } from '../support/postgres-engine.ts'
import type { TestDatabase } from '../support/postgres-server.ts'
import { scratchDirectory, startTestService, type TestService, testEnvironment } from '../support/service.ts'
import { waitFor } from '../support/wait-for.ts'

t.setTimeout(280_000)

const clinics = ['north', 'south'] as const
const over = { CHARTWARDEN_SELF_CHECK_HOURS: '0', CHARTWARDEN_PUBLISH_INTERVAL_MS: '100' }

const scratch = scratchDirectory(t, 'backed-up')
const stateDir = path.join(scratch, 'state')
mkdirSync(stateDir)
const { identity, recipient } = await ageKeys()
const recipientsFile = path.join(scratch, 'recipients')
const identityFile = path.join(scratch, 'identity')
writeFileSync(recipientsFile, `# who may read backups\n${recipient}\n`)
writeFileSync(identityFile, `${identity}\n`)

const environmentOf = (database: TestDatabase, target = 'backups', state = stateDir): Environment => ({
  ...testEnvironment(database, state),
  ...over,
  CHARTWARDEN_BACKUP_TARGET: path.join(scratch, target),
  CHARTWARDEN_BACKUP_RECIPIENTS_FILE: recipientsFile,
  CHARTWARDEN_BACKUP_IDENTITY_FILE: identityFile,
  CHARTWARDEN_BACKUP_HOURS: '0',
})

interface Running {
  readonly service: TestService
  readonly clients: Clients
}

const startOn = async (test: Test, database: TestDatabase, state = stateDir): Promise<Running> => {
  const service = await startTestService(test, { database, stateDir: state, environment: over })
  return { service, clients: clientsOf(service, await service.token({ clinics: [...clinics] })) }
}

/** The newest checkpoint, once it covers all that is there. */
const published = async ({ audit }: Clients, clinic: string) => {
  let found: Awaited<ReturnType<Clients['audit']['getCheckpoint']>> | undefined
  await waitFor(`a checkpoint of all of ${clinic}`, async () => {
    found = await audit.getCheckpoint({ clinic }).catch(() => undefined)
    return found !== undefined && found.checkpoint?.size === found.sequenced
  })
  return found?.checkpoint as NonNullable<NonNullable<typeof found>['checkpoint']>
}

interface Told {
  readonly ledgers: readonly {
    readonly clinic: string
    readonly size: string
    readonly root: string
    readonly checkpoint_size: string | null
    readonly missing: string
  }[]
}

const done = async (chartwarden: Chartwarden, ...argv: readonly string[]) => {
  const ran = await chartwarden(...argv)
  if (ran.code !== 0) throw new Error(`${argv.join(' ')}: ${ran.code} ${ran.err}`)
  return ran
}

const database = await createTestDatabase(t)
/** Where it goes on after the restore. */
const next = await createTestDatabase(t)
const first = await startOn(t, database)
for (const clinic of clinics) {
  await registerTestClinic(first.clients, clinic)
  for (const person of ['dana', 'emil']) await hire(first.clients, clinic, person)
}
const chartwarden = commandLine(environmentOf(database))
const full = await done(chartwarden, 'backup')
for (const clinic of clinics) await first.clients.people.offboard({ requestId: randomUUID(), clinic, subject: staff('emil') })
const asked = readRecord('north', 'dana')
const permitted = await first.clients.access.check(asked)
await published(first.clients, 'south')
const last = await published(first.clients, 'north')
const receipt = (await first.clients.audit.awaitReceipt({ clinic: 'north', key: { case: 'revision', value: last.size - 1n } })).receipt
const incremental = await done(chartwarden, 'backup')
await first.service.stop()

t.test('two backups were made while it served, the second of what was new', async (t) => {
  t.match(full.out, 'Backup 1 is complete (full)')
  t.match(incremental.out, 'Backup 2 is complete (incremental)')
})

t.test('restored, it decides the same, keeps its roots, and signs on', async (t) => {
  const onNext = commandLine(environmentOf(next))
  const { out, err } = await done(onNext, 'restore', '--json')
  t.notMatch(err, 'will not be served')
  const { ledgers } = JSON.parse(out) as Told
  t.same(
    ledgers.map(({ clinic, missing }) => [clinic, missing]),
    [
      ['_system', '0'],
      ['north', '0'],
      ['south', '0'],
    ],
  )
  const north = ledgers.find(({ clinic }) => clinic === 'north')
  t.same([north?.size, north?.checkpoint_size], [String(last.size), String(last.size)])
  t.equal(north?.root, Buffer.from(last.rootHash).toString('base64'))

  const { service, clients } = await startOn(t, next)
  t.same((await clients.access.check(asked)).entry, permitted.entry, 'a question that was answered has its answer')
  t.equal((await clients.access.check(readRecord('north', 'dana'))).decision, Decision.PERMIT)
  t.equal((await clients.access.check(readRecord('north', 'emil'))).decision, Decision.DENY, 'who had left is out')
  const grown = await published(clients, 'north')
  t.ok(grown.size > last.size)
  const kept = (name: string, text: string): string => {
    writeFileSync(path.join(scratch, name), text)
    return path.join(scratch, name)
  }
  const cli = commandLine({
    CHARTWARDEN_STATE_DIR: stateDir,
    CHARTWARDEN_GRPC_ADDR: service.address,
    CHARTWARDEN_HTTP_ADDR: `127.0.0.1:${service.httpPort}`,
  })
  const anchors = ['--trusted-checkpoint', kept('old.checkpoint', last.note), '--receipt', kept('old.tlog-proof', receipt)]
  const verified = await cli('verify', '--clinic', 'north', ...anchors)
  t.equal(verified.code, 0, `${verified.out}${verified.err}`)

  await t.test('and is backed up where it was, as the same installation', async (t) => {
    const { out } = await done(onNext, 'backup')
    t.match(out, 'Backup 3 is complete (incremental)')
  })
  await t.test('and refuses to be restored into again', async (t) => {
    t.match(await onNext('restore'), { code: 2, err: /The database is not empty/ })
  })
  await service.stop()
})

t.test('an older backup is said to lack what was signed since, and those clinics are not served', async (t) => {
  const restored = await createTestDatabase(t)
  const onRestored = commandLine(environmentOf(restored))
  const { out, err } = await done(onRestored, 'restore', '--backup', '1')
  t.match(err, /2 clinics will not be served: more was signed than this backup holds/)
  t.match(out, /north: \d+ entries more were signed than the backup holds/)
  const { clients } = await startOn(t, restored)
  await t.rejects(clients.access.check(readRecord('north', 'emil')), fault('LEDGER_REGRESSED'), 'whom the lost entry barred is not let in')
})

t.test('a ledger that was changed before it was backed up is refused by what was signed of it', async (t) => {
  // A copy of the installation, as its first backup but one left it, with one byte of it changed.
  const altered = await createTestDatabase(t)
  const onAltered = commandLine(environmentOf(altered, 'altered'))
  await done(commandLine(environmentOf(altered)), 'restore', '--backup', '2')
  const attacker = await openAttacker(altered.adminUrl)
  t.teardown(() => attacker.close())
  await attacker.editByte('south', 4n)
  t.match(await onAltered('backup'), { code: 10, out: /The ledger of south is not as it was signed/ })

  const target = await createTestDatabase(t)
  const onTarget = commandLine({ ...environmentOf(target, 'altered'), CHARTWARDEN_DRILL_DATABASE_URL: target.adminUrl })
  const refused = await onTarget('restore')
  t.equal(refused.code, 10)
  t.match(refused.err, /What was backed up is not what was signed\. south, revisions? /)
  t.notMatch(refused.err, 'north,')
  const { rows } = await openPool(t, target.adminUrl).query('select from chartwarden_ledger.entries')
  t.equal(rows.length, 0, 'nothing of it is there')
  t.match(await onTarget('backup', 'drill', '--no-record'), {
    code: 10,
    out: /^THE BACKUP CANNOT BE RESTORED \(not_as_signed\): .*south[\s\S]*Not recorded\.\n$/,
  })

  await t.test('twin: without checkpoint and signer store nothing tells, and it is taken', async (t) => {
    await attacker.query(`delete from chartwarden_log.checkpoints where clinic = 'south'`)
    rmSync(path.join(scratch, 'altered'), { recursive: true })
    await done(onAltered, 'backup', '--full')
    const { out } = await done(commandLine({ ...environmentOf(target, 'altered'), CHARTWARDEN_SIGNER_DIR: 'off' }), 'restore')
    t.match(out, /south: nothing was ever signed/)
  })
})

t.test('what is missing beside the database is named before anything is begun', async (t) => {
  const target = await createTestDatabase(t)
  const environment = environmentOf(target)
  const without = (change: Environment) => commandLine({ ...environment, ...change })('restore')
  t.match(await without({ CHARTWARDEN_BACKUP_TARGET: undefined }), { code: 2, err: /CHARTWARDEN_BACKUP_TARGET is required/ })
  t.match(await without({ CHARTWARDEN_BACKUP_IDENTITY_FILE: undefined }), { code: 2, err: /Name the file with the age identity/ })
  t.match(await without({ CHARTWARDEN_BACKUP_IDENTITY_FILE: recipientsFile }), {
    code: 2,
    err: /Line 2 of the identities file .* is no age identity/,
  })
  t.match(await without({ CHARTWARDEN_STATE_DIR: path.join(scratch, 'elsewhere') }), {
    code: 2,
    err: /The master key file .* cannot be read/,
  })
  const otherKey = { CHARTWARDEN_MASTER_KEY: Buffer.alloc(32, 1).toString('base64') }
  t.match(await without(otherKey), { code: 10, err: /was not written by this installation under this master key/ })
  t.match(await without({ CHARTWARDEN_BACKUP_TARGET: path.join(scratch, 'nothing') }), { code: 6, err: /There is no backup/ })
  const nowhere = Object.fromEntries(Object.entries(environment).filter(([name]) => !name.endsWith('DATABASE_URL')))
  t.match(await commandLine(nowhere)('backup', 'drill'), { code: 2, err: /There is no database to record a drill in/ })
  t.match(await commandLine(environment)('restore', '--backup', '9'), { code: 6, err: /There is no backup 9/ })
})

t.test('a service drills by schedule, and its ledger and readiness say how that went', async (t) => {
  const metricsAddr = '127.0.0.1:0'
  const service = await startTestService(t, {
    database: next,
    stateDir,
    drillTickMs: 20,
    environment: {
      ...environmentOf(next),
      CHARTWARDEN_METRICS_ADDR: metricsAddr,
      CHARTWARDEN_DRILL_HOURS: '24',
      CHARTWARDEN_DRILL_DATABASE_URL: next.adminUrl,
    },
  })
  const superuser = openPool(t, next.adminUrl)
  const drills = async () =>
    (
      await superuser.query<{ bytes: Buffer }>(
        `select bytes from chartwarden_ledger.entries where clinic = '_system' and type = 'chartwarden.backup.drilled.v1' order by revision`,
      )
    ).rows.map(({ bytes }) => JSON.parse(String(bytes)).data as object)
  await waitFor('a drill', async () => (await drills()).length === 1)
  t.match(await drills(), [{ backup: 3, clinics: 3, result: 'restored', cause: 'schedule' }])
  const { checks } = (await (await fetch(`http://127.0.0.1:${service.httpPort}/readyz`)).json()) as { checks: { drill: string } }
  t.equal(checks.drill, 'in time')
  const metrics = await (await fetch(`http://127.0.0.1:${service.metricsPort}/metrics`)).text()
  t.match(metrics, /chartwarden_backup_drills_total\{[^}]*outcome="restored"[^}]*\} 1/)
  t.match(metrics, /chartwarden_backup_drill_interval_seconds\S* 86400/)
  t.match(metrics, /chartwarden_backup_drill_duration_seconds\S* \d/)
  t.match(metrics, /chartwarden_backup_drill_failed\S* 0/)
})
