/** A sealer that meets a database, a signer store or a ledger from another time. */
import { cpSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { type FindBehind, findBehindHalts, findBehindStore } from '../../../services/audit/log/find-behind.ts'
import { formatVerifierKey } from '../../../services/audit/log/note.ts'
import { consistencyProof } from '../../../services/audit/log/proofs.ts'
import { createRegressionGuard } from '../../../services/audit/log/regression-guard.ts'
import { databaseTiles } from '../../../services/audit/log/signer/database-tiles.ts'
import { adoptHead, retireOrigin } from '../../../services/audit/log/signer/operate.ts'
import { createSignerFiles } from '../../../services/audit/log/signer/signer-files.ts'
import type { SignedHead, SignerStore } from '../../../services/audit/log/signer-store.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { commandLine } from '../../support/command-line.ts'
import { fault } from '../../support/fault.ts'
import { appendOf, decision, newClinic } from '../../support/ledger-entries.ts'
import { backupOf, openSealing, originOf, type Sealing, testBase } from '../../support/sealing.ts'
import { scratchDirectory } from '../../support/service.ts'
import { waitFor } from '../../support/wait-for.ts'

t.setTimeout(280_000)

const published = async (sealing: Sealing, clinics: readonly string[]): Promise<void> => {
  const sealer = sealing.sealer()
  sealer.start()
  for (const clinic of clinics) await sealing.published(clinic)
  await sealer.stop()
}

/** Two clinics with logs, one of which is about to be harmed. */
const twoClinics = async (test: Test): Promise<Sealing & { readonly harmed: string; readonly other: string }> => {
  const sealing = await openSealing(test)
  const [harmed, other] = [newClinic('harmed'), newClinic('other')]
  await sealing.write(harmed, 300)
  await sealing.write(other, 10)
  await published(sealing, [harmed, other])
  return { ...sealing, harmed, other }
}

const haltOf = async (sealing: Sealing, clinic: string): Promise<string> => {
  await waitFor('the halt', () => sealing.lines.some((line) => line.event === 'log.halted' && line.clinic === clinic))
  return sealing.lines.find((line) => line.event === 'log.halted' && line.clinic === clinic)?.message ?? ''
}

/** The other clinic's log goes on whatever became of the one. */
const otherGoesOn = async (t: Test, sealing: Sealing, other: string): Promise<void> => {
  await sealing.write(other, 20)
  await sealing.published(other)
  t.same(await sealing.faults(other), [])
}

t.test('a ledger restored from an older backup is halted with what to do, not served, and begun anew once it is retired', async (t) => {
  const sealing = await openSealing(t)
  const [harmed, other] = [newClinic('harmed'), newClinic('other')]
  await sealing.write(harmed, 100)
  await sealing.write(other, 10)
  await published(sealing, [harmed, other])
  const restore = await backupOf(sealing.superuser, harmed)
  await sealing.write(harmed, 50)
  await published(sealing, [harmed])
  await restore()

  const guarding = (findBehind: FindBehind, watches: boolean) => {
    const logger = { info: () => {}, warn: () => {}, error: () => {} } as never
    const guard = createRegressionGuard({ findBehind, watches, logger, recheckMs: 50 })
    t.teardown(() => guard.close())
    return guard
  }
  const guard = guarding(findBehindStore({ store: sealing.store, base: testBase, entries: sealing.entries }), false)
  const withoutStore = guarding(findBehindHalts(sealing.feed), true)
  await guard.check()
  await withoutStore.check()
  t.equal((await findBehindHalts(sealing.feed)()).size, 0, 'twin: nothing in the database says so before the process that signs does')
  const unguarded = {
    append: async (append: Parameters<typeof sealing.engine.appendBatch>[0][0]) => (await sealing.engine.appendBatch([append]))[0],
  }
  const ledger = guard.ledger(unguarded as never)
  const one = (clinic: string, by = ledger) => by.append(appendOf(clinic, 'any', [decision()]))
  const elsewhere = withoutStore.ledger(unguarded as never)
  const served = (clinic: string, by = ledger) =>
    one(clinic, by).then(
      () => true,
      () => false,
    )
  await t.rejects(one(harmed), fault('LEDGER_REGRESSED'))
  t.equal((await one(other)).kind, 'stored')

  const announced: string[] = []
  const sealer = sealing.sealer({
    announceRestart: async ({ origin, retired }) => {
      announced.push(`${retired?.origin} ${retired?.size} ${retired?.retired?.cause} → ${origin}`)
    },
  })
  sealer.start()
  t.equal(
    await haltOf(sealing, harmed),
    `The ledger of clinic ${harmed} has 101 entries, but 151 were signed (${originOf(harmed)}): a restored backup or a lost ` +
      'failover. The clinic is not served. Bring the missing entries back (a replica, a newer backup), or give them up with: ' +
      `chartwarden log retire --clinic ${harmed} --cause restored_backup`,
  )
  t.equal(await sealing.halted(harmed), 'ledger_behind')
  await waitFor('a process without the store to hear of it', async () => !(await served(harmed, elsewhere)))
  await t.rejects(one(harmed, elsewhere), fault('LEDGER_REGRESSED'))
  t.ok(await served(other, elsewhere))
  await otherGoesOn(t, sealing, other)
  t.equal((await sealing.newest(harmed))?.size, 101n, 'nothing new is published')

  t.equal(await retireOrigin(sealing.files, originOf(harmed), 'restored_backup'), 'retired')
  await waitFor('the clinic to be served', () => served(harmed))
  await waitFor('the clinic to be served by a process without the store too', () => served(harmed, elsewhere))
  await sealing.published(harmed)
  t.same(await sealing.faults(harmed), [])
  t.same([...new Set(announced)], [`${originOf(harmed)} 151 restored_backup → ${originOf(harmed)}/2`])
  t.equal(await sealing.halted(harmed), undefined)
  await otherGoesOn(t, sealing, other)
})

t.test('entries brought back lift the halt, and nothing that was signed is signed otherwise', async (t) => {
  const sealing = await openSealing(t)
  const harmed = newClinic('harmed')
  await sealing.write(harmed, 100)
  const restoreOlder = await backupOf(sealing.superuser, harmed)
  await sealing.write(harmed, 50)
  await published(sealing, [harmed])
  await sealing.superuser.query(`create table newer_entries as select * from chartwarden_ledger.entries where clinic = '${harmed}'`)
  await restoreOlder((table) => table.startsWith('chartwarden_ledger'))
  const sealer = sealing.sealer()
  sealer.start()
  await haltOf(sealing, harmed)
  await sealing.superuser.query(
    `insert into chartwarden_ledger.entries select * from newer_entries n where n.revision > (
       select revision from chartwarden_ledger.heads where clinic = '${harmed}')`,
  )
  await sealing.superuser.query(`update chartwarden_ledger.heads set revision = 150 where clinic = '${harmed}'`)
  await waitFor('the end of the halt', async () => (await sealing.halted(harmed)) === undefined)
  await sealing.write(harmed, 5)
  await sealing.published(harmed)
  t.same(await sealing.faults(harmed), [])
})

t.test('a tree lost with its database is made again from the ledger, through exactly what was signed', async (t) => {
  const sealing = await openSealing(t)
  const harmed = newClinic('harmed')
  await sealing.write(harmed, 100)
  await published(sealing, [harmed])
  const restore = await backupOf(sealing.superuser, harmed)
  await sealing.write(harmed, 300)
  await published(sealing, [harmed])
  await restore((table) => table.startsWith('chartwarden_log'))
  t.equal((await sealing.newest(harmed))?.size, 101n)
  await published(sealing, [harmed])
  t.same(await sealing.faults(harmed), [])
})

t.test('entries that are not those that were signed halt the log as ledger_differs', async (t) => {
  const sealing = await openSealing(t)
  const [harmed, other] = [newClinic('harmed'), newClinic('other')]
  await sealing.write(harmed, 100)
  await sealing.write(other, 1)
  await published(sealing, [harmed, other])
  const restore = await backupOf(sealing.superuser, harmed)
  await sealing.write(harmed, 50)
  await published(sealing, [harmed])
  // Restored from a backup, and used on before anybody compared: as many entries, but others.
  await restore()
  await sealing.write(harmed, 80)
  const sealer = sealing.sealer()
  sealer.start()
  t.match(
    await haltOf(sealing, harmed),
    new RegExp(
      `^The first 151 entries in the ledger of clinic ${harmed} are not those that were signed .*log retire --clinic ${harmed} --cause damaged$`,
    ),
  )
  t.equal(await sealing.halted(harmed), 'ledger_differs')
  t.equal((await sealing.newest(harmed))?.size, 101n, 'no second root for any size')
  await otherGoesOn(t, sealing, other)
})

for (const [name, harm] of [
  [
    'a hash that was signed',
    `update chartwarden_log.strips set hashes = overlay(hashes placing sha256('x') from 1 for 32) where clinic = $1 and level = 1`,
  ],
  [
    'a leaf at the edge',
    `update chartwarden_log.strips set hashes = overlay(hashes placing sha256('x') from 1 for 32) where clinic = $1 and strip = 8`,
  ],
  ['a tile that is gone', 'delete from chartwarden_log.strips where clinic = $1 and strip between 8 and 15'],
  [
    'a part of a tile that is gone, and the rest moved up',
    'delete from chartwarden_log.strips where clinic = $1 and level = 0 and strip = 8',
  ],
] as const) {
  t.test(`tiles that are not those that were signed halt the log as tiles_differ: ${name}`, async (t) => {
    const sealing = await twoClinics(t)
    const { harmed, other, superuser } = sealing
    await superuser.query('alter table chartwarden_log.strips disable trigger all')
    await superuser.query(harm, [harmed])
    await superuser.query('alter table chartwarden_log.strips enable trigger all')
    const before = await sealing.newest(harmed)
    sealing.sealer().start()
    t.match(await haltOf(sealing, harmed), /do not continue what was signed of it at 301 entries/)
    t.equal(await sealing.halted(harmed), 'tiles_differ')
    await sealing.write(harmed, 3)
    await otherGoesOn(t, sealing, other)
    t.same(await sealing.newest(harmed), before)
  })
}

t.test('a signer store that was lost signs nothing where something is published, and new logs go on', async (t) => {
  const { database, keys, harmed, ...sealing } = await twoClinics(t)
  const files = createSignerFiles(scratchDirectory(t, 'empty-signer'), systemRandomness)
  const fresh = await openSealing(t, { database, keys, files })
  const before = await sealing.newest(harmed)
  fresh.sealer().start()
  t.match(
    await haltOf(fresh, harmed),
    /^A checkpoint of 301 entries of clinic .* is published, but the signer store knows of 0 .*\(CHARTWARDEN_SIGNER_DIR\)/,
  )
  t.equal(await fresh.halted(harmed), 'store_behind')
  const later = newClinic('later')
  await fresh.write(harmed, 5)
  await fresh.write(later, 5)
  await fresh.published(later)
  t.same(await sealing.newest(harmed), before)
  t.same(await fresh.faults(later), [])

  const head = { origin: originOf(harmed), size: 301n, root: Buffer.from(before?.root ?? '', 'hex') }
  t.same(await adoptHead(files, head, async () => undefined), { kind: 'adopted' })
  await fresh.published(harmed)
  t.same(await fresh.faults(harmed), [])
  t.equal(await fresh.halted(harmed), undefined)
})

t.test('an older signer store takes a newer head only if it is signed and proven to continue what the store knows', async (t) => {
  const directory = scratchDirectory(t, 'older-signer')
  const sealing = await openSealing(t, { files: createSignerFiles(directory, systemRandomness) })
  const { files, superuser, database, keys } = sealing
  const harmed = newClinic('harmed')
  const origin = originOf(harmed)
  await sealing.write(harmed, 300)
  await published(sealing, [harmed])
  const older = path.join(scratchDirectory(t, 'copy'), 'signer')
  cpSync(directory, older, { recursive: true })
  await sealing.write(harmed, 300)
  await published(sealing, [harmed])
  rmSync(directory, { recursive: true })
  cpSync(older, directory, { recursive: true })
  sealing.sealer().start()
  await haltOf(sealing, harmed)
  t.equal(await sealing.halted(harmed), 'store_behind')

  const { rows } = await superuser.query<{ note: string; root: Buffer }>(
    'select note, root from chartwarden_log.checkpoints where clinic = $1 order by size desc limit 1',
    [harmed],
  )
  const { note = '', root = Buffer.of() } = rows[0] ?? {}
  const proofTo = (size: bigint) => (known: SignedHead) =>
    consistencyProof(known.size, size, databaseTiles(sealing.feed, { clinic: harmed, generation: 1 }))
  const unproven = { kind: 'refused', why: 'unproven', record: { origin, size: 301n } }
  const other = { origin, size: 601n, root: Buffer.alloc(32, 9) }
  t.match(await adoptHead(files, other, proofTo(601n)), unproven, 'another root of that size')
  t.match(await adoptHead(files, { origin, size: 601n, root }, async () => undefined), unproven, 'no proof')
  t.match(await adoptHead(files, { origin, size: 601n, root }, async () => []), unproven, 'not a proof')
  t.match(await adoptHead(files, { origin, size: 300n, root }, proofTo(300n)), { ...unproven, why: 'not_larger' })
  t.match(await sealing.store.read(), [{ origin, size: 301n }])

  const file = path.join(scratchDirectory(t, 'notes'), 'newest.checkpoint')
  writeFileSync(file, note)
  const [key] = await keys.current(harmed)
  const vkey = key === undefined ? '' : formatVerifierKey(key.verifierKey(origin))
  const run = commandLine({
    CHARTWARDEN_SIGNER_DIR: directory,
    CHARTWARDEN_LOG_ORIGIN: testBase,
    CHARTWARDEN_FEED_DATABASE_URL: database.feedUrl,
  })
  const adopt = ['log', 'adopt', '--clinic', harmed, '--checkpoint', file, '--key', vkey]
  await superuser.query('alter table chartwarden_log.strips disable trigger all')
  await superuser.query('create table kept_strips as select * from chartwarden_log.strips where clinic = $1', [harmed])
  await superuser.query('delete from chartwarden_log.strips where clinic = $1 and strip > 8', [harmed])
  t.match(await run(...adopt), { code: 2, err: /do not prove that it continues the 301 entries which the store knows/ })
  await superuser.query('insert into chartwarden_log.strips select * from kept_strips on conflict do nothing')
  await superuser.query('alter table chartwarden_log.strips enable trigger all')
  t.match(await run(...adopt), { code: 0, out: `${origin} goes on from 601 entries.` })
  await waitFor('the end of the halt', async () => (await sealing.halted(harmed)) === undefined)
  await sealing.write(harmed, 3)
  await sealing.published(harmed)
  t.same(await sealing.faults(harmed), [])
})

t.test('twin: a sealer that does not look at the signer store publishes a second root for a size', async (t) => {
  const sealing = await openSealing(t)
  const harmed = newClinic('harmed')
  await sealing.write(harmed, 100)
  await published(sealing, [harmed])
  const restore = await backupOf(sealing.superuser, harmed)
  await sealing.write(harmed, 50)
  await published(sealing, [harmed])
  const honest = await sealing.newest(harmed)
  await restore()
  await sealing.write(harmed, 50)
  // It remembers nothing from before, and takes whatever it is told.
  const { rows } = await sealing.superuser.query<{ size: string; root: Buffer }>(
    'select size, root from chartwarden_log.checkpoints where clinic = $1',
    [harmed],
  )
  const known = rows.map(({ size, root }) => ({ origin: originOf(harmed), size: BigInt(size), root }))
  const blind: SignerStore = {
    read: async () => known,
    claim: async () => ({
      epoch: 99n,
      record: (origin) => known.find((head) => head.origin === origin),
      records: () => known,
      advance: async () => ({ kind: 'recorded' }),
      close: async () => {},
    }),
  }
  sealing.sealer({ store: blind }).start()
  await sealing.published(harmed)
  const forked = await sealing.newest(harmed)
  t.equal(forked?.size, honest?.size)
  t.not(forked?.root, honest?.root, 'the two cannot both be true: what the store is there to prevent')
})
