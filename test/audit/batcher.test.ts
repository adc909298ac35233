import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { type BatcherOptions, type BatchStats, createBatcher } from '../../services/audit/batcher.ts'
import { createMemoryEngine } from '../../services/audit/engines/memory.ts'
import { type Append, noState } from '../../services/audit/ledger.ts'
import { createLedgerClock } from '../../services/audit/ledger-clock.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { fault } from '../support/fault.ts'
import { holdEngine } from '../support/held-engine.ts'
import { appendOf, change, collect, decision, openClinic, wholeLedger } from '../support/ledger-entries.ts'
import { manualClock } from '../support/manual-clock.ts'

const open = async (t: Test, options: Partial<BatcherOptions> = {}) => {
  const clock = manualClock()
  const memory = createMemoryEngine({ clock })
  t.teardown(() => memory.close())
  const engine = holdEngine(memory)
  const batches: BatchStats[] = []
  const batcher = createBatcher({ engine, clock, onBatch: (stats) => batches.push(stats), ...options })
  const clinic = await openClinic(memory, 'clinic')
  /** One statement in flight, so that what is appended next queues. */
  const occupy = async () => {
    const first = batcher.append(appendOf(clinic, 'any', [decision()]))
    return { first, held: await engine.next() }
  }
  return { clock, memory, engine, batcher, batches, clinic, occupy }
}

const one = (clinic: string, more: Partial<Append> = {}): Append => appendOf(clinic, 'any', [decision()], more)
const clinicsOf = (appends: readonly Append[]): readonly string[] => appends.map((append) => append.clinic)
const idsOf = (appends: readonly Append[]): readonly string[] => appends.flatMap((append) => append.entries.map((entry) => entry.id))

t.test('what comes in together shares a statement, and what queues meanwhile shares the next', async (t) => {
  const { engine, batcher, clinic, batches } = await open(t)
  const first = [one(clinic), one(clinic)]
  const answers = first.map((append) => batcher.append(append))
  const held = await engine.next()
  t.same(idsOf(held.appends), idsOf(first))
  const second = Array.from({ length: 5 }, () => one(clinic))
  answers.push(...second.map((append) => batcher.append(append)))
  t.equal(engine.sent.length, 1, 'one statement is in flight')
  await held.pass()
  const next = await engine.next()
  t.same(idsOf(next.appends), idsOf(second))
  await next.pass()
  const outcomes = await Promise.all(answers)
  t.same(
    outcomes.map((outcome) => outcome.kind === 'stored' && outcome.revisions[0]),
    [1n, 2n, 3n, 4n, 5n, 6n, 7n],
  )
  t.match(batches, [
    { appends: 2, entries: 2, bytes: 80, clinics: 1, outcomes: { stored: 2, failed: 0 }, queuedEntries: 5, queuedBytes: 200 },
    { appends: 5, entries: 5, outcomes: { stored: 5 }, queuedEntries: 0, queuedBytes: 0 },
  ])
})

t.test('clinics take turns, one append each, and each keeps its order', async (t) => {
  const { engine, batcher, occupy } = await open(t, { maxBatchEntries: 4 })
  const { first, held } = await occupy()
  const queued = ['a', 'a', 'a', 'a', 'a', 'b', 'b', 'c'].map((clinic) => one(clinic))
  const answers = queued.map((append) => batcher.append(append))
  await held.pass()
  const batches = [await engine.next()]
  await batches[0]?.pass()
  batches.push(await engine.next())
  await batches[1]?.pass()
  t.same(
    batches.map((batch) => clinicsOf(batch.appends)),
    [
      ['a', 'b', 'c', 'a'],
      ['b', 'a', 'a', 'a'],
    ],
  )
  const sentOf = (clinic: string) => idsOf(batches.flatMap((batch) => batch.appends.filter((append) => append.clinic === clinic)))
  const askedOf = (clinic: string) => idsOf(queued.filter((append) => append.clinic === clinic))
  for (const clinic of ['a', 'b', 'c']) t.same(sentOf(clinic), askedOf(clinic))
  t.ok((await Promise.all([first, ...answers])).every((outcome) => outcome.kind === 'stored' || outcome.kind === 'moved'))
})

t.test('a statement carries no more entries and bytes than allowed; what does not fit goes first next time', async (t) => {
  const { engine, batcher, occupy } = await open(t, { maxBatchEntries: 10, maxBatchBytes: 1_000 })
  const { held } = await occupy()
  const sized = (clinic: string, bytes: number, entries = 1) =>
    appendOf(
      clinic,
      'any',
      Array.from({ length: entries }, () => decision({ bytes: randomBytes(bytes) })),
    )
  for (const append of [sized('a', 600), sized('b', 600), sized('c', 300), sized('a', 10), sized('d', 10, 9)]) {
    batcher.append(append).catch(() => {})
  }
  await held.pass()
  const shapes: string[][] = []
  for (let round = 0; round < 2; round += 1) {
    const batch = await engine.next()
    shapes.push(batch.appends.map((append) => `${append.clinic} ${append.entries.length * append.entries[0]!.bytes.length}`))
    await batch.pass()
  }
  t.same(shapes, [
    ['a 600', 'c 300', 'a 10'],
    ['b 600', 'd 90'],
  ])
})

t.test('an append larger than a statement should be goes alone', async (t) => {
  const { engine, batcher, occupy } = await open(t, { maxBatchEntries: 3 })
  const { held } = await occupy()
  const large = appendOf('a', 'any', [decision(), decision(), decision(), decision()])
  const answers = [one('b'), large, one('c')].map((append) => batcher.append(append))
  await held.pass()
  const sizes: number[] = []
  for (let round = 0; round < 2; round += 1) {
    const batch = await engine.next()
    sizes.push(batch.appends.reduce((sum, append) => sum + append.entries.length, 0))
    await batch.pass()
  }
  t.same(sizes, [2, 4])
  await Promise.all(answers)
})

t.test('a full queue refuses with the seconds to wait and takes again once there is room', async (t) => {
  const { engine, batcher, occupy } = await open(t, { maxQueuedEntries: 6 })
  const { held } = await occupy()
  const answers = ['a', 'b', 'c', 'd', 'e', 'f'].map((clinic) => batcher.append(one(clinic)))
  const refused = await batcher.append(one('g')).catch((thrown: unknown) => thrown)
  t.match(refused, { reason: 'OVERLOADED', retryAfterSeconds: 1 })
  await held.pass()
  const next = await engine.next()
  t.equal(next.appends.length, 6, 'what was accepted is sent')
  const late = batcher.append(one('g'))
  engine.passAll()
  t.ok((await Promise.all([...answers, late])).every((outcome) => outcome.kind === 'moved'))
})

t.test('the queue is bounded in bytes as well', async (t) => {
  const { batcher, occupy, engine } = await open(t, { maxQueuedBytes: 100 })
  const { held } = await occupy()
  const sized = (clinic: string, bytes: number) => appendOf(clinic, 'any', [decision({ bytes: randomBytes(bytes) })])
  const kept = [batcher.append(sized('a', 60)), batcher.append(sized('b', 40))]
  await t.rejects(batcher.append(sized('c', 1)), fault('OVERLOADED'))
  await t.rejects(batcher.append(sized('c', 101)), fault('INVALID_ARGUMENT'), 'what could never fit is told so')
  engine.passAll()
  await held.pass()
  await Promise.all(kept)
})

t.test('a clinic holds no more of the queue than it leaves free, so others always find room', async (t) => {
  const { batcher, occupy, engine } = await open(t, { maxQueuedEntries: 12 })
  await occupy()
  const accepted = async (clinic: string) => {
    const answers = Array.from({ length: 12 }, () => batcher.append(one(clinic)))
    const refusals = await Promise.all(
      answers.map((answer) =>
        Promise.race([
          answer.then(
            () => 0,
            () => 1,
          ),
          new Promise<number>((resolve) => setImmediate(resolve, 0)),
        ]),
      ),
    )
    return refusals.filter((refused) => refused === 0).length
  }
  t.equal(await accepted('greedy'), 6, 'half of it')
  t.equal(await accepted('second'), 3, 'half of what is left')
  t.equal(await accepted('third'), 1)
  t.equal(await accepted('fourth'), 1, 'one append needs only room')
  t.equal(await accepted('fifth'), 1)
  t.equal(await accepted('sixth'), 0, 'and then it is full')
  engine.passAll()
  await batcher.drain()
})

t.test('what queued too long is stale and is not sent', async (t) => {
  const { batcher, engine, occupy, clock } = await open(t, { maxQueueMs: 1_000 })
  const { held } = await occupy()
  const old = batcher.append(one('a'))
  clock.advance(1)
  const young = batcher.append(one('b'))
  clock.advance(1_000)
  await held.pass()
  const next = await engine.next()
  t.same(clinicsOf(next.appends), ['b'])
  await next.pass()
  t.same(await old, { kind: 'stale', ledgerTime: clock.wall(), unsent: true })
  t.equal((await young).kind, 'moved')
})

t.test('what nobody waits for any more is not sent', async (t) => {
  const { batcher, engine, occupy, clock } = await open(t)
  const { held } = await occupy()
  const late = batcher.append(one('a', { deadline: clock.monotonic() + 100 }))
  const behind = batcher.append(one('a'))
  const patient = batcher.append(one('b', { deadline: clock.monotonic() + 101 }))
  clock.advance(100)
  await held.pass()
  const next = await engine.next()
  t.same(clinicsOf(next.appends), ['a', 'b'])
  await next.pass()
  await t.rejects(late, fault('DEADLINE_EXCEEDED'))
  t.same(
    (await Promise.all([behind, patient])).map((outcome) => outcome.kind),
    ['moved', 'moved'],
  )
})

t.test('equal ids in one statement: the later goes first in the next and is a duplicate', async (t) => {
  const { batcher, engine, clinic, occupy, batches } = await open(t, { maxBatchEntries: 2 })
  const { held } = await occupy()
  const same = one(clinic)
  const answers = [same, same, one(clinic)].map((append) => batcher.append(append))
  await held.pass()
  await (await engine.next()).pass()
  const next = await engine.next()
  t.same(idsOf(next.appends)[0], idsOf([same])[0])
  await next.pass()
  t.same(
    (await Promise.all(answers)).map((outcome) => outcome.kind),
    ['stored', 'duplicate', 'stored'],
  )
  t.match(batches[1], { outcomes: { stored: 1, again: 1 } })
})

t.test('a statement that fails rejects the appends in it, with the cause, and no other', async (t) => {
  const { batcher, engine, occupy, clinic, batches } = await open(t)
  const { first, held } = await occupy()
  const inIt = [batcher.append(one(clinic)), batcher.append(one('a'))]
  await held.pass()
  const failing = await engine.next()
  const after = batcher.append(one(clinic))
  const cause = new Error('connection lost')
  await failing.fail(cause)
  for (const answer of inIt) {
    const thrown = await answer.catch((caught: unknown) => caught)
    t.match(thrown, { reason: 'LEDGER_UNAVAILABLE' })
    t.equal((thrown as Error).cause, cause)
  }
  engine.passAll()
  t.equal((await first).kind, 'stored')
  t.equal((await after).kind, 'stored')
  t.match(batches[1], { appends: 2, outcomes: { failed: 2, stored: 0 } })
})

t.test('a ledger that lost entries is told apart from one that cannot be reached', async (t) => {
  const { batcher, occupy } = await open(t)
  const { first, held } = await occupy()
  await held.fail(new ChartwardenError('LEDGER_REGRESSED'))
  await t.rejects(first, fault('LEDGER_REGRESSED'))
  await batcher.drain()
})

t.test('an engine that answers for fewer appends than it was sent has failed', async (t) => {
  const clock = manualClock()
  const engine = { ...createMemoryEngine({ clock }), appendBatch: async () => [] }
  const batcher = createBatcher({ engine, clock })
  await t.rejects(batcher.append(one('a')), fault('LEDGER_UNAVAILABLE'))
})

t.test('the fault of one clinic’s ledger fails its own appends and no neighbour’s', async (t) => {
  const clock = manualClock()
  const memory = createMemoryEngine({ clock })
  const broken = new Map<string, unknown>([
    ['unread', new Error('no answer')],
    ['cut', new ChartwardenError('LEDGER_REGRESSED')],
  ])
  const stats: BatchStats[] = []
  const appendBatch: typeof memory.appendBatch = async (appends) => {
    const outcomes = await memory.appendBatch(appends)
    return outcomes.map((outcome, at) => {
      const cause = broken.get(appends[at]!.clinic)
      return cause === undefined ? outcome : { kind: 'failed', cause, ledgerTime: clock.wall() }
    })
  }
  const batcher = createBatcher({ engine: { ...memory, appendBatch }, clock, onBatch: (batch) => stats.push(batch) })
  const [unread, cut, good] = ['unread', 'cut', 'good'].map((clinic) => batcher.append(appendOf(clinic, noState, [decision()])))
  await Promise.all([
    t.rejects(unread!, fault('LEDGER_UNAVAILABLE')),
    t.rejects(cut!, fault('LEDGER_REGRESSED')),
    t.resolveMatch(good!, { kind: 'stored' }),
  ])
  t.match(stats, [{ outcomes: { stored: 1, failed: 2 } }])
})

t.test('a faulty append is refused by itself and fails no neighbour', async (t) => {
  const { batcher, engine, clinic } = await open(t)
  engine.passAll()
  const [good, bad] = [batcher.append(one(clinic)), batcher.append(appendOf(clinic, 'any', []))]
  await t.rejects(bad, fault('INTERNAL'))
  t.equal((await good).kind, 'stored')
})

t.test('draining finishes what was accepted and takes nothing more', async (t) => {
  const { batcher, engine, occupy, clinic, memory } = await open(t)
  const { first, held } = await occupy()
  const queued = [batcher.append(one(clinic)), batcher.append(one(clinic))]
  let drained = false
  const draining = batcher.drain().then(() => {
    drained = true
  })
  await t.rejects(batcher.append(one(clinic)), fault('SHUTTING_DOWN'))
  await held.pass()
  await engine.next()
  t.equal(drained, false)
  engine.passAll()
  await draining
  t.ok((await Promise.all([first, ...queued])).every((outcome) => outcome.kind === 'stored'))
  t.equal((await wholeLedger(memory, clinic)).length, 4)
  await batcher.drain()
  t.same(await batcher.head(clinic), { revision: 3n, stateRevision: 0n }, 'reads go on')
})

t.test('draining an idle batcher ends at once', async (t) => {
  const { batcher } = await open(t)
  await batcher.drain()
  await t.rejects(batcher.append(one('a')), fault('SHUTTING_DOWN'))
})

t.test('every answer teaches the time of the ledger', async (t) => {
  const clock = manualClock()
  const ahead = { wall: () => clock.wall() + 4_000, monotonic: clock.monotonic }
  const engine = createMemoryEngine({ clock: ahead })
  const ledgerClock = createLedgerClock({ clock })
  const batcher = createBatcher({ engine, clock, ledgerClock })
  t.equal(ledgerClock.skew(), 0)
  await batcher.append(appendOf('a', noState, [change()]))
  t.equal(ledgerClock.skew(), 4_000)
  t.equal(ledgerClock.now(), ahead.wall())
  const fresh = createLedgerClock({ clock })
  t.equal(await createBatcher({ engine, clock, ledgerClock: fresh }).time(), ahead.wall())
  t.equal(fresh.skew(), 4_000)
})

t.test('reads pass through to the engine', async (t) => {
  const { batcher, engine, clinic, memory } = await open(t)
  engine.passAll()
  const entry = decision()
  await batcher.append(appendOf(clinic, 'any', [entry]))
  const revisions = async (entries: AsyncIterable<{ readonly revision: bigint }>) =>
    (await collect(entries)).map(({ revision }) => revision)
  t.same(await revisions(batcher.read(clinic, 0n, 9n)), [0n, 1n])
  t.same(await revisions(batcher.readState(clinic, 0n)), [0n])
  t.ok((await batcher.find(clinic, [entry.id])).has(entry.id))
  t.same(await batcher.head(clinic), await memory.head(clinic))
  t.same(await batcher.clinics('', 10), [clinic])
})
