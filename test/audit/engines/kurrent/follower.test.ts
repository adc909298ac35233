import { randomBytes, randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { createCatchUp } from '../../../../services/audit/engines/kurrent/catch-up.ts'
import { eventOf } from '../../../../services/audit/engines/kurrent/entry-event.ts'
import { createFollower, type Follower, type FollowerOptions } from '../../../../services/audit/engines/kurrent/follower.ts'
import { streamNames } from '../../../../services/audit/engines/kurrent/stream-names.ts'
import { createStreamReader } from '../../../../services/audit/engines/kurrent/stream-reader.ts'
import type { Followed, KurrentStreams, Place } from '../../../../services/audit/engines/kurrent/streams.ts'
import { systemClock } from '../../../../services/kernel/clock.ts'
import { ChartwardenError } from '../../../../services/kernel/errors.ts'
import { createIndexDatabase, openIndex } from '../../../support/kurrent-index.ts'
import { change, decision, newClinic } from '../../../support/ledger-entries.ts'
import { memoryStreams } from '../../../support/memory-streams.ts'
import { openPool } from '../../../support/postgres-engine.ts'
import { waitFor } from '../../../support/wait-for.ts'

const names = streamNames('x')
const place = (commit: number): Place => ({ commit: BigInt(commit), prepare: BigInt(commit) })

/** A subscription that gives out what the test says, from where it is asked on. */
const scripted = (turns: ((from: Place | undefined) => readonly (Followed | Error)[])[]) => {
  const asked: (Place | undefined)[] = []
  const follow: KurrentStreams['follow'] = async function* (_, from, __, signal) {
    asked.push(from)
    for (const followed of turns.shift()?.(from) ?? []) {
      if (followed instanceof Error) throw followed
      yield followed
    }
    if (turns.length === 0 && !signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  }
  return { asked, follow }
}

const setUp = async (t: Test) => {
  const database = await createIndexDatabase(t)
  const index = openIndex(t, database)
  const streams = memoryStreams()
  const reader = createStreamReader({ streams, index, names, pageEntries: 100 })
  const catchUp = createCatchUp({ index, reader, pageEntries: 100 })
  const pool = openPool(t, database.feedUrl)
  const faults: unknown[] = []
  const begin = (follow: KurrentStreams['follow'], replaced: Partial<FollowerOptions> = {}): Follower => {
    const follower = createFollower({
      index,
      streams: { follow },
      names,
      catchUp,
      pool,
      silenceMs: 60_000,
      retryMs: 5,
      takeOverMs: 20,
      keepEveryMs: 0,
      clock: systemClock,
      onFault: (thrown) => faults.push(thrown),
      ...replaced,
    })
    t.teardown(() => follower.close())
    follower.start()
    follower.start()
    return follower
  }
  /** Entries in a stream and nowhere else, as a service leaves them that dies at the wrong moment. */
  const write = async (clinic: string, count: number) => {
    const stream = names.streamOf(clinic)
    const before = streams.events(stream).length
    const entries = Array.from({ length: count }, (_, at) => eventOf(before + at === 0 ? change() : decision(), 1, randomUUID()))
    await streams.append(stream, entries, BigInt(before) - 1n)
    return streams.events(stream).slice(before)
  }
  return { index, faults, begin, write, streams, reader, catchUp, pool }
}

t.test('what no service has put into the index is found there, and the place is kept', async (t) => {
  const { index, begin, write } = await setUp(t)
  const [left, right] = [newClinic(), newClinic()]
  const events = [...(await write(left, 3)), ...(await write(right, 2))]
  begin(
    scripted([
      () => [
        { events, place: place(70) },
        { events: [], place: place(95) },
      ],
    ]).follow,
  )
  await waitFor('the place', async () => (await index.place())?.commit === 95n)
  t.match(await index.head(left), { revision: 2n, stateRevision: 0n })
  t.match(await index.head(right), { revision: 1n, stateRevision: 0n })
})

t.test('a subscription that breaks, ends or falls silent is begun again from the place that is kept', async (t) => {
  const { index, begin, write, faults } = await setUp(t)
  const clinic = newClinic()
  const [first, second, third] = [await write(clinic, 1), await write(clinic, 1), await write(clinic, 1)]
  const { asked, follow } = scripted([
    () => [{ events: first, place: place(10) }, new Error('cancelled')],
    () => [new Error('not there yet')],
    () => [{ events: second, place: place(20) }],
    () => [{ events: third, place: place(30) }],
  ])
  begin(follow)
  await waitFor('the entries', async () => (await index.head(clinic))?.revision === 2n)
  t.same(asked, [undefined, place(10), place(10), place(20)])
  t.equal(faults.length, 2, 'what ended of itself is no fault')
})

t.test('twin: without being begun again, what came after the break would be missing', async (t) => {
  const { index, begin, write } = await setUp(t)
  const clinic = newClinic()
  const [first] = [await write(clinic, 1), await write(clinic, 1)]
  const follower = begin(scripted([() => [{ events: first, place: place(10) }]]).follow)
  await waitFor('the place', async () => (await index.place())?.commit === 10n)
  await follower.close()
  t.match(await index.head(clinic), { revision: 0n })
})

t.test('events that come again, or of which the ones before were missed, leave the index as the stream is', async (t) => {
  const { index, begin, write } = await setUp(t)
  const clinic = newClinic()
  const events = await write(clinic, 6)
  const { follow } = scripted([
    () => [
      { events: events.slice(0, 2), place: place(10) },
      { events: events.slice(0, 3), place: place(11) },
      { events: events.slice(1, 6), place: place(12) },
      { events: events.slice(0, 1), place: place(13) },
    ],
  ])
  begin(follow)
  await waitFor('the place', async () => (await index.place())?.commit === 13n)
  t.match(await index.head(clinic), { revision: 5n })
})

t.test('a stream that holds what is no entry is told of, and keeps back no other', async (t) => {
  const { index, begin, write, streams, faults } = await setUp(t)
  const [broken, whole] = [newClinic(), newClinic()]
  await write(broken, 1)
  const alien = { id: randomUUID(), type: 'x', data: randomBytes(3), metadata: { hello: 'world' } }
  await streams.append(names.streamOf(broken), [alien], 0n)
  const events = [...streams.events(names.streamOf(broken)), ...(await write(whole, 2))]
  begin(scripted([() => [{ events, place: place(10) }]]).follow)
  await waitFor('the place', async () => (await index.place())?.commit === 10n)
  t.match(await index.head(whole), { revision: 1n })
  t.equal(await index.head(broken), undefined)
  t.equal(faults.length, 1)
})

/** Does not work the first time. */
const failingOnce = <Args extends readonly unknown[], Result>(work: (...args: Args) => Promise<Result>, fault: unknown) => {
  let failed = false
  return async (...args: Args): Promise<Result> => {
    if (failed) return work(...args)
    failed = true
    throw fault
  }
}

t.test('an index that cannot be written now keeps the place from moving past what is not in it', async (t) => {
  const { index, begin, write, faults, streams, catchUp } = await setUp(t)
  const unavailable = new ChartwardenError('LEDGER_UNAVAILABLE', { cause: new Error('the database is away') })
  const [clinic, broken] = [newClinic(), newClinic()]
  await streams.append(names.streamOf(broken), [{ id: randomUUID(), type: 'x', data: randomBytes(3), metadata: {} }], -1n)
  const [first, second] = [await write(clinic, 1), await write(clinic, 1)]
  const both = [...second, ...streams.events(names.streamOf(broken))]
  const { asked, follow } = scripted([
    () => [{ events: first, place: place(10) }],
    () => [
      { events: first, place: place(10) },
      { events: both, place: place(20) },
    ],
    () => [{ events: both, place: place(20) }],
  ])
  // The first fault is the index's, the second the catch-up's that one clinic's broken stream leads to.
  begin(follow, { index: { ...index, add: failingOnce(index.add, unavailable) }, catchUp: failingOnce(catchUp, unavailable) })
  await waitFor('the place', async () => (await index.place())?.commit === 20n)
  t.same(asked, [undefined, undefined, place(10)])
  t.match(await index.head(clinic), { revision: 1n })
  t.same(
    faults.map((told) => (told as ChartwardenError).reason),
    ['LEDGER_UNAVAILABLE', 'LEDGER_UNAVAILABLE', 'INTERNAL'],
  )
})

t.test('of two services one follows, and the other takes over when it goes', async (t) => {
  const { index, begin, write, pool } = await setUp(t)
  const clinic = newClinic()
  const events = await write(clinic, 2)
  const one = scripted([() => [{ events: events.slice(0, 1), place: place(1) }]])
  const two = scripted([() => [{ events: events.slice(1), place: place(2) }]])
  const first = begin(one.follow)
  await waitFor('the first', async () => (await index.place())?.commit === 1n)
  begin(two.follow)
  await waitFor('both', async () => pool.totalCount > 1)
  t.equal(two.asked.length, 0)
  await first.close()
  await waitFor('the other', async () => (await index.place())?.commit === 2n)
  t.same(two.asked[0], place(1))
})
