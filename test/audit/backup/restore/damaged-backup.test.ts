/** What may happen to a backup where it is kept: each is refused by a clear word, nothing of it is restored, and the same backup unharmed is. */
import t, { type Test } from 'tap'
import type { BackupFault } from '../../../../services/audit/backup/backup-error.ts'
import { type SegmentKind, segmentKinds } from '../../../../services/audit/backup/backup-format.ts'
import { createBackupKey } from '../../../../services/audit/backup/backup-key.ts'
import { manifestName } from '../../../../services/audit/backup/manifest.ts'
import { openBackup } from '../../../../services/audit/backup/open-backup.ts'
import { systemRandomness } from '../../../../services/kernel/ids.ts'
import { ageKeys, type InstallationToBackUp, installationToBackUp, memoryBackupStore } from '../../../support/backups.ts'
import { contentsOf, emptyDatabase, refusal } from '../../../support/restoring.ts'

const installationOf = async (test: Test): Promise<InstallationToBackUp> => {
  const installation = await installationToBackUp(test)
  const north = await installation.clinic('north')
  for (let backup = 0; backup < 3; backup += 1) {
    await installation.fill(north, 12)
    await installation.write()
  }
  return installation
}

const installation = await installationOf(t)
const { masterKey, identity, store } = installation
const manifests = (await Promise.all([1, 2, 3].map((number) => installation.open(number)))).map(({ manifest }) => manifest)
const segmentOf = (kind: SegmentKind, backup: number, place = 0): string =>
  manifests[backup - 1]?.segments.filter((segment) => segment.kind === kind).at(place)?.name as string

type Objects = Map<string, Buffer>
const bytesOf = (objects: Objects, name: string): Buffer => objects.get(name) as Buffer

const flip = (objects: Objects, name: string, at: (length: number) => number): void => {
  const bytes = Buffer.from(bytesOf(objects, name))
  const place = at(bytes.length)
  bytes[place] = (bytes[place] as number) ^ 0x40
  objects.set(name, bytes)
}

const swap = (objects: Objects, one: string, other: string): void => {
  const [first, second] = [bytesOf(objects, one), bytesOf(objects, other)]
  objects.set(one, second)
  objects.set(other, first)
}

const half = (length: number): number => Math.floor(length / 2)

type Harm = readonly [name: string, fault: BackupFault, harm: (objects: Objects) => void]

const harmsOf = (kind: SegmentKind): readonly Harm[] => {
  const name = segmentOf(kind, 3)
  return [
    [`a flipped byte in a segment of ${kind}`, 'changed', (objects) => flip(objects, name, half)],
    [`a segment of ${kind} that is missing`, 'missing', (objects) => void objects.delete(name)],
    [`a segment of ${kind} that is cut off`, 'changed', (objects) => void objects.set(name, bytesOf(objects, name).subarray(0, -20))],
  ]
}

const harms: readonly Harm[] = [
  ...segmentKinds.flatMap(harmsOf),
  ['the first segment of entries missing', 'missing', (objects) => void objects.delete(segmentOf('entries', 1))],
  [
    'two segments of entries in each other’s places',
    'changed',
    (objects) => swap(objects, segmentOf('entries', 1, 0), segmentOf('entries', 1, 1)),
  ],
  [
    'segments of two backups in each other’s places',
    'changed',
    (objects) => swap(objects, segmentOf('entries', 2), segmentOf('entries', 3)),
  ],
  ['a flipped byte in a manifest', 'foreign', (objects) => flip(objects, manifestName(3), half)],
  ['a flipped byte in the manifest before', 'foreign', (objects) => flip(objects, manifestName(2), half)],
  ['a manifest that is missing in between', 'chain', (objects) => void objects.delete(manifestName(2))],
  ['two manifests in each other’s places', 'chain', (objects) => swap(objects, manifestName(2), manifestName(3))],
  ['an older manifest in place of the newest', 'chain', (objects) => void objects.set(manifestName(3), bytesOf(objects, manifestName(1)))],
  ['an empty manifest', 'foreign', (objects) => void objects.set(manifestName(3), Buffer.alloc(0))],
  [
    'a manifest of another format',
    'format',
    (objects) => {
      const text = bytesOf(objects, manifestName(3)).toString('utf8').replace('chartwarden backup v1', 'chartwarden backup v9')
      objects.set(manifestName(3), Buffer.from(text))
    },
  ],
  [
    'no manifest at all',
    'none',
    (objects) => {
      for (const number of [1, 2, 3]) objects.delete(manifestName(number))
    },
  ],
]

const { database, restore } = await emptyDatabase(t, masterKey)
const harmed = (harm: (objects: Objects) => void) => {
  const objects = new Map(store.objects)
  harm(objects)
  return memoryBackupStore(objects)
}

for (const [name, fault, harm] of harms) {
  t.test(name, async (t) => {
    const thrown = await refusal(installation.open(undefined, harmed(harm)).then((backup) => restore(backup)))
    t.equal(thrown.fault, fault, thrown.message)
    t.match(thrown.message, /\w+ .*\./, 'in words')
  })
}

t.test('a manifest of another installation in the chain', async (t) => {
  const other = await installationToBackUp(t)
  await other.clinic('north')
  await other.write()
  const objects = (number: number) => (own: Objects) => void own.set(manifestName(number), bytesOf(other.store.objects, manifestName(1)))
  for (const number of [2, 3]) {
    const thrown = await refusal(installation.open(undefined, harmed(objects(number))).then((backup) => restore(backup)))
    t.equal(thrown.fault, 'foreign', 'it was written under another master key')
  }
})

t.test('a copy of the store from before the last backups is whole, and what was signed since tells', async (t) => {
  const older = harmed((objects) => void objects.delete(manifestName(3)))
  const backup = await installation.open(undefined, older)
  const { size } = (await (await installation.open()).clinics()).get('north') as { size: bigint }
  const signedOf = (clinic: string) =>
    clinic === 'north' ? { origin: 'log.example/v1/clinics/north/log', size, root: Buffer.alloc(32) } : undefined
  const own = await emptyDatabase(t, masterKey)
  const { ledgers } = await own.restore(backup, { signedOf })
  t.ok((ledgers.find(({ clinic }) => clinic === 'north')?.missing ?? 0n) > 0n)
})

t.test('keys that do not open it', async (t) => {
  const stranger = await ageKeys()
  const opened = (key: Uint8Array, identities: readonly string[]) =>
    openBackup({ store, key: createBackupKey(key), identities }).then((backup) => restore(backup))
  const wrongIdentity = await refusal(opened(masterKey, [stranger.identity]))
  t.equal(wrongIdentity.fault, 'identity')
  t.notMatch(wrongIdentity.message, stranger.identity)
  t.equal((await refusal(opened(masterKey, []))).fault, 'identity')
  t.equal((await refusal(opened(systemRandomness.bytes(32), [identity]))).fault, 'foreign', 'another master key')
  await t.resolves(
    openBackup({ store, key: createBackupKey(masterKey), identities: [stranger.identity, identity] }),
    'one of them is enough',
  )
})

t.test('twin: unharmed, it comes back into the very database that all of these were refused for', async (t) => {
  await restore(
    await installation.open(
      undefined,
      harmed(() => undefined),
    ),
  )
  t.same(await contentsOf(database), await contentsOf(installation.database))
})
