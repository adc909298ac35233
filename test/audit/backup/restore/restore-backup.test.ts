import pg from 'pg'
import t, { type Test } from 'tap'
import type { EntryRecord, KeyRecord } from '../../../../services/audit/backup/backup-format.ts'
import type { Backup } from '../../../../services/audit/backup/open-backup.ts'
import { createTreeHasher } from '../../../../services/audit/log/tree-hasher.ts'
import { createMasterKey } from '../../../../services/audit/vault/master-key.ts'
import { systemRandomness } from '../../../../services/kernel/ids.ts'
import { installationToBackUp } from '../../../support/backups.ts'
import { openEngine, openPool } from '../../../support/postgres-engine.ts'
import type { TestDatabase } from '../../../support/postgres-server.ts'
import { contentsOf, emptyDatabase, refusal } from '../../../support/restoring.ts'
import { readSchemaFacts } from '../../../support/schema-facts.ts'

/** Two clinics in two backups, of which the second holds what is new. */
const backedUp = async (test: Test) => {
  const installation = await installationToBackUp(test)
  const north = await installation.clinic('north')
  const south = await installation.clinic('south')
  await installation.fill(north, 20)
  await installation.write()
  await installation.fill(south, 15)
  await installation.fill(north, 3)
  await installation.write()
  return installation
}

const installation = await backedUp(t)
const { masterKey } = installation

/** What of the database shows that nothing is in it. */
const nothingIn = async (test: Test, database: TestDatabase): Promise<boolean> => {
  const { rows } = await openPool(test, database.adminUrl, { max: 1 }).query<{ nothing: boolean }>(
    `select not exists (select from chartwarden_ledger.entries) and not exists (select from chartwarden_vault.clinic_keys)
       and not exists (select from chartwarden_log.logs) and (select position = 0 from chartwarden_ledger.log_head) as nothing`,
  )
  return rows[0]?.nothing === true
}

/** Whom row security binds, which triggers are armed, and all else that somebody relies on. */
const guardsOf = async (test: Test, database: TestDatabase) => {
  const superuser = openPool(test, database.adminUrl, { max: 1 })
  const bound = `select relname, relrowsecurity, relforcerowsecurity from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where nspname like 'chartwarden\\_%' and relkind in ('r', 'p') order by 1`
  const armed = `select tgrelid::regclass::text as on, tgname, tgenabled from pg_trigger where not tgisinternal order by 1, 2`
  return [(await superuser.query(bound)).rows, (await superuser.query(armed)).rows, await readSchemaFacts(superuser)]
}

t.test('everything comes back as it was: rows, order of the feed, heads, keys', async (t) => {
  const { database, restore } = await emptyDatabase(t, masterKey)
  const guards = await guardsOf(t, database)
  const backup = await installation.open()
  const told: string[] = []
  const restored = await restore(backup, { onProgress: (stage, done, total) => told.push(`${stage} ${done} of ${total}`) })
  t.same(await contentsOf(database), await contentsOf(installation.database))
  t.same(
    restored.ledgers.map(({ clinic }) => clinic),
    ['_system', 'north', 'south'],
  )
  t.equal(restored.entries, backup.manifest.to)
  t.match(told, [/^loading/])
  t.equal(told.at(-1), `verifying ${restored.entries} of ${restored.entries}`)
  const clinics = await backup.clinics()
  for (const { clinic, size, root, checkpoint, missing } of restored.ledgers) {
    t.same([size, root], [clinics.get(clinic)?.size, clinics.get(clinic)?.root.toString('base64')])
    t.same([checkpoint, missing], [undefined, 0n], 'nothing was signed here')
  }

  await t.test('and grows on where it ended', async (t) => {
    const [before, after] = [installation.engine, openEngine(t, database)]
    t.equal(await after.end(), await before.end())
    t.same(await after.head('north'), await before.head('north'))
    t.same(await after.clinics('', 10), ['north', 'south'])
  })

  await t.test('the guards are as they were before', async (t) => {
    t.same(await guardsOf(t, database), guards)
    const login = openPool(t, database.migrateUrl)
    await t.rejects(login.query(`insert into chartwarden_vault.clinic_keys values ('west', '', '')`), { code: '42501' })
    await t.rejects(openPool(t, database.adminUrl).query('delete from chartwarden_ledger.entries'), { code: '42501' })
  })

  await t.test('a second restore finds the database in use and changes nothing', async (t) => {
    const before = await contentsOf(database)
    await t.rejects(restore(backup), { name: 'StartError', message: /not empty: it holds entries, ledgers, keys/ })
    t.same(await contentsOf(database), before)
  })
})

t.test('an older backup comes back with what was destroyed since, and no newer key signs', async (t) => {
  const { database, restore } = await emptyDatabase(t, masterKey)
  const backup = await installation.open(1)
  const restored = await restore(backup)
  t.equal(restored.entries, backup.manifest.to)
  const found = await openPool(t, database.adminUrl).query('select max(position)::text as last from chartwarden_ledger.entries')
  t.equal(found.rows[0]?.last, String(backup.manifest.to))
})

t.test('a database that a service has used is refused, however little is in it', async (t) => {
  const { database, restore } = await emptyDatabase(t, masterKey)
  const superuser = openPool(t, database.adminUrl)
  const backup = await installation.open()
  for (const [what, statement] of [
    ['logs', 'update chartwarden_log.sealer set epoch = 1'],
    ['keys, logs', `insert into chartwarden_vault.clinic_keys values ('_system', '\\x00', '\\x00')`],
    ['ledgers, keys, logs', `insert into chartwarden_ledger.heads values ('west', 0, 0)`],
  ] as const) {
    await superuser.query(statement)
    await t.rejects(restore(backup), { name: 'StartError', message: new RegExp(`it holds ${what}\\.`) }, what)
  }
})

t.test('what is not what was backed up is refused by the entries themselves, and nothing of it stays', async (t) => {
  const { database, restore } = await emptyDatabase(t, masterKey)
  const whole = await installation.open()
  /** The same backup for whoever believes what it reads: nothing looked at the objects. */
  const altered = (over: Partial<Backup>): Backup => ({ ...whole, ...over })
  const entries = (change: (all: EntryRecord[]) => readonly EntryRecord[]): Backup =>
    altered({
      entries: async function* () {
        const all: EntryRecord[] = []
        for await (const page of whole.entries()) all.push(...page)
        yield change(all)
      },
    })
  const keys = (change: (record: KeyRecord) => readonly KeyRecord[]): Backup =>
    altered({
      keys: async function* () {
        for await (const page of whole.keys()) yield page.flatMap(change)
      },
    })
  const place = 10
  const changed = (entry: EntryRecord): EntryRecord => {
    const bytes = Buffer.from(entry.bytes)
    bytes[bytes.length - 3] = (bytes[bytes.length - 3] as number) ^ 1
    return { ...entry, bytes }
  }
  const swapped = (all: EntryRecord[]): readonly EntryRecord[] => {
    const own = all.filter(({ clinic }) => clinic === 'north')
    const [one, other] = [own[3] as EntryRecord, own[4] as EntryRecord]
    const as = (entry: EntryRecord, { position, revision }: EntryRecord): EntryRecord => ({ ...entry, position, revision })
    return all.map((entry) => (entry === one ? as(other, one) : entry === other ? as(one, other) : entry))
  }
  const cases: readonly (readonly [string, Backup, RegExp])[] = [
    [
      'a byte of an entry',
      entries((all) => all.map((entry, at) => (at === place ? changed(entry) : entry))),
      /clinic north .*another root/,
    ],
    ['the last entry is gone', entries((all) => all.slice(0, -1)), /clinic north .*instead of/],
    ['an entry in the middle is gone', entries((all) => all.toSpliced(place, 1)), /clinic \w+ .*stands where \d+ belongs/],
    ['two entries in each other’s places', entries(swapped), /clinic north .*another root/],
    [
      'an entry said to change the state',
      entries((all) =>
        all.map((entry) => (entry === all.findLast(({ clinic }) => clinic === 'south') ? { ...entry, stateChanging: true } : entry)),
      ),
      /clinic south .*changes the state/,
    ],
    [
      'a column that says something else than its entry',
      entries((all) => all.map((entry, at) => (at === place ? { ...entry, type: 'chartwarden.staff.enrolled.v1' } : entry))),
      /north, revision \d+: entry_columns_changed/,
    ],
    ['the keys of people', keys((record) => (record.kind === 'identity_key' ? [] : [record])), /lacks the keys of \d+ identities/],
    [
      'a key of another clinic',
      keys((record) => [record.kind === 'identity_key' && record.clinic === 'north' ? { ...record, clinic: 'south' } : record]),
      /A key of clinic south does not open/,
    ],
    [
      'a commitment',
      keys((record) => [record.kind === 'identity_key' ? { ...record, commitment: `${record.commitment.slice(1)}A` } : record]),
      /not the one that its introduction committed to/,
    ],
    [
      'a clinic that the backup does not tell of',
      altered({ clinics: async () => new Map([...(await whole.clinics())].slice(0, 2)) }),
      /does not tell/,
    ],
  ]
  for (const [name, backup, words] of cases) {
    t.match((await refusal(restore(backup))).message, words, name)
    t.equal(await nothingIn(t, database), true, `${name}: nothing stays`)
  }

  await t.test('twin: a backup that tells of the altered entries as its own is taken, since nothing was signed of them', async (t) => {
    const other = await emptyDatabase(t, masterKey)
    const forged = entries((all) => {
      const last = all.findLast(({ clinic }) => clinic === 'south') as EntryRecord
      return all
        .filter((entry) => entry !== last)
        .map((entry) => (entry.position > last.position ? { ...entry, position: entry.position - 1n } : entry))
    })
    const clinics = await whole.clinics()
    const hasher = createTreeHasher()
    for await (const page of forged.entries()) for (const { clinic, bytes } of page) if (clinic === 'south') hasher.append(bytes)
    const south = clinics.get('south') as NonNullable<ReturnType<typeof clinics.get>>
    const told = new Map([...clinics, ['south', { ...south, size: hasher.size, root: hasher.root() }] as const])
    const manifest = { ...whole.manifest, to: whole.manifest.to - 1n }
    t.equal((await other.restore({ ...forged, manifest, clinics: async () => told })).ledgers.length, 3)
  })

  await t.test('and the same backup as it is comes in', async (t) => {
    await restore(whole)
    t.same(await contentsOf(database), await contentsOf(installation.database))
  })
})

t.test('a restore that is cut off leaves nothing, and can be made again', async (t) => {
  const { database, restore } = await emptyDatabase(t, masterKey)
  const backup = await installation.open()
  for (const stage of ['loading', 'verifying'] as const) {
    const cut = restore(backup, {
      onProgress: (at) => {
        if (at === stage) throw new Error(`cut off while ${stage}`)
      },
    })
    await t.rejects(cut, { message: `cut off while ${stage}` })
    t.equal(await nothingIn(t, database), true)
  }
  const admin = new pg.Client({ connectionString: database.adminUrl })
  await admin.connect()
  t.teardown(() => admin.end())
  let killed: Promise<unknown> | undefined
  const lost = restore(backup, {
    onProgress: () => {
      killed ??= admin.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      )
    },
  })
  await t.rejects(lost, { code: '57P01' })
  await killed
  t.equal(await nothingIn(t, database), true)
  t.equal((await restore(backup)).ledgers.length, 3)
})

t.test('what the signer store remembers is believed: more than the backup holds is told, something else is refused', async (t) => {
  const { restore } = await emptyDatabase(t, masterKey)
  const backup = await installation.open()
  const { size } = (await backup.clinics()).get('north') as { size: bigint }
  const origin = 'log.example/v1/clinics/north/log'
  const signed = (head: { size: bigint; root: Buffer }) => (clinic: string) => (clinic === 'north' ? { origin, ...head } : undefined)
  const other = await refusal(restore(backup, { signedOf: signed({ size, root: Buffer.alloc(32, 7) }) }))
  t.equal(other.fault, 'not_as_signed')
  t.match(other.message, /north, revision/)
  t.notMatch(other.message, /south/)
  const more = await restore(backup, { signedOf: signed({ size: size + 4n, root: Buffer.alloc(32, 7) }) })
  t.same(
    more.ledgers.map(({ clinic, missing }) => [clinic, missing]),
    [
      ['_system', 0n],
      ['north', 4n],
      ['south', 0n],
    ],
  )
})

t.test('keys that do not open under the master key are refused before anybody relies on them', async (t) => {
  const { restore, database } = await emptyDatabase(t, systemRandomness.bytes(32))
  const backup = await installation.open()
  t.match((await refusal(restore(backup))).message, /A key of clinic _system does not open under this master key/)
  t.equal(await nothingIn(t, database), true)
  const right = createMasterKey(masterKey, systemRandomness)
  t.equal((await restore(backup, { masterKey: right })).ledgers.length, 3, 'twin: with the key that they are wrapped under they come in')
})
