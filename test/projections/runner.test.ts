import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { createMemoryEngine } from '../../services/audit/engines/memory.ts'
import { positionOf } from '../../services/audit/engines/position.ts'
import type { FeedBatch, LedgerFeed } from '../../services/audit/ledger.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { allProjections } from '../../services/projections/all-projections.ts'
import { applyEntries } from '../../services/projections/apply-entries.ts'
import { onPool } from '../../services/projections/database.ts'
import { planOf, readRegistry } from '../../services/projections/registry.ts'
import type { LedgerScript } from '../support/ledger-script.ts'
import { createLog, createProjectionHouse, feedOf, type ProjectionHouse } from '../support/projections.ts'
import { waitFor } from '../support/wait-for.ts'

/** Two clinics whose entries alternate, with everything a read model has to get right across a cut. */
const writeHistory = async (house: ProjectionHouse): Promise<void> => {
  const live = async (script: LedgerScript) => {
    const anna = await script.staff('anna')
    const ben = await script.staff('ben')
    const patient = await script.patient('p-1')
    return { script, anna, ben, patient }
  }
  const clinics = [await live(await house.script('north')), await live(await house.script('south'))]
  for (const { script, anna, ben, patient } of clinics) {
    const grant = await script.granted(anna, 'dentist')
    await script.granted(ben, 'dentist', { by: anna })
    await script.decided('permit', { subject: anna, patient })
    await script.revoked(anna, 'dentist', [grant])
    await script.offboarded(ben, { by: anna })
  }
  for (const { script, anna, ben, patient } of clinics) {
    await script.decided('deny', { subject: ben, patient })
    await script.recorded({ subject: ben, patient })
    await script.writeRaw('chartwarden.future.invented.v1', { anything: true })
    await script.reinstated(ben)
    await script.decided('deny', { subject: ben, patient })
    await script.write('chartwarden.role.retired.v1', { actor: { rule: 'scope/policy.write' }, role: 'dentist' })
    await script.offboarded(ben)
    await script.decided('deny', { subject: ben, patient }, { decision: 'sometimes' as 'deny' })
    await script.decided('probe', { subject: anna })
  }
}

t.test('the rows are the same however the entries are cut, repeated, or interrupted', async (t) => {
  const house = await createProjectionHouse(t)
  await writeHistory(house)
  const entries = await house.entries()
  await house.catchUp()
  const whole = await house.everything()
  t.equal((whole as { access_history: unknown[] }).access_history.length, 10)
  t.equal((whole as { parked_entries: unknown[] }).parked_entries.length, 4)

  await t.test('one by one and in every other size', async (t) => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: entries.length }), fc.integer({ min: 0, max: 5 }), async (size, overlap) => {
        await house.clear()
        await house.catchUp({ feed: feedOf(entries, size, overlap) })
        t.same(await house.everything(), whole, `batches of ${size}, ${overlap} repeated`)
      }),
      {
        numRuns: 8,
        examples: [
          [1, 0],
          [1, 3],
          [entries.length, 5],
        ],
      },
    )
  })

  await t.test('with a new runner at every batch boundary', async (t) => {
    await house.clear()
    for (let end = 1; end <= entries.length; end += 1) await house.catchUp({ feed: feedOf(entries.slice(0, end), 1) })
    t.same(await house.everything(), whole)
  })

  await t.test('with a fault after every apply, which undoes what the others wrote', async (t) => {
    await house.clear()
    const failed = new Set<string>()
    const last = allProjections.length - 1
    const projections = allProjections.map((projection, place) => ({
      ...projection,
      apply: async (...[transaction, events]: Parameters<typeof projection.apply>) => {
        await projection.apply(transaction, events)
        const slice = `${place} ${events.map(({ entry }) => entry.id).join(' ')}`
        if (place !== last && place % 2 === 0) return
        if (failed.has(slice)) return
        failed.add(slice)
        throw new Error('the database has a bad day')
      },
    }))
    await house.catchUp({ feed: feedOf(entries, 4), projections })
    t.ok(failed.size > 6, `${failed.size} applies failed once each`)
    t.same(await house.everything(), whole)
  })
})

t.test('of two runners one works and the other takes over', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const anna = await script.staff('anna')
  const first = house.runner()
  first.start()
  await waitFor('the first runner', () => first.state === 'running')
  const second = house.runner()
  second.start()
  const took: string[] = []
  for (let count = 0; count < 5; count += 1) {
    await script.decided('permit', { subject: anna })
    took.push(second.state)
  }
  await waitFor('the rows', async () => (await house.rows('access_history')).length === 5)
  t.notOk(took.includes('running'), 'the second one waits')
  await first.stop()
  t.equal(first.state, 'stopped')
  await waitFor('the second runner', () => second.state === 'running')
  await script.decided('permit', { subject: anna })
  await waitFor('its row', async () => (await house.rows('access_history')).length === 6)
})

t.test('a runner that loses its connection loses the lock and starts again', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const anna = await script.staff('anna')
  const log = createLog()
  const runner = house.runner({ logger: log.logger })
  runner.start()
  await waitFor('the runner', () => runner.state === 'running')
  for (let round = 1; round <= 3; round += 1) {
    await house.adminPool.query(
      `select pg_terminate_backend(l.pid) from pg_locks l join pg_database d on d.oid = l.database
       where l.locktype = 'advisory' and d.datname = current_database()`,
    )
    await waitFor('the loss to be noticed', () => log.lines.filter((line) => line.event === 'projections_retrying').length >= round)
    await script.decided('permit', { subject: anna })
    await waitFor('the row after the loss', async () => (await house.rows('access_history')).length === round)
  }
  await runner.stop()
})

t.test('of two runners that both believe to be alone, one is told that it was overtaken', async (t) => {
  const house = await createProjectionHouse(t)
  await writeHistory(house)
  const entries = await house.entries()
  await house.catchUp()
  const whole = await house.everything()
  await house.clear()
  await house.catchUp({ feed: feedOf(entries.slice(0, 3), 3) })
  const [from, to] = [positionOf(3n), positionOf(BigInt(entries.length))]
  const db = onPool(house.feedPool)
  const registry = await readRegistry(db)
  const plan = planOf(registry, allProjections, registry[0]?.lane ?? '')
  if (plan === undefined) throw new Error('no plan')
  const apply = () => applyEntries(db, plan, { entries: entries.slice(3), from, to })
  const outcomes = await Promise.all([apply(), apply(), apply()])
  t.same(outcomes.map(({ kind }) => kind).sort(), ['applied', 'overtaken', 'overtaken'])
  t.same(await house.everything(), whole)
})

const decidedData = {
  decision: 'deny',
  reason_code: 'no_grant',
  rule: '',
  intent: 'access',
  action: 'read',
  resource_type: 'imaging',
  purpose: 'TREAT',
  roles: [],
}

t.test('an unknown type and a damaged entry are parked and reported, and everything else goes on', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const anna = await script.staff('anna')
  const unknown = await script.writeRaw('chartwarden.future.invented.v1', { subject: anna })
  const notJson = await script.writeBytes('chartwarden.access.decided.v1', Buffer.from('{"half":'))
  const noSubject = await script.decided('permit', { subject: anna }, { subject: undefined as never })
  const nul = await script.decided('permit', { subject: anna, action: 're\0ad' })
  const noTime = await script.recorded({ subject: anna }, { occurred_at: '2026-02-31T00:00:00Z' })
  const subject = { type: 'staff', pseudonym: randomBytes(10_000).toString('hex') }
  const tooLong = await script.writeRaw('chartwarden.access.decided.v1', { ...decidedData, subject })
  const fine = await script.decided('permit', { subject: anna })
  const log = createLog()
  await house.catchUp({ logger: log.logger })

  const parked = await house.rows('parked_entries')
  t.match(parked, [
    { entry_id: unknown.id, reason: 'unknown_type', type: 'chartwarden.future.invented.v1' },
    { entry_id: notJson.id, reason: 'unreadable', detail: 'SyntaxError' },
    { entry_id: noSubject.id, reason: 'unreadable', detail: 'TypeError' },
    { entry_id: nul.id, reason: 'unreadable', detail: 'TypeError' },
    { entry_id: noTime.id, reason: 'unreadable', detail: '22008' },
    { entry_id: tooLong.id, reason: 'unreadable', detail: '54000' },
  ])
  t.equal(parked.length, 6)
  t.match(await house.rows('access_history'), [{ entry_id: fine.id }])
  t.match(await house.rows('progress'), [{ clinic: 'north', complete_to_revision: Number(fine.revision) }])
  t.equal(log.lines.filter(({ level, event }) => level === 'error' && event === 'entry_parked').length, 6)
})

t.test('a feed that skips an entry is not followed', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const anna = await script.staff('anna')
  for (let count = 0; count < 3; count += 1) await script.decided('permit', { subject: anna })
  const entries = await house.entries()
  const log = createLog()
  const runner = house.runner({ feed: feedOf([...entries.slice(0, 3), ...entries.slice(4)], 1), logger: log.logger })
  runner.start()
  await waitFor('the alarm', () => log.lines.some(({ event }) => event === 'projections_retrying'))
  t.match(await house.rows('progress'), [{ complete_to_revision: 2 }])
  await runner.stop()
})

t.test('a checkpoint that is ahead of the ledger stops the runner until the ledger is back', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  await script.staff('anna')
  await house.catchUp()
  const log = createLog()
  const runner = house.runner({ feed: createMemoryEngine({ clock: systemClock }), logger: log.logger })
  runner.start()
  await waitFor('the alarm', () => runner.state === 'retrying')
  t.match(log.lines.find(({ event }) => event === 'projections_retrying')?.fields, { err: { reason: 'LEDGER_REGRESSED' } })
  await runner.stop()
})

t.test('read models whose definition nobody has published are waited for, and nothing is mixed with them', async (t) => {
  const house = await createProjectionHouse(t)
  await house.script('north')
  await house.catchUp()
  const before = await house.everything()
  const log = createLog()
  const projections = allProjections.map((projection) => ({ ...projection, version: 1_000 }))
  const runner = house.runner({ projections, logger: log.logger })
  runner.start()
  await waitFor('the halt', () => runner.state === 'halted')
  t.match(log.lines, [
    { level: 'error', event: 'projections_unpublished', fields: { projections: allProjections.map(({ name }) => name) } },
  ])
  await runner.stop()
  t.same(await house.everything(), before)
})

t.test('stopping waits for the batch at hand', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  await script.staff('anna')
  const [entry] = await house.entries()
  if (entry === undefined) throw new Error('no entry')
  let delivered = false
  const once: LedgerFeed = {
    ...feedOf([entry], 1),
    async *subscribe(): AsyncGenerator<FeedBatch> {
      delivered = true
      yield { entries: [entry], position: positionOf(1n) }
    },
  }
  const runner = house.runner({ feed: once })
  runner.start()
  await waitFor('the delivery', () => delivered)
  await runner.stop()
  t.match(await house.rows('progress'), [{ clinic: 'north', complete_to_revision: 0 }])
})
