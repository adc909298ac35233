import { existsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { createBackupKey } from '../services/audit/backup/backup-key.ts'
import { createDirectoryBackupStore } from '../services/audit/backup/directory-backup-store.ts'
import { manifestName } from '../services/audit/backup/manifest.ts'
import { drillBackup } from '../services/backup-drill.ts'
import { drillInThread } from '../services/drill-thread.ts'
import { systemClock } from '../services/kernel/clock.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { createLogger } from '../services/kernel/logging.ts'
import { installationToBackUp, memoryBackupStore } from './support/backups.ts'
import { openPool } from './support/postgres-engine.ts'
import { scratchDirectory } from './support/service.ts'
import { waitFor } from './support/wait-for.ts'

const installation = await installationToBackUp(t)
const north = await installation.clinic('north')
await installation.write()
await installation.fill(north, 10)
await installation.write()
const { masterKey, database, identity, store } = installation
const admin = openPool(t, database.adminUrl, { max: 1 })
const directory = path.join(scratchDirectory(t, 'drill'), 'drill')
const onServer = { serverUrl: database.adminUrl, directory }
const parts = {
  masterKey: Buffer.from(masterKey),
  logger: createLogger({ level: 'fatal' }),
  clock: systemClock,
  randomness: systemRandomness,
}

const leftOver = async (): Promise<number> =>
  (await admin.query(`select from pg_database where starts_with(datname, 'chartwarden_scratch_')`)).rowCount ?? 0

t.test('a backup is restored, verified and dropped again', async (t) => {
  const outcome = await drillBackup({ ...parts, open: () => installation.open(), scratch: onServer })
  t.match(outcome, { manifest: { number: 2 }, clinics: 2, fault: undefined })
  t.equal(outcome.entries, outcome.manifest?.to)
  const { chain } = await installation.open()
  const entries = chain.flatMap(({ segments }) => segments).filter(({ kind }) => kind === 'entries')
  t.ok(outcome.bytes > entries.reduce((sum, { bytes }) => sum + bytes, 0), 'of the whole chain')
  t.ok(outcome.durationMs > 0)
  t.equal(await leftOver(), 0)
})

t.test('what is wrong with it, unlike with the one before, is the outcome, and nothing is left either', async (t) => {
  const objects = new Map(store.objects)
  objects.delete((await installation.open(1)).manifest.segments.find(({ kind }) => kind === 'entries')?.name as string)
  const open = () => installation.open(undefined, memoryBackupStore(objects))
  const missing = await drillBackup({ ...parts, open, scratch: onServer })
  t.match(missing, { manifest: { number: 2 }, fault: { fault: 'missing', message: /is missing/ } })
  objects.delete(manifestName(1))
  t.match(await drillBackup({ ...parts, open, scratch: onServer }), { manifest: undefined, clinics: 0, fault: { fault: 'chain' } })
  t.match(await drillBackup({ ...parts, open: () => installation.open(undefined, memoryBackupStore()), scratch: onServer }), {
    fault: { fault: 'none' },
  })
  t.equal(await leftOver(), 0)
})

t.test('what keeps it from being tried is no verdict on the backup', async (t) => {
  const open = async () => {
    throw new Error('the bucket does not answer')
  }
  await t.rejects(drillBackup({ ...parts, open, scratch: onServer }), { message: 'the bucket does not answer' })
  const scratch = { serverUrl: 'postgresql://nobody@127.0.0.1:1/none', directory }
  await t.rejects(drillBackup({ ...parts, open: () => installation.open(), scratch }), { name: 'StartError' })
})

t.test('in a thread of its own, over a server of its own', async (t) => {
  const place = scratchDirectory(t, 'drill-thread')
  const kept = createDirectoryBackupStore({ directory: path.join(place, 'backups'), clock: systemClock, randomness: systemRandomness })
  for (const [name, bytes] of store.objects) await kept.write(name, bytes)
  const identityFile = path.join(place, 'identity')
  writeFileSync(identityFile, identity)
  const task = {
    stateDir: place,
    target: { kind: 'directory', directory: path.join(place, 'backups') },
    identityFile,
    masterKey,
    signing: undefined,
    scratch: { serverUrl: undefined, directory },
    logLevel: 'fatal',
  } as const
  t.match(await drillInThread(task, new AbortController().signal), { manifest: { number: 2 }, clinics: 2, fault: undefined })
  t.equal(existsSync(path.join(directory, 'postgres')), false)

  await t.test('and what goes wrong in it comes back in words', async (t) => {
    await t.rejects(drillInThread({ ...task, identityFile: path.join(place, 'none') }, new AbortController().signal), {
      message: /The identities file .* cannot be read: ENOENT/,
    })
    t.match(await drillInThread({ ...task, masterKey: createBackupKey(masterKey).mac('other') }, new AbortController().signal), {
      fault: { fault: 'foreign' },
    })
  })

  await t.test('and it is called off, its database with it', async (t) => {
    const stop = new AbortController()
    const drill = drillInThread({ ...task, scratch: onServer }, stop.signal)
    drill.catch(() => {})
    await waitFor('its database', async () => (await leftOver()) === 1)
    stop.abort()
    await t.rejects(drill)
    t.equal(await leftOver(), 0)
  })
})
