import { randomBytes, randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { type Append, maxEntryBytes, noState, systemLedger } from '../../services/audit/ledger.ts'
import { fault } from '../support/fault.ts'
import { appendOf, change, decision, newClinic, openClinic, plain, wholeLedger } from '../support/ledger-entries.ts'
import type { EnginePair } from './ledger.ts'

export const ledgerAppendContract = async (t: Test, { first: engine, second }: EnginePair): Promise<void> => {
  const one = async (append: Append) => (await engine.appendBatch([append]))[0]!
  const kinds = async (appends: readonly Append[]) => (await engine.appendBatch(appends)).map((outcome) => outcome.kind)
  const future = async () => (await engine.time()) + 3_600_000

  await t.test('an append that rests on no state opens the ledger of a clinic', async (t) => {
    const clinic = newClinic()
    t.equal(await engine.head(clinic), undefined)
    const outcome = await one(appendOf(clinic, noState, [change()]))
    t.match(outcome, { kind: 'stored', revisions: [0n], stateRevision: 0n })
    t.same(await engine.head(clinic), { revision: 0n, stateRevision: 0n })
  })

  await t.test('a ledger may be opened by entries that change no state', async (t) => {
    const clinic = newClinic()
    t.match(await one(appendOf(clinic, noState, [decision(), decision()])), { kind: 'stored', revisions: [0n, 1n], stateRevision: noState })
    t.same(await engine.head(clinic), { revision: 1n, stateRevision: noState })
  })

  await t.test('a clinic without a ledger answers moved to everything that rests on a state, on any, or is known elsewhere', async (t) => {
    const clinic = newClinic()
    const entry = decision()
    await engine.appendBatch([appendOf(await openClinic(engine), 'any', [entry])])
    for (const restsOn of ['any', 0n, 7n] as const) {
      t.match(await one(appendOf(clinic, restsOn, [entry], { notAfter: 1 })), { kind: 'moved', stateRevision: noState })
    }
    t.equal(await engine.head(clinic), undefined, 'and none was opened')
  })

  await t.test('of one batch, the first that changes the state opens a ledger and moves the others', async (t) => {
    const clinic = newClinic()
    const outcomes = await engine.appendBatch([
      appendOf(clinic, 'any', [decision()]),
      appendOf(clinic, noState, [decision()]),
      appendOf(clinic, noState, [change(), decision()]),
      appendOf(clinic, noState, [change()]),
      appendOf(clinic, 'any', [decision()]),
    ])
    t.match(outcomes, [
      { kind: 'moved', stateRevision: 1n },
      { kind: 'stored', revisions: [0n], stateRevision: noState },
      { kind: 'stored', revisions: [1n, 2n], stateRevision: 1n },
      { kind: 'moved', stateRevision: 1n },
      { kind: 'moved', stateRevision: 1n },
    ])
  })

  await t.test('decisions commute: any number of them rest on one state, in one batch or in many', async (t) => {
    const clinic = await openClinic(engine)
    const appends = () => Array.from({ length: 50 }, () => appendOf(clinic, 0n, [decision()]))
    const outcomes = [...(await engine.appendBatch(appends())), ...(await second.appendBatch(appends()))]
    t.same(
      outcomes.map((outcome) => outcome.kind === 'stored' && outcome.revisions[0]),
      Array.from({ length: 100 }, (_, index) => BigInt(index + 1)),
    )
    t.ok(outcomes.every((outcome) => outcome.kind === 'stored' && outcome.stateRevision === 0n))
  })

  await t.test('decision, grant, decision, any, grant: stored, stored, moved, stored, moved', async (t) => {
    const clinic = await openClinic(engine)
    const outcomes = await engine.appendBatch([
      appendOf(clinic, 0n, [decision()]),
      appendOf(clinic, 0n, [change()]),
      appendOf(clinic, 0n, [decision()]),
      appendOf(clinic, 'any', [decision()]),
      appendOf(clinic, 0n, [change()]),
    ])
    t.match(outcomes, [
      { kind: 'stored', revisions: [1n], stateRevision: 0n },
      { kind: 'stored', revisions: [2n], stateRevision: 2n },
      { kind: 'moved', stateRevision: 2n },
      { kind: 'stored', revisions: [3n], stateRevision: 2n },
      { kind: 'moved', stateRevision: 2n },
    ])
    t.same(await engine.head(clinic), { revision: 3n, stateRevision: 2n })
  })

  await t.test('a change that rests on any state moves those behind it as well', async (t) => {
    const clinic = await openClinic(engine)
    const outcomes = await engine.appendBatch([
      appendOf(clinic, 'any', [decision(), change(), decision()]),
      appendOf(clinic, 0n, [decision()]),
      appendOf(clinic, 'any', [change()]),
    ])
    t.match(outcomes, [
      { kind: 'stored', revisions: [1n, 2n, 3n], stateRevision: 2n },
      { kind: 'moved', stateRevision: 4n },
      { kind: 'stored', revisions: [4n], stateRevision: 4n },
    ])
  })

  await t.test('a change that is not stored itself moves nothing', async (t) => {
    const clinic = await openClinic(engine)
    const known = change()
    await engine.appendBatch([appendOf(clinic, 'any', [known])])
    const outcomes = await engine.appendBatch([
      appendOf(clinic, 0n, [change()]),
      appendOf(clinic, 1n, [known]),
      appendOf(clinic, 1n, [{ ...known, requestDigest: randomBytes(32) }]),
      appendOf(clinic, 1n, [change()], { notAfter: 1 }),
      appendOf(clinic, 1n, [decision()]),
    ])
    t.same(
      outcomes.map((outcome) => outcome.kind),
      ['moved', 'duplicate', 'mismatch', 'stale', 'stored'],
    )
  })

  await t.test('a state that was, and one that is not yet, are both moved and store nothing', async (t) => {
    const clinic = await openClinic(engine)
    await engine.appendBatch([appendOf(clinic, 0n, [change()])])
    for (const restsOn of [noState, 0n, 2n, 99n]) {
      t.match(await one(appendOf(clinic, restsOn, [decision()])), { kind: 'moved', stateRevision: 1n })
    }
    t.equal((await wholeLedger(engine, clinic)).length, 2)
  })

  await t.test('not after is compared with the clock of the ledger', async (t) => {
    const clinic = await openClinic(engine)
    const now = await engine.time()
    t.match(await one(appendOf(clinic, 0n, [decision()], { notAfter: now })), { kind: 'stale' })
    t.match(await one(appendOf(clinic, 'any', [decision()], { notAfter: -1 })), { kind: 'stale' })
    t.match(await one(appendOf(clinic, 0n, [decision()], { notAfter: now + 3_600_000 })), { kind: 'stored', revisions: [1n] })
    t.match(await one(appendOf(clinic, 0n, [decision()], { notAfter: Number.MAX_VALUE })), { kind: 'stored', revisions: [2n] })
    t.equal((await wholeLedger(engine, clinic)).length, 3)
  })

  await t.test('an outcome tells the time of the ledger in whole milliseconds, which is when its entries were stored', async (t) => {
    const clinic = await openClinic(engine)
    const before = await engine.time()
    const outcome = await one(appendOf(clinic, 0n, [decision()]))
    const after = await engine.time()
    if (outcome.kind !== 'stored') return void t.fail(outcome.kind)
    t.ok(Number.isSafeInteger(outcome.ledgerTime))
    t.ok(before <= outcome.ledgerTime && outcome.ledgerTime <= after, `${before} ${outcome.ledgerTime} ${after}`)
    t.equal((await wholeLedger(engine, clinic))[1]?.recordedAt, outcome.ledgerTime)
  })

  await t.test('an append repeated is a duplicate with the originals in the order asked and the state of now', async (t) => {
    const clinic = await openClinic(engine)
    const entries = [decision(), change(), decision()]
    const stored = await one(appendOf(clinic, 0n, entries))
    await engine.appendBatch([appendOf(clinic, 'any', [change()])])
    const asked = [entries[2]!, entries[0]!].map((entry) => ({ ...entry, bytes: randomBytes(9), stateChanging: true }))
    const outcome = await one(appendOf(clinic, 0n, asked, { notAfter: 1 }))
    if (outcome.kind !== 'duplicate' || stored.kind !== 'stored') return void t.fail(`${stored.kind}, ${outcome.kind}`)
    t.same(
      outcome.originals.map(plain),
      [2, 0].map((index) => plain({ ...entries[index]!, clinic, revision: stored.revisions[index]!, recordedAt: stored.ledgerTime })),
      'neither the state, nor the time, nor other bytes change that',
    )
    t.equal(outcome.stateRevision, 4n)
  })

  await t.test('a duplicate in a batch that changes the state is told the state after it', async (t) => {
    const clinic = await openClinic(engine)
    const known = decision()
    await engine.appendBatch([appendOf(clinic, 'any', [known])])
    const [duplicate] = await engine.appendBatch([appendOf(clinic, 0n, [known]), appendOf(clinic, 0n, [change()])])
    t.match(duplicate, { kind: 'duplicate', stateRevision: 2n })
  })

  await t.test('a known id with another digest, or beside unknown ids, is a mismatch and stores nothing', async (t) => {
    const clinic = await openClinic(engine)
    const known = decision()
    await engine.appendBatch([appendOf(clinic, 0n, [known])])
    t.match(await one(appendOf(clinic, 0n, [{ ...known, requestDigest: randomBytes(32) }])), { kind: 'mismatch' })
    t.match(await one(appendOf(clinic, 0n, [decision(), known])), { kind: 'mismatch' })
    t.match(await one(appendOf(clinic, 9n, [known, decision()], { notAfter: 1 })), { kind: 'mismatch' })
    t.equal((await wholeLedger(engine, clinic)).length, 2)
  })

  await t.test('an id that an earlier append of the batch holds is to be sent again, and is then found', async (t) => {
    const clinic = await openClinic(engine)
    const entry = decision()
    const other = { ...entry, requestDigest: randomBytes(32) }
    const same = appendOf(clinic, 0n, [entry])
    const mixed = appendOf(clinic, 0n, [decision(), other])
    t.same(await kinds([same, same, mixed, appendOf(clinic, 0n, [decision()])]), ['stored', 'again', 'again', 'stored'])
    t.same(await kinds([same, mixed]), ['duplicate', 'mismatch'])
    t.equal((await wholeLedger(engine, clinic)).length, 3)
  })

  await t.test('an id is held by an earlier append even if that one was not stored, and a known id needs no turn of its own', async (t) => {
    const clinic = await openClinic(engine)
    const known = decision()
    await engine.appendBatch([appendOf(clinic, 'any', [known])])
    const fresh = decision()
    t.same(
      await kinds([
        appendOf(clinic, 5n, [fresh]),
        appendOf(clinic, 0n, [fresh], { notAfter: 1 }),
        appendOf(clinic, 0n, [known]),
        appendOf(clinic, 0n, [known]),
      ]),
      ['moved', 'again', 'duplicate', 'duplicate'],
    )
  })

  await t.test('entries of one append are all or nothing, and one refusal fails no neighbour', async (t) => {
    const [left, right, missing] = [await openClinic(engine), await openClinic(engine), newClinic()]
    const known = decision()
    await engine.appendBatch([appendOf(left, 0n, [known])])
    const good = [decision(), decision(), decision()]
    const outcomes = await engine.appendBatch([
      appendOf(left, 0n, [known]),
      appendOf(left, 0n, [decision(), known]),
      appendOf(right, 0n, [good[0]!]),
      appendOf(left, 3n, [decision(), decision()]),
      appendOf(missing, 'any', [decision()]),
      appendOf(left, 0n, [good[1]!], { notAfter: await future() }),
      appendOf(left, 0n, [decision(), decision()], { notAfter: 1 }),
      appendOf(right, 0n, [good[0]!, decision()]),
      appendOf(right, 0n, [good[2]!]),
    ])
    t.same(
      outcomes.map((outcome) => outcome.kind),
      ['duplicate', 'mismatch', 'stored', 'moved', 'moved', 'stored', 'stale', 'again', 'stored'],
    )
    t.equal(new Set(outcomes.flatMap((outcome) => (outcome.kind === 'again' ? [] : [outcome.ledgerTime]))).size, 1)
    const ids = async (clinic: string) => (await wholeLedger(engine, clinic)).slice(1).map((entry) => entry.id)
    t.same(await ids(left), [known.id, good[1]!.id])
    t.same(await ids(right), [good[0]!.id, good[2]!.id])
  })

  await t.test('an id belongs to its clinic: another may use it and learns nothing of it', async (t) => {
    const [left, right] = [await openClinic(engine), await openClinic(engine)]
    const entry = decision()
    t.same(await kinds([appendOf(left, 0n, [entry]), appendOf(right, 0n, [{ ...entry, requestDigest: randomBytes(32) }])]), [
      'stored',
      'stored',
    ])
    const unknown = await openClinic(engine)
    t.equal((await engine.find(unknown, [entry.id])).size, 0)
    t.match(await one(appendOf(unknown, 0n, [entry])), { kind: 'stored', revisions: [1n] })
  })

  await t.test('two services appending at once leave no gap and no double, and one of two changes wins', async (t) => {
    const clinic = await openClinic(engine)
    const rounds = Array.from({ length: 20 }, () => [engine, second].map((writer) => ({ writer, entry: decision() })))
    await Promise.all(rounds.flat().map(({ writer, entry }) => writer.appendBatch([appendOf(clinic, 0n, [entry])])))
    const entries = await wholeLedger(engine, clinic)
    t.same(
      entries.map((entry) => entry.revision),
      Array.from({ length: 41 }, (_, index) => BigInt(index)),
    )
    const race = await Promise.all([engine, second].map((writer) => writer.appendBatch([appendOf(clinic, 0n, [change()])])))
    t.same(race.map(([outcome]) => outcome?.kind).sort(), ['moved', 'stored'])
    const shared = appendOf(clinic, 'any', [decision()])
    const retries = await Promise.all([engine, second].map((writer) => writer.appendBatch([shared])))
    t.same(retries.map(([outcome]) => outcome?.kind).sort(), ['duplicate', 'stored'])
  })

  await t.test('the ledger of the operator is there from the start, takes any entry without a state, and is no clinic', async (t) => {
    const before = await engine.head(systemLedger)
    t.equal(before?.stateRevision, noState)
    const next = (before?.revision ?? noState) + 1n
    t.match(await one(appendOf(systemLedger, 'any', [decision()])), { kind: 'stored', revisions: [next], stateRevision: noState })
    t.match(await one(appendOf(systemLedger, noState, [decision()])), { kind: 'stored', revisions: [next + 1n], stateRevision: noState })
    t.match(await one(appendOf(systemLedger, 0n, [decision()])), { kind: 'moved', stateRevision: noState })
    t.notOk((await engine.clinics('', 10_000)).includes(systemLedger))
  })

  await t.test('the largest entry and every byte come back as they were', async (t) => {
    const clinic = await openClinic(engine)
    const entries = [Buffer.alloc(maxEntryBytes, 0xa5), Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)), Buffer.of(0)]
    const outcome = await one(
      appendOf(
        clinic,
        0n,
        entries.map((bytes) => decision({ bytes })),
      ),
    )
    t.match(outcome, { kind: 'stored' })
    t.same(
      (await wholeLedger(engine, clinic)).slice(1).map((entry) => Buffer.from(entry.bytes)),
      entries,
    )
  })

  await t.test('a view into a larger buffer is stored as the view', async (t) => {
    const clinic = await openClinic(engine)
    const large = randomBytes(200)
    const entry = decision({ bytes: new Uint8Array(large.buffer, large.byteOffset + 10, 50), requestDigest: large.subarray(100, 132) })
    await engine.appendBatch([appendOf(clinic, 0n, [entry])])
    t.same(plain((await wholeLedger(engine, clinic))[1]!).bytes, large.toString('hex', 10, 60))
    t.equal(plain((await wholeLedger(engine, clinic))[1]!).requestDigest, large.toString('hex', 100, 132))
  })

  await t.test('an empty batch does nothing', async (t) => {
    t.same(await engine.appendBatch([]), [])
  })

  const clinic = await openClinic(engine)
  const id = randomUUID()
  const faulty: Readonly<Record<string, Append>> = {
    'no entry': appendOf(clinic, 0n, []),
    'an id twice': appendOf(clinic, 0n, [decision({ id }), decision({ id })]),
    'an entry too large': appendOf(clinic, 0n, [decision({ bytes: Buffer.alloc(maxEntryBytes + 1) })]),
    'an entry of nothing': appendOf(clinic, 0n, [decision({ bytes: Buffer.alloc(0) })]),
    'an id that is no UUID': appendOf(clinic, 0n, [decision({ id: 'x' })]),
    'an upper-case id': appendOf(clinic, 0n, [decision({ id: id.toUpperCase() })]),
    'a short digest': appendOf(clinic, 0n, [decision({ requestDigest: randomBytes(31) })]),
    'a long digest': appendOf(clinic, 0n, [decision({ requestDigest: randomBytes(33) })]),
    'no type': appendOf(clinic, 0n, [decision({ type: '' })]),
    'a clinic without a name': appendOf('', noState, [decision()]),
    'a clinic with a NUL': appendOf('a\u0000b', noState, [decision()]),
    'a clinic with a lone surrogate': appendOf('\ud800', noState, [decision()]),
    'a state below none': appendOf(clinic, -2n, [decision()]),
    'a state beyond any': appendOf(clinic, 2n ** 63n, [decision()]),
    'not after nothing': appendOf(clinic, 0n, [decision()], { notAfter: Number.NaN }),
    'not after for ever': appendOf(clinic, 0n, [decision()], { notAfter: Number.POSITIVE_INFINITY }),
    'a state of the system': appendOf(systemLedger, 'any', [change()]),
  }
  for (const [name, append] of Object.entries(faulty)) {
    await t.test(`${name} is a fault that stores nothing`, async (t) => {
      const [head, system] = [await engine.head(clinic), await engine.head(systemLedger)]
      await t.rejects(engine.appendBatch([appendOf(clinic, 0n, [decision()]), append]), fault('INTERNAL'))
      t.same([await engine.head(clinic), await engine.head(systemLedger)], [head, system])
    })
  }
}
