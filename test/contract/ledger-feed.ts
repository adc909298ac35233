import type { Test } from 'tap'
import type { Position, StoredEntry } from '../../services/audit/ledger.ts'
import { leafHash } from '../../services/audit/log/tree-hash.ts'
import { fault } from '../support/fault.ts'
import { appendOf, decision, openClinic, readFeed } from '../support/ledger-entries.ts'
import type { EnginePair } from './ledger.ts'

export const ledgerFeedContract = async (t: Test, { first: engine, second }: EnginePair): Promise<void> => {
  const clinics = [await openClinic(engine), await openClinic(engine), await openClinic(engine)]
  const place = (entry: StoredEntry): string => `${entry.clinic} ${entry.revision}`
  const appendOne = (writer = engine, clinic = clinics[0]!) => writer.appendBatch([appendOf(clinic, 0n, [decision()])])

  await t.test('from the beginning, every entry of every ledger comes once and in the order of its ledger', async (t) => {
    for (let round = 0; round < 12; round += 1) await appendOne(round % 2 === 0 ? engine : second, clinics[round % 3])
    const end = await engine.end()
    const total = engine.distance(undefined, end)
    const { entries, position } = await readFeed(engine, undefined, (seen) => BigInt(seen.length) >= total)
    t.equal(BigInt(entries.length), total)
    t.equal(position, end)
    t.equal(new Set(entries.map(place)).size, entries.length)
    const heads = new Map<string, bigint>()
    for (const entry of entries) {
      t.equal(entry.revision, (heads.get(entry.clinic) ?? -1n) + 1n)
      heads.set(entry.clinic, entry.revision)
    }
  })

  await t.test('a reader resumes after any position without a gap or a repeat', async (t) => {
    const start = await engine.end()
    for (let round = 0; round < 10; round += 1) await appendOne()
    const all = await readFeed(engine, start, (seen) => seen.length === 10)
    let position: Position | undefined = start
    const resumed: StoredEntry[] = []
    while (resumed.length < 10) {
      const part = await readFeed(second, position, (seen) => seen.length > 0)
      resumed.push(...part.entries)
      position = part.position
    }
    t.same(resumed.map(place), all.entries.map(place))
  })

  await t.test('a reader that has caught up is given what comes, whoever writes it', async (t) => {
    const stop = new AbortController()
    const seen: StoredEntry[] = []
    const read = async () => {
      for await (const batch of engine.subscribe(start, AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]))) {
        seen.push(...batch.entries)
        if (seen.length === 6) stop.abort()
        else await appendOne(seen.length % 2 === 0 ? engine : second)
      }
    }
    const start = await engine.end()
    const reading = read()
    await appendOne(second)
    await reading
    t.equal(seen.length, 6)
  })

  await t.test('readers that wait are woken, each for itself', async (t) => {
    const start = await engine.end()
    const readers = [engine, engine, second].map((reader) => readFeed(reader, start, (seen) => seen.length >= 3))
    for (const writer of [engine, second, engine]) await appendOne(writer)
    const read = await Promise.all(readers)
    for (const { entries } of read) t.same(entries.map(place), read[0]!.entries.map(place))
  })

  await t.test('under two writers at once a reader misses nothing', async (t) => {
    const start = await engine.end()
    const reader = readFeed(engine, start, (seen) => seen.length >= 120)
    const write = async (writer: typeof engine) => {
      for (let round = 0; round < 30; round += 1) {
        await writer.appendBatch(clinics.slice(0, 2).map((clinic) => appendOf(clinic, 0n, [decision()])))
      }
    }
    await Promise.all([write(engine), write(second)])
    const { entries } = await reader
    t.equal(entries.length, 120)
    const revisions = (clinic: string) => entries.filter((entry) => entry.clinic === clinic).map((entry) => entry.revision)
    for (const clinic of clinics.slice(0, 2)) {
      const seen = revisions(clinic)
      t.same(
        seen,
        seen.map((_, index) => seen[0]! + BigInt(index)),
      )
    }
  })

  await t.test('the distance between two positions is the entries between them', async (t) => {
    const before = await engine.end()
    await engine.appendBatch([appendOf(clinics[0]!, 0n, [decision(), decision(), decision()])])
    const after = await second.end()
    t.equal(engine.distance(before, after), 3n)
    t.equal(engine.distance(after, after), 0n)
    t.equal(engine.distance(undefined, after), engine.distance(undefined, before) + 3n)
  })

  await t.test('the feed ends when its reader goes, waiting or not', async (t) => {
    const waiting = new AbortController()
    const read = engine.subscribe(await engine.end(), waiting.signal)[Symbol.asyncIterator]()
    const next = read.next()
    waiting.abort()
    t.same(await next, { done: true, value: undefined })
    const gone = engine.subscribe(undefined, AbortSignal.abort())[Symbol.asyncIterator]()
    t.equal((await gone.next()).done, true)
  })

  await t.test('a position beyond the end means that entries were lost', async (t) => {
    const beyond = String(engine.distance(undefined, await engine.end()) + 5n) as Position
    const read = engine.subscribe(beyond, new AbortController().signal)[Symbol.asyncIterator]()
    await t.rejects(read.next(), fault('LEDGER_REGRESSED'))
  })

  await t.test('what is no position of this engine is refused', async (t) => {
    for (const position of ['', '0', '-1', '1.5', 'abc', ' 1', '01'] as Position[]) {
      const read = engine.subscribe(position, new AbortController().signal)[Symbol.asyncIterator]()
      await t.rejects(read.next(), fault('INTERNAL'), `"${position}"`)
    }
  })

  await t.test('leaves are the hashes of the same entries, one run a clinic, in pages of any size', async (t) => {
    const start = await engine.end()
    for (let round = 0; round < 12; round += 1) await appendOne(round % 2 === 0 ? engine : second, clinics[round % 3])
    const { entries } = await readFeed(engine, start, (seen) => seen.length === 12)
    for (const most of [1, 5, 12, 100]) {
      const hashes = new Map<string, Buffer>()
      const stop = new AbortController()
      let position = start
      let seen = 0
      for await (const batch of second.leaves(start, most, AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]))) {
        t.ok(batch.entries <= most)
        seen += batch.entries
        position = batch.position
        for (const { clinic, first, hashes: leaves, recordedAt } of batch.runs) {
          t.equal(recordedAt, entries.find((entry) => entry.clinic === clinic && entry.revision === first)?.recordedAt)
          hashes.set(clinic, Buffer.concat([hashes.get(clinic) ?? Buffer.alloc(0), leaves]))
        }
        if (seen >= 12) stop.abort()
      }
      t.equal(seen, 12)
      t.equal(position, await engine.end())
      for (const clinic of clinics) {
        const own = entries.filter((entry) => entry.clinic === clinic)
        t.same(hashes.get(clinic), Buffer.concat(own.map(({ bytes }) => leafHash(bytes))))
        const [first] = own
        if (first !== undefined) t.same(await engine.leafHashes(clinic, first.revision, 2), hashes.get(clinic)?.subarray(0, 64))
        t.equal((await engine.leafHashes(clinic, (own.at(-1)?.revision ?? 0n) + 1n, 10)).length, 0)
      }
    }
  })
}
