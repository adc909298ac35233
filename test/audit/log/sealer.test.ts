import fc from 'fast-check'
import t from 'tap'
import { createDirectorySignerStore } from '../../../services/audit/log/directory-signer-store.ts'
import type { LogKeys } from '../../../services/audit/log/log-keys.ts'
import { createSignerFiles } from '../../../services/audit/log/signer/signer-files.ts'
import type { SignerSession, SignerStore } from '../../../services/audit/log/signer-store.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { newClinic } from '../../support/ledger-entries.ts'
import { breakingPool, openSealing, originOf } from '../../support/sealing.ts'
import { scratchDirectory } from '../../support/service.ts'
import { waitFor } from '../../support/wait-for.ts'

t.setTimeout(280_000)

/** Notes every head that was about to be signed, and breaks where it is told to. */
const watchedStore = (store: SignerStore, heads: Map<string, string>, breakAt: { advance: number; after: boolean }): SignerStore => ({
  read: () => store.read(),
  claim: async () => {
    const session = await store.claim()
    const advance: SignerSession['advance'] = async (advances) => {
      for (const { to } of advances) {
        const place = `${to.origin} ${to.size}`
        const root = Buffer.from(to.root).toString('hex')
        if ((heads.get(place) ?? root) !== root) throw new Error(`two roots for ${place}`)
        heads.set(place, root)
      }
      breakAt.advance -= 1
      if (breakAt.advance === 0 && !breakAt.after) throw new Error('killed before it was recorded')
      const outcome = await session.advance(advances)
      if (breakAt.advance === 0) throw new Error('killed before it was signed')
      return outcome
    }
    return { ...session, advance, epoch: session.epoch }
  },
})

t.test('entries of all ledgers are published, in the order of each', async (t) => {
  const sealing = await openSealing(t)
  const clinics = [newClinic(), newClinic(), newClinic()]
  for (const [place, clinic] of clinics.entries()) await sealing.write(clinic, 40 * place)
  const sealer = sealing.sealer()
  sealer.start()
  for (const clinic of clinics) await sealing.published(clinic)
  await sealing.write(clinics[0] as string, 300)
  await sealing.write(clinics[2] as string, 1)
  for (const clinic of clinics) {
    await sealing.published(clinic)
    t.same(await sealing.faults(clinic), [])
  }
  t.equal(sealer.state, 'publishing')
  await sealer.stop()
  t.equal(sealer.state, 'stopped')
})

t.test('a ledger of many entries is caught up with, tiles of the second level included', async (t) => {
  const sealing = await openSealing(t)
  const clinic = newClinic()
  await sealing.fill(clinic, 66_000)
  sealing.sealer({ most: 1_000 }).start()
  await sealing.published(clinic)
  t.same(await sealing.faults(clinic), [])
})

t.test('killed anywhere and resumed, it publishes the tree by the letter, and one root for one size', async (t) => {
  const sealing = await openSealing(t)
  const plan = fc.record({
    writes: fc.array(fc.tuple(fc.nat(2), fc.nat(400)), { minLength: 1, maxLength: 4 }),
    statement: fc.integer({ min: 1, max: 45 }),
    advance: fc.integer({ min: 1, max: 4 }),
    after: fc.boolean(),
    byStatement: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(plan, async ({ writes, statement, advance, after, byStatement }) => {
      const clinics = [newClinic(), newClinic(), newClinic()]
      const heads = new Map<string, string>()
      const pool = breakingPool(sealing.feed, byStatement ? statement : Number.POSITIVE_INFINITY)
      const breakAt = { advance: byStatement ? 0 : advance, after }
      const victim = sealing.sealer({ pool, store: watchedStore(sealing.store, heads, breakAt), most: 100 })
      victim.start()
      for (const [which, entries] of writes) await sealing.write(clinics[which] as string, entries)
      const written = [...new Set(writes.map(([which]) => clinics[which] as string))]
      // It was killed, or had nothing more to do.
      await waitFor('the end of the first', async () => {
        if (pool.broken() || breakAt.advance <= -1) return true
        const sizes = await Promise.all(
          written.map(async (clinic) => (await sealing.newest(clinic))?.size === (await sealing.entries(clinic))),
        )
        return sizes.every(Boolean)
      })
      await victim.stop()
      const heir = sealing.sealer({ store: watchedStore(sealing.store, heads, { advance: 0, after: false }) })
      heir.start()
      for (const clinic of written) await sealing.published(clinic)
      await heir.stop()
      const faults = await Promise.all(written.map((clinic) => sealing.faults(clinic)))
      return faults.flat().length === 0
    }),
    { numRuns: 25 },
  )
  t.pass('no two roots, no tile and no checkpoint that differ')
})

t.test('what was recorded and never published is signed again as it was', async (t) => {
  const sealing = await openSealing(t)
  const clinic = newClinic()
  await sealing.write(clinic, 10)
  const heads = new Map<string, string>()
  const victim = sealing.sealer({ store: watchedStore(sealing.store, heads, { advance: 1, after: true }), takeoverMs: 60_000 })
  victim.start()
  await waitFor('the fault', () => sealing.lines.some(({ event }) => event === 'log.retrying'))
  await victim.stop()
  sealing.sealer().start()
  await sealing.published(clinic)
  t.same(await sealing.faults(clinic), [])
  t.equal((await sealing.store.read()).find(({ origin }) => origin === originOf(clinic))?.size, 11n)
})

t.test('a last page that is exactly full is published although nothing follows it', async (t) => {
  const sealing = await openSealing(t)
  const clinic = newClinic()
  await sealing.write(clinic, 1)
  const held = { until: Promise.resolve() }
  const sealer = sealing.sealer({
    most: 50,
    // A page that is not full is followed by a pause; the full one comes while it lasts.
    publishIntervalMs: 200,
    decorateWriter: (writer) => ({
      ...writer,
      publish: async (epoch, checkpoints) => {
        const now = await writer.publish(epoch, checkpoints)
        await held.until
        return now
      },
    }),
  })
  sealer.start()
  await sealing.published(clinic)
  const writing = Promise.withResolvers<void>()
  held.until = writing.promise
  const size = (await sealing.newest(clinic))?.size ?? 0n
  await sealing.write(clinic, 1)
  await waitFor('the page of one', async () => ((await sealing.newest(clinic))?.size ?? 0n) === size + 1n)
  await sealing.write(clinic, 50)
  writing.resolve()
  await sealing.published(clinic)
  t.same(await sealing.faults(clinic), [])
})

t.test('one round of publishing asks once for the keys of its clinics', async (t) => {
  const sealing = await openSealing(t)
  const clinics = Array.from({ length: 20 }, () => newClinic())
  for (const clinic of clinics) await sealing.write(clinic, 1)
  const asked: number[] = []
  const keys: LogKeys = {
    ...sealing.keys,
    current: async () => {
      throw new Error('a statement for each clinic')
    },
    currentOf: (of) => {
      asked.push(of.length)
      return sealing.keys.currentOf(of)
    },
  }
  sealing.sealer({ keys }).start()
  for (const clinic of clinics) await sealing.published(clinic)
  t.same(asked, [20])
})

t.test('a signer directory that is not the one claimed last is said aloud', async (t) => {
  const sealing = await openSealing(t)
  const clinic = newClinic()
  const others = () => sealing.lines.filter(({ event }) => event === 'log.other_signer_store').length
  const older = scratchDirectory(t, 'older')
  for (const entries of [5, 6]) {
    const sealer = sealing.sealer()
    sealer.start()
    await sealing.write(clinic, entries)
    await sealing.published(clinic)
    await sealer.stop()
  }
  t.equal(others(), 0, 'twin: the same one, claimed again')
  const { rows } = await sealing.superuser.query<{ installation: string }>('select installation from chartwarden_log.sealer')
  const store = createDirectorySignerStore({ files: createSignerFiles(older, systemRandomness), installation: rows[0]?.installation ?? '' })
  sealing.sealer({ store }).start()
  await waitFor('the warning', () => others() > 0)
})

t.test('of two with one store one publishes; stopped, it is followed by the other', async (t) => {
  const sealing = await openSealing(t)
  const clinic = newClinic()
  await sealing.write(clinic, 5)
  const [first, second] = [sealing.sealer(), sealing.sealer()]
  first.start()
  await sealing.published(clinic)
  second.start()
  await sealing.write(clinic, 5)
  await sealing.published(clinic)
  t.same([first.state, second.state], ['publishing', 'standby'])
  await first.stop()
  await sealing.write(clinic, 5)
  await sealing.published(clinic)
  t.equal(second.state, 'publishing')
  t.same(await sealing.faults(clinic), [])
})

t.test('a process that is not heard of loses the lock, and what it does on waking is refused', async (t) => {
  const sealing = await openSealing(t)
  const clinic = newClinic()
  await sealing.write(clinic, 5)
  const held = Promise.withResolvers<void>()
  const reached = Promise.withResolvers<void>()
  let holding = true
  const paused = sealing.sealer({
    leaseMs: 300,
    takeoverMs: 60_000,
    decorateWriter: (writer) => ({
      ...writer,
      publish: async (epoch, checkpoints) => {
        if (holding) {
          reached.resolve()
          await sealing.superuser.query(
            `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`,
          )
          await held.promise
          holding = false
        }
        return writer.publish(epoch, checkpoints)
      },
    }),
  })
  paused.start()
  await reached.promise
  const heir = sealing.sealer()
  heir.start()
  await sealing.published(clinic)
  await sealing.write(clinic, 7)
  await sealing.published(clinic)
  const before = await sealing.newest(clinic)
  held.resolve()
  await waitFor('the refusal', () => sealing.lines.some(({ event }) => event === 'log.retrying'))
  t.same(await sealing.newest(clinic), before)
  t.same(await sealing.faults(clinic), [])
})
