import t from 'tap'
import { createBackupKey } from '../../../services/audit/backup/backup-key.ts'
import type { BackupStore } from '../../../services/audit/backup/backup-store.ts'
import { manifestName } from '../../../services/audit/backup/manifest.ts'
import { backupNumbers } from '../../../services/audit/backup/open-backup.ts'
import { dropOldKeys, pruneBackups } from '../../../services/audit/backup/prune-backups.ts'
import { backupFault, type InstallationToBackUp, installationToBackUp, memoryBackupStore } from '../../support/backups.ts'
import { collect } from '../../support/ledger-entries.ts'
import { query } from '../../support/query.ts'

const small = await installationToBackUp(t)
const north = await small.clinic('north')
for (const full of [true, false, false, true, false, true, false]) {
  await small.fill(north, 1)
  await small.write({ full })
}

/** Three chains: 1 2 3, 4 5, 6 7. */
const threeChains = (): InstallationToBackUp => small.anew(small.store.objects)

/** Reads all of a backup, as a restore would. */
const readAll = async ({ open }: InstallationToBackUp, store: BackupStore, number: number): Promise<number> => {
  const backup = await open(number, store)
  for (const part of [backup.keys(), backup.logs()] as readonly AsyncIterable<readonly unknown[]>[]) await collect(part)
  await backup.clinics()
  return (await collect(backup.entries())).flat().length
}

t.test('the newest full backups are kept with what rests on them, and nothing else', async (t) => {
  const installation = threeChains()
  const { store, options } = installation
  const { key } = options
  const keysAlone = await pruneBackups({ store, key, keepFulls: 3 })
  t.same(keysAlone.backups, [])
  t.ok(keysAlone.segments > 0, 'keys that newer ones have too')
  t.match(await pruneBackups({ store, key, keepFulls: 2 }), { backups: [1, 2, 3] })
  t.same(await backupNumbers(store), [4, 5, 6, 7])
  for (const number of [4, 5, 6, 7]) t.ok((await readAll(installation, store, number)) > 0)
  t.match(await pruneBackups({ store, key, keepFulls: 1 }), { backups: [4, 5] })
  t.same(await backupNumbers(store), [6, 7])
  t.equal(await backupFault(() => installation.open(5)), 'none')
  t.notOk([...store.objects.keys()].some((name) => /segments\/0000000[1-4]-.*\/(entries|logs|clinics)/.test(name)))
  t.same(await pruneBackups({ store, key, keepFulls: 1 }), { backups: [], segments: 0 }, 'it is harmless to repeat')
  await installation.write()
  t.equal((await installation.open()).manifest.number, 8)
})

t.test('wherever it is interrupted, every backup that is left can be restored', async (t) => {
  const installation = threeChains()
  const { options, store } = installation
  const interrupted = async (
    after: number,
    decorate: (store: BackupStore) => BackupStore = (inner) => inner,
  ): Promise<BackupStore | undefined> => {
    const copy = memoryBackupStore(new Map(store.objects))
    let removed = 0
    const stopping: BackupStore = {
      ...copy,
      remove: async (name) => {
        if (removed === after) throw new Error('the process was killed')
        removed += 1
        await copy.remove(name)
      },
    }
    const ended = await pruneBackups({ store: decorate(stopping), key: options.key, keepFulls: 1 }).then(
      () => true,
      () => false,
    )
    return ended ? undefined : copy
  }
  let places = 0
  for (let after = 0; ; after += 1) {
    const left = await interrupted(after)
    if (left === undefined) break
    places += 1
    for (const number of await backupNumbers(left)) t.ok((await readAll(installation, left, number)) > 0, `${number} after ${after}`)
  }
  t.ok(places > 8, `${places} places`)

  await t.test('twin: with the oldest removed first, backups are left that rest on nothing', async (t) => {
    const oldestFirst = (inner: BackupStore): BackupStore => {
      const waiting: string[] = []
      return {
        ...inner,
        remove: async (name) => {
          if (!name.startsWith('manifests/')) return inner.remove(name)
          waiting.push(name)
          if (waiting.length === 5) for (const each of waiting.sort()) await inner.remove(each)
        },
      }
    }
    const left = (await interrupted(1, oldestFirst)) as BackupStore
    t.equal(await backupFault(() => installation.open(2, left)), 'chain')
  })
})

t.test('what an ended backup has left goes, and what one that is being made has written stays', async (t) => {
  const { write, store, options } = small.anew()
  await write()
  const half = { ...store, write: async () => Promise.reject(new Error('killed')) }
  await write({ store: half }).catch(() => {})
  const orphan = 'segments/00000001-00000000000000aa/entries-000001.age'
  const running = 'segments/00000002-00000000000000bb/entries-000001.age'
  for (const name of [orphan, running]) await store.write(name, Buffer.from('x'))
  await pruneBackups({ store, key: options.key, keepFulls: 1 })
  t.notOk(store.objects.has(orphan))
  t.ok(store.objects.has(running))
  t.ok(store.objects.has(manifestName(1)))
})

t.test('where one manifest is not to be believed, nothing is removed', async (t) => {
  const installation = threeChains()
  const { store, options } = installation
  const names = [...store.objects.keys()]
  const { key } = options
  t.equal(await backupFault(() => pruneBackups({ store, key: createBackupKey(new Uint8Array(32)), keepFulls: 1 })), 'foreign')
  store.objects.set(manifestName(5), store.objects.get(manifestName(4)) as Buffer)
  t.equal(await backupFault(() => pruneBackups({ store, key, keepFulls: 1 })), 'chain')
  t.same([...store.objects.keys()], names)
  await t.rejects(pruneBackups({ store, key, keepFulls: 0 }), RangeError)
})

t.test('a key that was destroyed is nowhere in the store once two more backups have been made', async (t) => {
  const { write, store, options, database, open } = small.anew()
  await write()
  const pseudonym = await north.patient('patient 2')
  const holdsIt = async (): Promise<boolean> => {
    const found = await Promise.all(
      (await backupNumbers(store)).map(async (number) => {
        const { manifest } = await open(number)
        const there = manifest.segments.filter(({ kind, name }) => kind === 'keys' && store.objects.has(name))
        return there.some(({ contentSha256 }) => withKey.has(contentSha256))
      }),
    )
    return found.includes(true)
  }
  // Of the segments that hold it, by what is in them.
  const withKey = new Set<string>()
  const first = await open()
  let at = 0
  const keySegments = first.manifest.segments.filter(({ kind }) => kind === 'keys')
  for await (const page of first.keys()) {
    const segment = keySegments[at] as (typeof keySegments)[number]
    if (page.some((key) => key.kind === 'identity_key' && key.pseudonym === pseudonym)) withKey.add(segment.contentSha256)
    at += 1
  }
  t.equal(withKey.size, 1)
  t.equal(await holdsIt(), true)
  await query(
    database.adminUrl,
    `set role chartwarden_owner; update chartwarden_vault.identity_keys set wrapped_key = null, destroyed_at = now()
     where clinic = 'north' and pseudonym = '${pseudonym}'`,
  )
  await write()
  await dropOldKeys({ store, key: options.key })
  t.equal(await holdsIt(), true, 'the one before keeps its own')
  await write()
  t.equal(await holdsIt(), true, 'twin: without removal it would stay for as long as its backup')
  t.equal(await dropOldKeys({ store, key: options.key }), 1)
  t.equal(await holdsIt(), false)
  for (const number of [1, 2, 3]) t.ok((await collect((await open(number)).keys())).length > 0, 'and every backup is still whole')
})
