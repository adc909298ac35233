/** What is asked of the vendor's client, and what its faults are kept from: over the protocol double. */
import { randomBytes, randomUUID } from 'node:crypto'
import { KurrentDBClient } from '@kurrent/kurrentdb-client'
import t, { type Test } from 'tap'
import { openStreams } from '../../../../services/audit/engines/kurrent/open-streams.ts'
import type { Followed } from '../../../../services/audit/engines/kurrent/streams.ts'
import { fault } from '../../../support/fault.ts'
import { hold } from '../../../support/kurrent-double/append-scripts.ts'
import { type DoubleOptions, startKurrentDouble } from '../../../support/kurrent-double/double.ts'
import { createIndexDatabase, openIndex } from '../../../support/kurrent-index.ts'

const prefix = 'chartwarden_x-'
const stream = `${prefix}north`
const event = () => ({ id: randomUUID(), type: 'x', data: randomBytes(4), metadata: { entryId: randomUUID() } })

/** Answers are waited for as long as they take: nothing here is about time. */
const open = async (t: Test, options: DoubleOptions = {}) => {
  const double = await startKurrentDouble(t, options)
  const streams = await openStreams({ connectionString: double.url, callTimeoutMs: 30_000, readTimeoutMs: 30_000 })
  t.teardown(() => streams.close())
  return { double, streams }
}

t.test('a server whose clock is ahead takes appends as any other', async (t) => {
  const { double, streams } = await open(t, { now: () => Date.now() + 60_000 })
  t.match(await streams.append(stream, [event()], -1n), { kind: 'stored' })
  t.equal(double.appends.length, 1)
})

t.test('twin: the double holds an append against its clock, which is far ahead here', async (t) => {
  const { double, streams } = await open(t, { now: () => Date.now() + 3_600_000 })
  t.match(await streams.append(stream, [event()], -1n), { kind: 'unknown' })
  t.equal(double.appends.length, 0)
})

t.test('a read that fails leaves an append under way alone', async (t) => {
  const { double, streams } = await open(t)
  const held = hold()
  double.script(held.script)
  const appending = streams.append(stream, [event()], -1n)
  const append = await held.taken
  double.failReads({ kind: 'unknown' })
  await t.rejects(streams.read(stream, 0n, 1), fault('LEDGER_UNAVAILABLE'))
  double.failReads(undefined)
  t.same(await streams.read(stream, 0n, 1), [], 'reads have gone on to a new client')
  append.reply(append.store())
  t.match(await appending, { kind: 'stored' })
})

t.test('what an old leader does not have is read anew, from who leads now', async (t) => {
  const { double, streams } = await open(t, { nodes: 3 })
  double.lag(0)
  t.match(await streams.append(stream, [event()], -1n), { kind: 'stored' })
  t.same(await streams.read(stream, 0n, 1), [], 'the old one, which has not noticed')
  double.elect(1)
  t.equal((await streams.readAnew(stream, 0n, 1)).length, 1)
})

t.test('a stream that is protected already is left as it is; one with other rights is refused', async (t) => {
  const { double, streams } = await open(t)
  await streams.protect(stream)
  await streams.protect(stream)
  t.equal(double.log.stream(`$$${stream}`)?.length, 1)
  const client = KurrentDBClient.connectionString(double.url)
  t.teardown(() => client.dispose())
  await client.setStreamMetadata(stream, { acl: { deleteRoles: ['clerk'] } })
  const thrown = await streams.protect(stream).catch((refusal: unknown) => refusal)
  t.match(thrown, { reason: 'LEDGER_UNAVAILABLE', cause: { message: /\$acl is not the service's own/ } })
  await client.setStreamMetadata(`${prefix}south`, { maxCount: 5 })
  await t.rejects(streams.protect(`${prefix}south`), fault('LEDGER_UNAVAILABLE'), 'no list at all')
})

t.test('where nothing of ours comes, checkpoints move the place on; without them it stays', async (t) => {
  const { double, streams } = await open(t)
  const write = (name: string, count: number): bigint => {
    const proposed = () => ({ ...event(), contentType: 'application/octet-stream', customMetadata: new Uint8Array() })
    const result = double.log.append(name, 'any', Array.from({ length: count }, proposed))
    return result.kind === 'appended' ? result.last.position : -1n
  }
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  const follow = () => streams.follow(prefix, undefined, 30_000, stop.signal)[Symbol.asyncIterator]()
  const next = async (following: AsyncIterator<Followed>) => (await following.next()).value as Followed
  const count = ({ events }: Followed) => events.length

  let own = write(stream, 1)
  const following = follow()
  t.match(await next(following), { place: { commit: own } })
  const foreign = write('foreign-1', 40)
  const moved = await next(following)
  t.equal(count(moved), 0)
  t.ok(moved.place.commit > own && moved.place.commit <= foreign)

  double.subscriptionFaults.withoutCheckpoints = true
  write('foreign-2', 40)
  own = write(stream, 1)
  const told = await next(following)
  t.equal(count(told), 1, 'nothing was heard before the next of ours')
  t.equal(told.place.commit, own)
  double.subscriptionFaults.withoutCheckpoints = false

  double.subscriptionFaults.slowCheckpoints = true
  const index = openIndex(t, await createIndexDatabase(t))
  write('foreign-3', 40)
  own = write(stream, 1)
  await index.keepPlace({ commit: own, prepare: own })
  let late = await next(following)
  while (late.place.commit >= own) late = await next(following)
  await index.keepPlace(late.place)
  t.equal((await index.place())?.commit, own, 'a checkpoint that comes late takes no place back')
  write(stream, 1)
  t.equal(count(await next(following)), 1, 'and loses nothing')
  await following.return?.()
})
