import { existsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { createBackupKey } from '../services/audit/backup/backup-key.ts'
import { createDirectoryBackupStore } from '../services/audit/backup/directory-backup-store.ts'
import { manifestName } from '../services/audit/backup/manifest.ts'
import { drillBackup, restoredBytes } from '../services/backup-drill.ts'
import { drillInThread } from '../services/drill-thread.ts'
import { systemClock } from '../services/kernel/clock.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { createLogger } from '../services/kernel/logging.ts'
import { emptyServerBytes } from '../services/kernel/postgres/free-space.ts'
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

t.test('a scratch server is begun only where the disk has room for what will be restored', async (t) => {
  const backup = await installation.open()
  const needed = restoredBytes(backup.manifest.to) + emptyServerBytes
  const drill = (free: number) =>
    drillBackup({ ...parts, open: async () => backup, scratch: { serverUrl: undefined, directory }, freeBytes: async () => free })
  await t.rejects(drill(needed - 1), { name: 'StartError', message: /MiB free/ })
  t.match(await drill(needed), { fault: undefined })
  t.equal(restoredBytes(1_000_000n), 2 * 1.2 * 1_360 * 1_000_000, 'tables, and as much again of write-ahead log')
  t.equal(restoredBytes(10_000_000n), 1.2 * 1_360 * 10_000_000 + 2 * 2 ** 30, 'of which no more than this is kept')
})

t.test(
  'a backup that is removed while it is read, since a newer one has taken its place, is no verdict: the newer one is tried',
  async (t) => {
    const { write, open, store: own } = installation.anew()
    const first = await write()
    let opened = 0
    const overtaken = async () => {
      opened += 1
      const backup = await open()
      if (opened > 1) return backup
      await write({ full: true })
      for (const { name } of first.manifest.segments) own.objects.delete(name)
      return backup
    }
    t.match(await drillBackup({ ...parts, open: overtaken, scratch: onServer }), { manifest: { number: 2 }, fault: undefined })
    t.equal(opened, 2)
    t.equal(await leftOver(), 0)

    await t.test('once, and not where it is still the newest', async (t) => {
      let asked = 0
      const broken = async () => {
        asked += 1
        await write({ full: true })
        const backup = await open()
        for (const { name } of backup.manifest.segments) own.objects.delete(name)
        return backup
      }
      t.match(await drillBackup({ ...parts, open: broken, scratch: onServer }), { fault: { fault: 'missing' } })
      t.equal(asked, 2)
      const lost = await open()
      t.match(await drillBackup({ ...parts, open: async () => lost, scratch: onServer }), { fault: { fault: 'missing' } })
    })
  },
)

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
