import { createHash } from 'node:crypto'
import { Decrypter } from 'age-encryption'
import t from 'tap'
import { createBackupKey } from '../../../services/audit/backup/backup-key.ts'
import type { BackupSource } from '../../../services/audit/backup/backup-source.ts'
import type { BackupStore } from '../../../services/audit/backup/backup-store.ts'
import { manifestName } from '../../../services/audit/backup/manifest.ts'
import { type Backup, openBackup } from '../../../services/audit/backup/open-backup.ts'
import { writeBackup } from '../../../services/audit/backup/write-backup.ts'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { ageKeys, backupFault, type InstallationToBackUp, installationToBackUp, memoryBackupStore } from '../../support/backups.ts'
import { caught } from '../../support/caught.ts'
import { collect, wholeLedger } from '../../support/ledger-entries.ts'
import { naiveTreeOf } from '../../support/naive-tree.ts'
import { query } from '../../support/query.ts'

const flat = async <T>(pages: AsyncIterable<readonly T[]>): Promise<readonly T[]> => (await collect(pages)).flat()

/** Every row of the ledger, as the database has it. */
const storedRows = ({ database }: InstallationToBackUp) =>
  query(
    database.adminUrl,
    `select position::text, clinic, revision::text, recorded_at::text, id::text, type, state_changing,
      encode(request_digest, 'hex') as digest, encode(bytes, 'hex') as bytes
     from chartwarden_ledger.entries e order by e.position`,
  )

const rowsOf = async (backup: Backup) =>
  (await flat(backup.entries())).map((entry) => ({
    position: String(entry.position),
    clinic: entry.clinic,
    revision: String(entry.revision),
    recorded_at: String(entry.recordedAt),
    id: entry.id,
    type: entry.type,
    state_changing: entry.stateChanging,
    digest: entry.requestDigest.toString('hex'),
    bytes: entry.bytes.toString('hex'),
  }))

t.test('a full backup and those that rest on it hold every entry with all its columns, in the order of the feed', async (t) => {
  const installation = await installationToBackUp(t)
  const { clinic, fill, write, open, engine } = installation
  const north = await clinic('north')
  const south = await clinic('south')
  const first = await write()
  t.match(first, { manifest: { number: 1, kind: 'full', from: 0n, previous: undefined }, differing: { length: 0 } })
  await fill(north, 8)
  await clinic('west')
  const second = await write()
  t.match(second.manifest, { number: 2, kind: 'incremental', from: first.manifest.to })
  const third = await write()
  t.match(third.manifest, { number: 3, kind: 'incremental', from: second.manifest.to, to: second.manifest.to, clinics: 4 })
  await fill(south, 3)
  const fourth = await write()

  t.strictSame(await rowsOf(await open()), await storedRows(installation))
  t.same(
    (await rowsOf(await open(2))).length,
    Number(second.manifest.to),
    'an older one ends where it was made, whatever was written since',
  )
  t.ok(fourth.manifest.segments.filter(({ kind }) => kind === 'entries').length < second.manifest.segments.length)

  await t.test('and say of each ledger how large it is and the root of its tree', async (t) => {
    const clinics = await (await open()).clinics()
    t.same([...clinics.keys()], ['_system', 'north', 'south', 'west'])
    for (const name of ['north', 'south', 'west']) {
      const entries = await wholeLedger(engine, name)
      const tree = naiveTreeOf(entries.map(({ bytes }) => bytes))
      const told = clinics.get(name)
      t.equal(told?.size, BigInt(entries.length))
      t.ok(told?.root.equals(tree.root(0n, BigInt(entries.length))))
      t.equal(told?.stateRevision, (await engine.head(name))?.stateRevision)
    }
  })

  await t.test('a full one that is due begins anew and holds all of it', async (t) => {
    const { manifest } = await write({ fullAfterMs: 0 })
    t.match(manifest, { number: 5, kind: 'full', from: 0n })
    t.strictSame(await rowsOf(await open()), await storedRows(installation))
    t.equal((await open()).chain.length, 1)
  })
})

/** With one clinic, `north`, for what needs no ledger of its own. */
const small = await installationToBackUp(t)
const smallNorth = await small.clinic('northern-clinic')
await small.fill(smallNorth, 5)

t.test('keys are in it as they are stored, and the master key is nowhere', async (t) => {
  const { write, open, store, masterKey, identity, database } = small.anew()
  await write()
  const keys = await flat((await open()).keys())
  const stored = await query<{ clinic: string; pseudonym: string; wrapped: string; commitment: string; at: string }>(
    database.adminUrl,
    `select clinic, pseudonym, encode(wrapped_key, 'hex') as wrapped, commitment,
      to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
     from chartwarden_vault.identity_keys order by clinic, created_at, pseudonym`,
  )
  t.ok(stored.length >= 2)
  t.strictSame(
    keys.flatMap((key) =>
      key.kind === 'identity_key'
        ? [
            {
              clinic: key.clinic,
              pseudonym: key.pseudonym,
              wrapped: key.wrappedKey?.toString('hex'),
              commitment: key.commitment,
              at: key.createdAt,
            },
          ]
        : [],
    ),
    stored,
  )
  t.same(
    keys.flatMap((key) => (key.kind === 'clinic_keys' ? [key.clinic] : [])),
    ['_system', 'northern-clinic'],
  )

  const spellings = [
    Buffer.from(masterKey),
    ...(['hex', 'base64', 'base64url'] as const).map((form) => Buffer.from(Buffer.from(masterKey).toString(form))),
  ]
  const decrypter = new Decrypter()
  decrypter.addIdentity(identity)
  const { gunzipSync } = await import('node:zlib')
  for (const [name, bytes] of store.objects) {
    const plain = name.endsWith('.age') ? gunzipSync(await decrypter.decrypt(bytes)) : bytes
    for (const spelling of spellings) t.notOk(plain.includes(spelling), name)
  }
})

t.test('nobody reads entries or keys without an identity, and nothing of a person or clinic shows in the store', async (t) => {
  const { write, store, options, open } = small.anew()
  await write()
  for (const [name, bytes] of store.objects) t.notOk(`${name}${bytes.toString('latin1')}`.includes('northern-clinic'), name)
  const other = await openBackup({ store, key: options.key, identities: [(await ageKeys()).identity] })
  const parts: readonly AsyncIterable<readonly unknown[]>[] = [other.entries(), other.keys(), other.logs()]
  for (const read of parts) t.equal(await backupFault(() => flat(read)), 'identity')
  t.equal((await other.clinics()).size, 2, 'what the next backup goes on from needs the master key alone')
  t.ok((await flat((await open()).entries())).length > 0)
})

t.test('a second recipient can read it too', async (t) => {
  const { write, store, options, recipient } = small.anew()
  const second = await ageKeys()
  await write({ recipients: [recipient, second.recipient] })
  const backup = await openBackup({ store, key: options.key, identities: [second.identity] })
  t.ok((await flat(backup.entries())).length > 0)
})

t.test('appends go on while a backup is made, which ends where it began', async (t) => {
  const installation = await installationToBackUp(t)
  const { clinic, fill, write, open, options } = installation
  const north = await clinic('north')
  await fill(north, 6)
  const before = await storedRows(installation)
  const { source } = options
  const busy: BackupSource = {
    ...source,
    async *entries(from, to) {
      for await (const page of source.entries(from, to)) {
        await fill(north, 1)
        yield page
      }
    },
  }
  await write({ source: busy })
  t.strictSame(await rowsOf(await open()), before)
  await write()
  t.strictSame(await rowsOf(await open()), await storedRows(installation))

  await t.test('twin: a source that reads on is told apart by its heads', async (t) => {
    const late: BackupSource = {
      ...source,
      moment: async () => {
        const moment = await source.moment()
        await fill(north, 1)
        return { ...moment, position: (await source.moment()).position }
      },
    }
    t.equal(await backupFault(() => write({ source: late })), 'ledger_differs')
  })
})

/** The objects that were written for one backup. */
const ofBackup = (objects: ReadonlyMap<string, Buffer>, number: number): Map<string, Buffer> =>
  new Map([...objects].filter(([name]) => new RegExp(`^(manifests|segments)/${String(number).padStart(8, '0')}`).test(name)))

/** A store that fails from the nth write on, before or after it took the object. */
const failing = (inner: BackupStore, from: number, when: 'before' | 'after'): BackupStore => {
  let writes = 0
  return {
    ...inner,
    write: async (name, bytes) => {
      writes += 1
      if (writes < from) return inner.write(name, bytes)
      if (when === 'after' && writes === from) await inner.write(name, bytes)
      throw new Error('the connection broke')
    },
  }
}

t.test('wherever a backup is ended, the last complete one stays whole and the next one goes on from it', async (t) => {
  const installation = await installationToBackUp(t)
  const { clinic, fill, write, open, store } = installation
  const north = await clinic('north')
  await write()
  const complete = await storedRows(installation)
  await fill(north, 5)
  const now = await storedRows(installation)
  const before = new Map(store.objects)
  let ended = 0
  for (let from = 1; ; from += 1) {
    for (const when of ['before', 'after'] as const) {
      const copy = memoryBackupStore(new Map(before))
      const failed = await write({ store: failing(copy, from, when) }).then(
        () => false,
        () => true,
      )
      if (!failed) {
        t.ok(ended > 8, `${ended} places to end it at`)
        return
      }
      ended += 1
      // The manifest is the last write: once it is there, the backup is complete though nobody was told.
      const taken = copy.objects.has(manifestName(2))
      t.strictSame(await rowsOf(await open(undefined, copy)), taken ? now : complete)
      const next = await write({ store: copy })
      t.equal(next.manifest.number, taken ? 3 : 2)
      t.strictSame(await rowsOf(await open(undefined, copy)), now)
    }
  }
})

t.test('twin: with the manifest written first, an ended backup takes the last complete one with it', async (t) => {
  const { fill, write, open, store } = small.anew()
  await write()
  await fill(smallNorth, 5)
  const recorded = memoryBackupStore(new Map(store.objects))
  await write({ store: recorded })
  store.objects.set(manifestName(2), recorded.objects.get(manifestName(2)) as Buffer)
  t.equal(await backupFault(async () => rowsOf(await open())), 'missing')
})

t.test('called off, it leaves no manifest', async (t) => {
  const { write, store } = small.anew()
  t.equal((await caught(write({ signal: AbortSignal.abort() }))).reason, 'CALL_CANCELLED')
  t.notOk(store.objects.has(manifestName(1)))
})

t.test('of two that are made at once one counts, and the other says so', async (t) => {
  const { write, open, store } = small.anew()
  const first = await write()
  const slow: BackupStore = {
    ...store,
    write: async (name, bytes) => {
      if (name === manifestName(2)) await write()
      return store.write(name, bytes)
    },
  }
  t.equal(await backupFault(() => write({ store: slow })), 'overtaken')
  t.same(
    (await open()).chain.map(({ number }) => number),
    [1, 2],
  )
  t.equal(
    (await open()).manifest.previous,
    createHash('sha256')
      .update(store.objects.get(manifestName(1)) as Buffer)
      .digest('hex'),
  )
  t.equal(first.manifest.number, 1)
})

t.test('an answer that was lost is no other backup: the same object is there', async (t) => {
  const { write, store } = small.anew()
  const repeating: BackupStore = {
    ...store,
    write: async (name, bytes) => {
      await store.write(name, bytes)
      return store.write(name, bytes)
    },
  }
  t.equal((await write({ store: repeating })).manifest.number, 1)
})

t.test('a ledger that is not the one backed up last is not added to it', async (t) => {
  const installation = await installationToBackUp(t)
  const { clinic, fill, write, store, options, open } = installation
  await fill(await clinic('north'), 5)
  await write()
  const other = await installationToBackUp(t)
  const script = await other.clinic('north')
  const foreign = () => writeBackup({ ...options, source: other.options.source })
  t.equal(await backupFault(foreign), 'foreign', 'another installation')

  const { installation: own } = await options.source.moment()
  const restored: BackupSource = {
    ...other.options.source,
    moment: async () => ({ ...(await other.options.source.moment()), installation: own }),
  }
  const again = (full = false) => writeBackup({ ...options, source: restored, full })
  t.equal(await backupFault(again), 'ledger_differs', 'it ends before')
  await other.fill(script, 8)
  t.equal(await backupFault(again), 'ledger_differs', 'it has other entries there')
  t.equal(await backupFault(() => writeBackup({ ...options, source: restored, fullAfterMs: 0 })), 'ledger_differs', 'whatever is due')
  t.equal(store.objects.has(manifestName(2)), false)

  await t.test('unless somebody says that it is meant', async (t) => {
    const { manifest } = await again(true)
    t.match(manifest, { number: 2, kind: 'full' })
    t.equal((await rowsOf(await open())).length, Number(manifest.to))
    t.equal((await rowsOf(await open(1))).length, Number((await open(1)).manifest.to), 'and what was backed up before is still there')
  })

  await t.test('twin: without the comparison its entries would be put behind the others', async (t) => {
    const blind: BackupSource = {
      ...restored,
      async *entries(from, to) {
        if (to - from === 1n) yield* options.source.entries(from, to)
        else yield* restored.entries(from, to)
      },
    }
    const copy = memoryBackupStore(ofBackup(store.objects, 1))
    t.equal(await backupFault(() => writeBackup({ ...options, store: copy, source: blind })), undefined)
    t.equal((await rowsOf(await open(undefined, copy))).length, Number((await restored.moment()).position))
  })
})

t.test('keys that have not changed are not written again, and a destroyed one is not in the next', async (t) => {
  const installation = await installationToBackUp(t)
  const { clinic, fill, write, open, database } = installation
  const north = await clinic('north')
  await clinic('south')
  const first = await write()
  await fill(north, 2)
  const second = await write()
  const keysOf = ({ manifest }: typeof first) => manifest.segments.filter(({ kind }) => kind === 'keys').map(({ name }) => name)
  const shared = keysOf(second).filter((name) => keysOf(first).includes(name))
  t.ok(shared.length > 0 && shared.length < keysOf(second).length)

  const pseudonym = await north.patient('patient 1')
  await query(
    database.adminUrl,
    `set role chartwarden_owner; update chartwarden_vault.identity_keys set wrapped_key = null, destroyed_at = now()
     where clinic = 'north' and pseudonym = '${pseudonym}'`,
  )
  await write()
  for (const number of [3, 2, 1]) {
    const keys = await flat((await open(number)).keys())
    const key = keys.find((each) => each.kind === 'identity_key' && each.pseudonym === pseudonym)
    t.match(key, { wrappedKey: undefined, destroyedAt: String }, `restoring backup ${number} does not bring it back`)
  }
})

t.test('a ledger that is not as it was signed is told, and backed up all the same', async (t) => {
  const installation = await installationToBackUp(t)
  const { clinic, write, options, open } = installation
  await clinic('north')
  await clinic('south')
  const { source } = options
  const claimed = (size: bigint): BackupSource => ({
    ...source,
    moment: async () => {
      const moment = await source.moment()
      const at = '2026-11-22T08:15:30.123456Z'
      const logs = ['north', 'south'].flatMap((name) => [
        { kind: 'log' as const, clinic: name, generation: 1, origin: `log/${name}`, size, halted: undefined },
        {
          kind: 'checkpoint' as const,
          clinic: name,
          generation: 1,
          size,
          root: name === 'north' ? Buffer.alloc(32, 9) : rootOfSouth,
          note: 'a note',
          publishedAt: at,
        },
      ])
      return { ...moment, logs: [...moment.logs, ...logs] }
    },
  })
  const entries = await wholeLedger(installation.engine, 'south')
  const rootOfSouth = naiveTreeOf(entries.map(({ bytes }) => bytes)).root(0n, 2n)
  const made = await write({ source: claimed(2n) })
  t.same(made.differing, ['north'])
  t.equal(made.manifest.number, 1)
  const logs = await flat((await open()).logs())
  t.equal(logs.filter(({ kind }) => kind === 'checkpoint').length, 2)
})

t.test('faults of the database are what they are everywhere', async (t) => {
  const { write, options } = small.anew()
  const broken: BackupSource = { ...options.source, moment: () => Promise.reject(new ChartwardenError('LEDGER_UNAVAILABLE')) }
  t.equal((await caught(write({ source: broken }))).reason, 'LEDGER_UNAVAILABLE')
})

t.test('a segment is believed only if it is what its manifest names', async (t) => {
  const { write, open, store, options } = small.anew()
  const { manifest } = await write()
  const segments = manifest.segments.filter(({ kind }) => kind === 'entries')
  const [one, two] = segments.map(({ name }) => name) as [string, string]
  const with_ = async (change: (objects: Map<string, Buffer>) => void) => {
    const copy = memoryBackupStore(new Map(store.objects))
    change(copy.objects)
    return backupFault(async () => rowsOf(await open(undefined, copy)))
  }
  t.equal(await with_(() => {}), undefined)
  t.equal(await with_((objects) => objects.delete(one)), 'missing')
  t.equal(await with_((objects) => objects.set(one, (objects.get(one) as Buffer).subarray(0, -1))), 'changed')
  t.equal(await with_((objects) => objects.set(one, objects.get(two) as Buffer)), 'changed')
  for (const at of [0, 100, -1]) {
    const flipped = Buffer.from(store.objects.get(one) as Buffer)
    flipped[at < 0 ? flipped.length + at : at] = (flipped.at(at) as number) ^ 1
    t.equal(await with_((objects) => objects.set(one, flipped)), 'changed')
  }
  t.equal(await with_((objects) => objects.delete(manifestName(1))), 'none')
  const stranger = openBackup({ store, key: createBackupKey(systemRandomness.bytes(32)), identities: [] })
  t.equal(await backupFault(() => stranger), 'foreign')
  t.equal(await backupFault(() => openBackup({ ...options, identities: [], number: 7 })), 'none')
})

t.test('manifests must follow one another', async (t) => {
  const { fill, write, open, store } = small.anew()
  for (let made = 0; made < 3; made += 1) {
    await fill(smallNorth, 2)
    await write()
  }
  const with_ = async (change: (objects: Map<string, Buffer>) => void, number?: number) => {
    const copy = memoryBackupStore(new Map(store.objects))
    change(copy.objects)
    return backupFault(() => open(number, copy))
  }
  const manifest = (number: number) => store.objects.get(manifestName(number)) as Buffer
  t.equal(await with_(() => {}), undefined)
  t.equal(await with_((objects) => objects.delete(manifestName(2))), 'chain', 'missing')
  t.equal(await with_((objects) => objects.set(manifestName(3), manifest(2))), 'chain', "in another's place")
  t.equal(await with_((objects) => objects.set(manifestName(4), manifest(3)), 4), 'chain', 'an older one as a newer one')
  t.equal(await with_((objects) => objects.set(manifestName(2), manifest(1)), 3), 'chain', 'an older one between')

  await t.test('and each names the one before it: another of the same number does not do', async (t) => {
    const other = memoryBackupStore(ofBackup(store.objects, 1))
    await write({ store: other })
    t.equal(await with_((objects) => objects.set(manifestName(2), other.objects.get(manifestName(2)) as Buffer)), 'chain')
  })
})
