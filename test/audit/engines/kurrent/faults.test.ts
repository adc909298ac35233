/** What the engine makes of a KurrentDB that loses answers, changes its leader, goes away, falls silent, or lost entries. */
import { randomUUID } from 'node:crypto'
import { KurrentDBClient } from '@kurrent/kurrentdb-client'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { KurrentEngineOptions } from '../../../../services/audit/engines/kurrent/engine.ts'
import { eventOf } from '../../../../services/audit/engines/kurrent/entry-event.ts'
import type { Append, EngineOutcome, LedgerEngine, NewEntry } from '../../../../services/audit/ledger.ts'
import { fault } from '../../../support/fault.ts'
import {
  cutAfterStoring,
  cutBeforeStoring,
  hold,
  refuse,
  replyTwice,
  sayNotLeader,
  storeAnywhere,
  storeSilently,
  storeThenRefuse,
  swallow,
} from '../../../support/kurrent-double/append-scripts.ts'
import { type AppendScript, answerTruly } from '../../../support/kurrent-double/appends.ts'
import { type DoubleOptions, type KurrentDouble, startKurrentDouble } from '../../../support/kurrent-double/double.ts'
import { openKurrentEngine } from '../../../support/kurrent-engine.ts'
import { createIndexDatabase } from '../../../support/kurrent-index.ts'
import { appendOf, change, collect, decision, openClinic, readFeed, wholeLedger } from '../../../support/ledger-entries.ts'
import type { TestDatabase } from '../../../support/postgres-server.ts'
import { waitFor } from '../../../support/wait-for.ts'

/** Short where every silence is waited for, long where a busy machine is all that takes time. */
const patience = { pollMs: 50, callTimeoutMs: 300, readTimeoutMs: 5_000, settleMs: 20_000, contendMs: 20_000 }

/** For answers that the test keeps back and gives in the end. */
const unhurried = { callTimeoutMs: 30_000 }

interface Ground {
  readonly double: KurrentDouble
  readonly database: TestDatabase
  /** Another service over the same. */
  open(options?: Partial<KurrentEngineOptions>): Promise<LedgerEngine>
}

const layGround = async (t: Test, cluster: DoubleOptions = {}): Promise<Ground> => {
  const double = await startKurrentDouble(t, cluster)
  const database = await createIndexDatabase(t)
  return { double, database, open: (options = {}) => openKurrentEngine(t, double.url, database, { ...patience, ...options }) }
}

/** Of all tests that leave the server as it was. */
const shared = await layGround(t)
const [engine, other] = [await shared.open(), await shared.open()]

const streamOf = ({ log }: KurrentDouble, clinic: string): string =>
  log.all().find(({ stream }) => stream.endsWith(clinic) && !stream.startsWith('$'))?.stream ?? ''

const one = async (engine: LedgerEngine, append: Append): Promise<EngineOutcome> => (await engine.appendBatch([append]))[0] as EngineOutcome

const causeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
  } catch (thrown) {
    return String((thrown as Error).cause)
  }
  return 'nothing was thrown'
}

const idsOf = async (engine: LedgerEngine, clinic: string): Promise<readonly string[]> =>
  (await wholeLedger(engine, clinic)).map(({ id }) => id)

/** Everything that may become of an append on its way, whether it was stored or not. */
const misfortunes = (double: KurrentDouble): Readonly<Record<string, AppendScript>> => ({
  'the connection is cut before it is stored': cutBeforeStoring(double),
  'the connection is cut after it was stored': cutAfterStoring(double),
  'it is stored and never answered': storeSilently,
  'it is lost and never answered': swallow,
  'it is stored, and the server does not know': storeThenRefuse('Unknown'),
  'it is stored, and the server did not wait': storeThenRefuse('Timeout'),
  'it is not stored, and the server does not know': refuse('Unknown'),
  'the server is not ready': refuse('not ready'),
  'it is stored, and another leads now': sayNotLeader(double, true),
  'it is not stored, and another leads now': sayNotLeader(double, false),
  'it is answered twice': replyTwice,
})

t.test('whatever becomes of the answer, an append is found out about: stored once, and answered as stored', async (t) => {
  const { double } = shared
  const clinic = await openClinic(engine)
  let revision = 0n
  for (const [name, script] of Object.entries(misfortunes(double))) {
    const entry = decision()
    double.script(script)
    const outcome = await one(engine, appendOf(clinic, 0n, [entry]))
    revision += 1n
    t.match(outcome, { kind: 'stored', revisions: [revision], stateRevision: 0n }, name)
    t.equal((await idsOf(engine, clinic)).filter((id) => id === entry.id).length, 1, name)
  }
})

t.test('twin: what is never stored is never answered as stored', async (t) => {
  const { double, open } = shared
  const hasty = await open({ settleMs: 700 })
  const clinic = await openClinic(engine)
  double.scriptAll(swallow)
  await t.rejects(hasty.appendBatch([appendOf(clinic, 0n, [decision()])]), fault('LEDGER_UNAVAILABLE'))
  double.scriptAll(answerTruly)
  t.equal((await wholeLedger(engine, clinic)).length, 1)
})

t.test('an append that the server stores long after it was given up is stored once, before or after it is asked for again', async (t) => {
  for (const storedFirst of [true, false]) {
    const { double, open } = shared
    const hasty = await open({ settleMs: 0 })
    const clinic = await openClinic(engine)
    const append = appendOf(clinic, 0n, [decision()])
    const held = hold()
    double.script(held.script)
    await t.rejects(hasty.appendBatch([append]), fault('LEDGER_UNAVAILABLE'))
    const late = await held.taken
    if (storedFirst) late.store()
    t.match(await one(engine, append), { kind: storedFirst ? 'duplicate' : 'stored' })
    if (!storedFirst) t.match(late.store(), { kind: 'wrong version' })
    t.same((await idsOf(engine, clinic)).slice(1), [append.entries[0]?.id])
  }
})

t.test('an append on its way while it is sent again is stored once', async (t) => {
  const { double } = shared
  const clinic = await openClinic(engine)
  const held = hold()
  double.script(held.script)
  const entry = decision()
  const outcome = await one(engine, appendOf(clinic, 0n, [entry]))
  t.match(outcome, { kind: 'stored', revisions: [1n] }, 'the second was')
  t.match((await held.taken).store(), { kind: 'appended' }, 'and the first is the same to the server')
  t.same((await idsOf(engine, clinic)).slice(1), [entry.id])
})

t.test('decisions that others store in between disturb nobody; a change moves what rested on the state before it', async (t) => {
  const { double, open } = shared
  const patient = await open(unhurried)
  const clinic = await openClinic(engine)
  const race = async (theirs: Append) => {
    const held = hold()
    double.script(held.script)
    const mine = one(patient, appendOf(clinic, 0n, [decision()]))
    const taken = await held.taken
    t.match(await one(other, theirs), { kind: 'stored' })
    taken.reply(taken.store())
    return mine
  }
  t.match(await race(appendOf(clinic, 0n, [decision()])), { kind: 'stored', revisions: [2n], stateRevision: 0n })
  t.match(await race(appendOf(clinic, 0n, [change()])), { kind: 'moved', stateRevision: 3n })
  t.equal((await wholeLedger(engine, clinic)).length, 4)
})

t.test('two engines bring the same entry at once, one of them with other content: one is stored, the other told', async (t) => {
  const { double, open } = shared
  const patient = await open(unhurried)
  const clinic = await openClinic(engine)
  const entry = decision()
  const held = hold()
  double.script(held.script)
  const mine = one(patient, appendOf(clinic, 0n, [entry]))
  const taken = await held.taken
  t.match(await one(other, appendOf(clinic, 0n, [{ ...entry, requestDigest: decision().requestDigest }])), { kind: 'stored' })
  taken.reply(taken.store())
  t.match(await mine, { kind: 'mismatch' })
  t.equal((await wholeLedger(engine, clinic)).length, 2)
})

interface Tally {
  readonly kinds: Set<string>
  /** Answered as stored, and not in the ledger where it was said to be. */
  lost: number
  /** More than once in the ledger. */
  doubled: number
}

/** Two engines append under a run of misfortunes; what was not answered is asked for again, as a caller would. */
const endure = async (writers: readonly [LedgerEngine, LedgerEngine], clinic: string, run: readonly string[]): Promise<Tally> => {
  const { double } = shared
  const byName = misfortunes(double)
  const tally: Tally = { kinds: new Set(), lost: 0, doubled: 0 }
  const answered = new Map<string, bigint>()
  const writer = async (own: LedgerEngine, names: readonly string[]): Promise<void> => {
    for (const name of names) {
      const append = appendOf(clinic, 'any', [decision()])
      const script = byName[name]
      if (script !== undefined) double.script(script)
      for (let tries = 0; tries < 10; tries += 1) {
        const outcome = await one(own, append).catch(() => undefined)
        tally.kinds.add(outcome?.kind ?? 'failed')
        if (outcome?.kind === 'stored') answered.set(append.entries[0]?.id ?? '', outcome.revisions[0] ?? -1n)
        if (outcome?.kind === 'duplicate') answered.set(append.entries[0]?.id ?? '', outcome.originals[0]?.revision ?? -1n)
        if (outcome?.kind === 'stored' || outcome?.kind === 'duplicate') break
      }
    }
  }
  const half = run.length / 2
  await Promise.all([writer(writers[0], run.slice(0, half)), writer(writers[1], run.slice(half))])
  const entries = await wholeLedger(other, clinic)
  for (const [id, revision] of answered) if (entries[Number(revision)]?.id !== id) tally.lost += 1
  tally.doubled = entries.length - new Set(entries.map(({ id }) => id)).size
  tally.lost += run.length - answered.size
  return tally
}

t.test('under any run of misfortunes nothing is lost and nothing doubled, by whichever service it was brought', async (t) => {
  const { double, open } = shared
  const writers = [await open({ callTimeoutMs: 100 }), await open({ callTimeoutMs: 100 })] as const
  const names = Object.keys(misfortunes(double))
  const kinds = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom('none', ...names), { minLength: 2, maxLength: 12 }), async (run) => {
      const tally = await endure(writers, await openClinic(engine), run)
      for (const kind of tally.kinds) kinds.add(kind)
      if (tally.lost + tally.doubled > 0) throw new Error(`${tally.lost} lost, ${tally.doubled} doubled`)
    }),
    { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 12), interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false },
  )
  t.ok(kinds.has('stored'), [...kinds].join())
})

t.test('twin: on a server that does not compare revisions entries are doubled', async (t) => {
  const { double, open } = shared
  const patient = await open(unhurried)
  const clinic = await openClinic(engine)
  const append = appendOf(clinic, 0n, [decision()])
  const held = hold()
  double.script(held.script)
  const first = one(patient, append).catch(() => undefined)
  const taken = await held.taken
  t.match(await one(other, append), { kind: 'stored' })
  storeAnywhere(double)(taken)
  t.not((await first)?.kind, 'stored', 'which the engine does not take for its own entry')
  const ids = double.log.stream(taken.stream)?.map(({ customMetadata }) => JSON.parse(Buffer.from(customMetadata).toString()).entryId)
  t.equal(ids?.filter((id) => id === append.entries[0]?.id).length, 2)
})

t.test('without a server every call is LEDGER_UNAVAILABLE, and once it is back the same engine goes on', async (t) => {
  const { double, open } = shared
  const hasty = await open({ settleMs: 300 })
  const clinic = await openClinic(hasty)
  const start = await hasty.end()
  const append = appendOf(clinic, 0n, [decision()])
  double.stop()
  await t.rejects(hasty.appendBatch([append]), fault('LEDGER_UNAVAILABLE'))
  await t.rejects(wholeLedger(hasty, clinic), fault('LEDGER_UNAVAILABLE'))
  await t.rejects(hasty.time(), fault('LEDGER_UNAVAILABLE'))
  await double.start()
  await waitFor('the engine to go on', async () => {
    const outcome = await one(hasty, append).catch(() => undefined)
    return outcome?.kind === 'stored' || outcome?.kind === 'duplicate'
  })
  await waitFor('its readers to go on', async () => (await wholeLedger(hasty, clinic).catch(() => [])).length === 2)
  t.equal((await readFeed(hasty, start, (seen) => seen.length === 1)).entries[0]?.id, append.entries[0]?.id)
})

t.test('one clinic’s fault is not its neighbour’s', async (t) => {
  const { double, open } = shared
  const hasty = await open({ settleMs: 0 })
  const [clinic, neighbour] = [await openClinic(engine), await openClinic(engine)]
  double.scriptAll((append) => (append.stream.endsWith(clinic) ? undefined : append.reply(append.store())))
  const outcomes = await hasty.appendBatch([appendOf(clinic, 0n, [decision()]), appendOf(neighbour, 0n, [decision()])])
  double.scriptAll(answerTruly)
  t.match(outcomes, [{ kind: 'failed' }, { kind: 'stored', revisions: [1n] }])
})

t.test('a connection cut while many clinics are appended to costs none of them its entry', async (t) => {
  const { double } = shared
  const clinics: string[] = []
  for (let number = 0; number < 24; number += 1) clinics.push(await openClinic(engine))
  double.script(answerTruly, cutAfterStoring(double), answerTruly, cutBeforeStoring(double), cutAfterStoring(double))
  const outcomes = await engine.appendBatch(clinics.map((clinic) => appendOf(clinic, 0n, [decision(), decision()])))
  for (const outcome of outcomes) t.match(outcome, { kind: 'stored', revisions: [1n, 2n] })
  for (const clinic of clinics) t.equal((await wholeLedger(engine, clinic)).length, 3)
})

t.test('a new leader is found, and only the leader is asked', async (t) => {
  const { double, open } = await layGround(t, { nodes: 3 })
  const engine = await open()
  const clinic = await openClinic(engine)
  double.elect(1)
  double.lag(0)
  const before = double.readsFromAnyone
  for (let round = 1n; round < 4n; round += 1n) {
    t.match(await one(engine, appendOf(clinic, 0n, [decision()])), { kind: 'stored', revisions: [round] })
  }
  double.elect(2)
  double.lag(1)
  t.match(await one(engine, appendOf(clinic, 0n, [change()])), { kind: 'stored', revisions: [4n], stateRevision: 4n })
  t.equal((await wholeLedger(engine, clinic)).length, 5)
  t.equal(double.readsFromAnyone, before)
})

/** As if a service had died between storing an entry and telling anybody. */
const storedByTheDead = ({ log }: KurrentDouble, stream: string): NewEntry => {
  const entry = decision()
  const { id, type, data, metadata } = eventOf(entry, Date.now(), randomUUID())
  const customMetadata = Buffer.from(JSON.stringify(metadata))
  log.append(stream, log.stream(stream)?.at(-1)?.revision ?? 'no_stream', [
    { id, type, data, contentType: 'application/octet-stream', customMetadata },
  ])
  return entry
}

t.test('an entry whose service died before it told anybody is in the feed, the head and the verdicts of the others', async (t) => {
  const { double } = shared
  const clinic = await openClinic(engine)
  const stream = streamOf(double, clinic)
  const reader = readFeed(engine, await engine.end(), (seen) => seen.length === 1)
  const entry = storedByTheDead(double, stream)
  t.equal((await reader).entries[0]?.id, entry.id)
  const unseen = storedByTheDead(double, stream)
  t.match(await one(engine, appendOf(clinic, 0n, [unseen])), { kind: 'duplicate', originals: [{ id: unseen.id, revision: 2n }] })
  t.match(await one(engine, appendOf(clinic, 0n, [decision()])), { kind: 'stored', revisions: [3n] })
})

t.test('a subscription that ends, with a fault or without one, or says nothing any more, is begun anew where it was', async (t) => {
  const { double, open } = await layGround(t)
  const engine = await open({ silenceMs: 300 })
  const stream = streamOf(double, await openClinic(engine))
  const seen: string[] = []
  const stop = new AbortController()
  const start = await engine.end()
  const reading = (async () => {
    for await (const { entries } of engine.subscribe(start, stop.signal)) seen.push(...entries.map(({ id }) => id))
  })()
  const told: string[] = []
  const tell = async (what: string) => {
    told.push(storedByTheDead(double, stream).id)
    await waitFor(what, () => seen.length === told.length)
  }
  await waitFor('a subscription', () => double.subscriptions > 0)
  await tell('the first')
  double.endSubscriptions({ kind: 'cancelled' })
  await tell('what came after a fault')
  double.endSubscriptions()
  await tell('what came after an end')
  double.cut()
  await tell('what came after a cut')
  // Enough of others' events for a checkpoint, which is not told or comes late (what that does to the place: open-streams.test.ts).
  const foreign = { type: 'x', contentType: 'application/octet-stream', data: Uint8Array.of(1), customMetadata: new Uint8Array() }
  const others = () =>
    double.log.append(
      'foreign',
      'any',
      Array.from({ length: 40 }, () => ({ ...foreign, id: randomUUID() })),
    )
  double.subscriptionFaults.slowCheckpoints = true
  others()
  await tell('what came before its checkpoint')
  double.subscriptionFaults.withoutCheckpoints = true
  others()
  await tell('what came without checkpoints')
  double.subscriptionFaults.silent = true
  const before = double.subscribed
  told.push(storedByTheDead(double, stream).id)
  await waitFor('another subscription in place of the silent one', () => double.subscribed > before)
  double.subscriptionFaults.silent = false
  double.log.changes.announce()
  await tell('what came after a silence')
  stop.abort()
  await reading
  t.same(seen, told)
})

t.test('a stream that lost entries it had takes no more, and says so', async (t) => {
  const { double, open } = await layGround(t)
  const engine = await open()
  const clinic = await openClinic(engine)
  await engine.appendBatch([appendOf(clinic, 0n, [decision(), decision()])])
  const place = double.log.all().length
  await engine.appendBatch([appendOf(clinic, 0n, [decision()])])
  double.log.restoreTo(place)
  await t.rejects(engine.appendBatch([appendOf(clinic, 0n, [decision()])]), fault('LEDGER_REGRESSED'))
  await t.rejects((await open()).appendBatch([appendOf(clinic, 0n, [decision()])]), fault('LEDGER_REGRESSED'))
})

t.test('a stream that was cut, deleted or ended by an administrator is never taken for a ledger that ends there', async (t) => {
  const { double } = shared
  const clinic = await openClinic(engine)
  const stream = streamOf(double, clinic)
  await engine.appendBatch([appendOf(clinic, 0n, [decision(), decision()])])
  const client = KurrentDBClient.connectionString(double.url)
  t.teardown(() => client.dispose())
  await client.setStreamMetadata(stream, { truncateBefore: 2 })
  t.match(await causeOf(wholeLedger(engine, clinic)), 'revision 0 is missing')
  await client.deleteStream(stream)
  await t.rejects(wholeLedger(engine, clinic), fault('LEDGER_REGRESSED'))
  await t.rejects(engine.head(clinic), fault('LEDGER_REGRESSED'))
  await client.tombstoneStream(stream)
  await t.rejects(wholeLedger(engine, clinic), fault('LEDGER_REGRESSED'))
  await t.rejects(engine.appendBatch([appendOf(clinic, 0n, [decision()])]))
})

t.test('what is no entry of ours is refused, not passed over', async (t) => {
  const { log } = shared.double
  const clinic = await openClinic(engine)
  const alien = { id: randomUUID(), type: 'alien', contentType: 'application/octet-stream', data: Uint8Array.of(1) }
  log.append(streamOf(shared.double, clinic), 0n, [{ ...alien, customMetadata: new Uint8Array() }])
  await t.rejects(wholeLedger(engine, clinic), fault('INTERNAL'))
  await t.rejects(engine.appendBatch([appendOf(clinic, 0n, [decision()])]), fault('INTERNAL'))
})

t.test('a clinic’s stream is one that nobody but an administrator deletes, cuts or opens, from before its first entry on', async (t) => {
  const { log } = shared.double
  const stream = streamOf(shared.double, await openClinic(engine))
  const metadata = log.metadata(stream)
  t.same(metadata['$acl'], { $r: ['$admins'], $w: ['$admins'], $mr: ['$admins'], $d: [], $mw: [] })
  for (const name of ['$maxAge', '$maxCount', '$tb']) t.notOk(name in metadata)
  const all = log.all().map((event) => event.stream)
  t.ok(all.indexOf(`$$${stream}`) < all.indexOf(stream))
  t.match(stream, /^[^$-]+-/, 'a category without a hyphen')
})

t.test(
  'on a server that asks for passwords, nobody but an administrator gets at an entry; without that one the service says so',
  async (t) => {
    const [admin, clerk] = [
      { login: 'chartwarden', password: 'changeit', groups: ['$admins'] },
      { login: 'clerk', password: 'changeit', groups: [] },
    ] as const
    const { double, database, open } = await layGround(t, { users: [admin, clerk] })
    const engine = await open()
    const clinic = await openClinic(engine)
    const stream = streamOf(double, clinic)
    t.match(await one(engine, appendOf(clinic, 0n, [decision()])), { kind: 'stored', revisions: [1n] })
    const client = KurrentDBClient.connectionString(double.urlFor(clerk))
    t.teardown(() => client.dispose())
    const denied = { type: 'access-denied' } as unknown as Error
    await t.rejects(client.deleteStream(stream), denied)
    await t.rejects(client.tombstoneStream(stream), denied)
    await t.rejects(client.setStreamMetadata(stream, { maxCount: 1 }), denied)
    await t.rejects(collect(client.readStream(stream)), denied)
    t.equal((await wholeLedger(engine, clinic)).length, 2)
    const unfit = await openKurrentEngine(t, double.urlFor(clerk), database, patience)
    await t.rejects(unfit.appendBatch([appendOf(clinic, 0n, [decision()])]), fault('LEDGER_UNAVAILABLE'))
  },
)

t.test('closing the engine ends its readers and its subscription', async (t) => {
  const { double, open } = await layGround(t)
  const engine = await open()
  const read = engine.subscribe(await engine.end(), new AbortController().signal)[Symbol.asyncIterator]()
  const next = read.next()
  await waitFor('a subscription', () => double.subscriptions > 0)
  await engine.close()
  t.equal((await next).done, true)
  await waitFor('its end', () => double.subscriptions === 0)
})

t.test('a state is read by its entries alone', async (t) => {
  const clinic = await openClinic(engine)
  for (let round = 0; round < 3; round += 1) {
    await engine.appendBatch([
      appendOf(
        clinic,
        'any',
        Array.from({ length: 40 }, () => decision()),
      ),
      appendOf(clinic, 'any', [change()]),
    ])
  }
  t.same(
    (await collect(engine.readState(clinic, 0n))).map(({ revision }) => revision),
    [0n, 41n, 82n, 123n],
  )
})
