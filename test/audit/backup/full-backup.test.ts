/** What a full backup owes to nobody: neither to what the store has lost, nor to whom earlier ones were encrypted, nor to a manifest that is damaged. */
import t, { type Test } from 'tap'
import { manifestName } from '../../../services/audit/backup/manifest.ts'
import { type Backup, openBackup } from '../../../services/audit/backup/open-backup.ts'
import type { WriteBackupOptions } from '../../../services/audit/backup/write-backup.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { createLogger } from '../../../services/kernel/logging.ts'
import { restoreInto } from '../../../services/restore-database.ts'
import { ageKeys, backupFault, installationToBackUp } from '../../support/backups.ts'
import { collect } from '../../support/ledger-entries.ts'
import { createTestDatabase } from '../../support/postgres.ts'
import { contentsOf } from '../../support/restoring.ts'

const installation = await installationToBackUp(t)
const { masterKey, database } = installation
await installation.clinic('north')
await installation.clinic('quiet')

/** Reads every part of it; answers how many records there are. */
const readAll = async (backup: Backup): Promise<number> => {
  const parts: readonly AsyncIterable<readonly unknown[]>[] = [backup.entries(), backup.keys(), backup.logs()]
  let records = (await backup.clinics()).size
  for (const part of parts) records += (await collect(part)).flat().length
  return records
}

const requireRestorable = async (test: Test, backup: Backup): Promise<void> => {
  const empty = await createTestDatabase(test)
  const parts = { masterKey: Buffer.from(masterKey), logger: createLogger({ level: 'fatal' }), randomness: systemRandomness }
  await restoreInto({ ...parts, backup, url: empty.migrateUrl })
  test.same(await contentsOf(empty), await contentsOf(database))
}

const keysIn = ({ manifest }: Pick<Backup, 'manifest'>): readonly string[] =>
  manifest.segments.filter(({ kind }) => kind === 'keys').map(({ name }) => name)

const fulls: Readonly<Record<string, Partial<WriteBackupOptions>>> = { 'asked for': { full: true }, 'that is due': { fullAfterMs: 0 } }

for (const [which, options] of Object.entries(fulls)) {
  t.test(`a full backup ${which} mends a store that has lost keys`, async (t) => {
    const { write, open, store } = installation.anew()
    const first = await write()
    store.objects.delete(keysIn(first).at(-1) as string)
    await write()
    t.equal(await backupFault(async () => readAll(await open())), 'missing', 'one that is not full cannot know')
    t.match(await write(options), { manifest: { number: 3, kind: 'full' } })
    t.ok((await readAll(await open())) > 0)
    await requireRestorable(t, await open())
  })

  t.test(`a full backup ${which} is for the recipients of now, and for nobody else`, async (t) => {
    const { write, open, store, options: own } = installation.anew()
    const records = await (async () => {
      await write()
      return readAll(await open())
    })()
    const next = await ageKeys()
    await write({ ...options, recipients: [next.recipient] })
    t.equal(await readAll(await openBackup({ store, key: own.key, identities: [next.identity] })), records)
    const before = await open()
    for (const part of [before.entries(), before.keys(), before.logs()] as readonly AsyncIterable<readonly unknown[]>[])
      t.equal(await backupFault(() => collect(part)), 'identity')
  })
}

t.test('a newest manifest that is damaged is in the way of all others until it is moved aside', async (t) => {
  const { write, open, store } = installation.anew()
  await write()
  await write()
  const name = manifestName(2)
  const damaged = Buffer.from(store.objects.get(name) as Buffer)
  damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] as number) ^ 1
  store.objects.set(name, damaged)
  for (const attempt of [open, () => open(1), write, () => write({ full: true })]) t.equal(await backupFault(attempt), 'foreign')

  store.objects.delete(name)
  t.match(await open(), { manifest: { number: 1 } })
  await requireRestorable(t, await open())
  t.match(await write({ full: true }), { manifest: { number: 2, kind: 'full' } })
  await requireRestorable(t, await open())
  t.match(await write(), { manifest: { number: 3, kind: 'incremental' } })
  await requireRestorable(t, await open())
})
