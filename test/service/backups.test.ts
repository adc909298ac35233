import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ageKeys } from '../support/backups.ts'
import { clientsOf, hire, readRecord, registerTestClinic } from '../support/clinic.ts'
import { commandLine } from '../support/command-line.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { scratchDirectory, startTestService, testEnvironment } from '../support/service.ts'
import { waitFor } from '../support/wait-for.ts'

t.test('a service backs itself up, says how that stands, and the command line does it beside it', async (t) => {
  const database = await createTestDatabase(t)
  const scratch = scratchDirectory(t, 'backed-up')
  const stateDir = join(scratch, 'state')
  const target = join(scratch, 'backups')
  const recipientsFile = join(scratch, 'recipients')
  const { recipient } = await ageKeys()
  writeFileSync(recipientsFile, `${recipient}\n`)
  const over = {
    CHARTWARDEN_BACKUP_TARGET: target,
    CHARTWARDEN_BACKUP_RECIPIENTS_FILE: recipientsFile,
    CHARTWARDEN_METRICS_ADDR: '127.0.0.1:0',
  }
  const service = await startTestService(t, { database, stateDir, environment: over, backupTickMs: 20 })
  const clients = clientsOf(service, await service.token({ clinics: ['north'] }))
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'ada')
  await clients.access.check(readRecord('north', 'ada'))
  await waitFor('the first backup', () => existsSync(join(target, 'manifests', '00000001.json')))

  const readiness = async (): Promise<string> => {
    const { checks } = (await (await fetch(`http://127.0.0.1:${service.httpPort}/readyz`)).json()) as { checks: { backup: string } }
    return checks.backup
  }
  const metrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${service.metricsPort}/metrics`)).text()
  t.equal(await readiness(), 'in time')
  await waitFor('its count', async () => /chartwarden_backups_total\{[^}]*outcome="complete"[^}]*\} 1\n/.test(await metrics()))
  t.match(await metrics(), /chartwarden_backup_interval_seconds(\{[^}]*\})? 3600\n/)
  t.match(await metrics(), /chartwarden_backup_age_seconds(\{[^}]*\})? [0-9.]+\n/)

  const chartwarden = commandLine({ ...testEnvironment(database, stateDir), ...over })
  const made = await chartwarden('backup')
  t.match(made, { code: 0, out: /^Backup 2 is complete \(incremental\): \d+ entr(y|ies) of 2 ledgers, up to position \d+;/ }, made.err)
  const full = await chartwarden('--json', 'backup', 'make', '--full')
  t.match(JSON.parse(full.out), { number: 3, kind: 'full', from: '0', clinics: 2, differing: { length: 0 }, removed: { length: 0 } })
  const listed = await chartwarden('backup', 'list')
  t.equal(listed.out.trimEnd().split('\n').length, 4)
  t.match(JSON.parse((await chartwarden('--json', 'backup', 'list')).out).backups, [
    { number: 1, kind: 'full' },
    { number: 2, kind: 'incremental' },
    { number: 3, kind: 'full' },
  ])

  await t.test('what stands against one is said in a line, with an exit code', async (t) => {
    const run = (environment: Record<string, string>) =>
      commandLine({ ...testEnvironment(database, stateDir), ...over, ...environment })('backup')
    t.match(await run({ CHARTWARDEN_BACKUP_TARGET: '' }), { code: 2, err: /CHARTWARDEN_BACKUP_TARGET is required/ })
    t.match(await run({ CHARTWARDEN_BACKUP_RECIPIENTS_FILE: join(scratch, 'none') }), { code: 2, err: /cannot be read: ENOENT/ })
    const otherKey = Buffer.alloc(32, 5).toString('base64')
    t.match(await run({ CHARTWARDEN_MASTER_KEY: otherKey }), { code: 2, err: /is not the master key/ })
    const emptyState = { CHARTWARDEN_STATE_DIR: join(scratch, 'empty'), DATABASE_URL: '', CHARTWARDEN_FEED_DATABASE_URL: '' }
    t.match(await run({ ...emptyState, CHARTWARDEN_QUERY_DATABASE_URL: '', CHARTWARDEN_MIGRATE_DATABASE_URL: '' }), {
      code: 2,
      err: /master key file/,
    })
    t.notOk(existsSync(join(scratch, 'empty')), 'and no database is made')
    const manifest = join(target, 'manifests', '00000003.json')
    const whole = readFileSync(manifest)
    rmSync(manifest)
    writeFileSync(manifest, whole.toString('utf8').replace('"full"', '"incremental"'))
    t.match(await run({}), { code: 10, err: /was not written by this installation/ })
    rmSync(manifest)
    writeFileSync(manifest, whole)
  })

  await t.test('nothing of the signer store or the master key is beside it', async (t) => {
    const files = readdirSync(target, { recursive: true, encoding: 'utf8' })
    t.ok(files.every((file) => /^(manifests|segments|\.drafts)/.test(file)))
  })
})

t.test('where no backups are made, readiness says so', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const { checks } = (await (await fetch(`http://127.0.0.1:${service.httpPort}/readyz`)).json()) as { checks: { backup: string } }
  t.match(checks.backup, /^off: /)
})
