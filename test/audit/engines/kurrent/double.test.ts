/**
 * The protocol double under the vendor's own client, native half included: what an engine is tested against behaves as the server does where
 * the engine relies on it, and each fault switch shows.
 */
import { randomUUID } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import {
  type AllStreamSubscription,
  ANY,
  BACKWARDS,
  binaryEvent,
  END,
  jsonEvent,
  KurrentDBClient,
  NO_STREAM,
  START,
  streamNameFilter,
} from '@kurrent/kurrentdb-client'
import t, { type Test } from 'tap'
import {
  cutAfterStoring,
  cutBeforeStoring,
  hold,
  refuse,
  replyTwice,
  sayNotLeader,
  storeSilently,
  storeThenRefuse,
} from '../../../support/kurrent-double/append-scripts.ts'
import { type DoubleOptions, startKurrentDouble } from '../../../support/kurrent-double/double.ts'
import { collect } from '../../../support/ledger-entries.ts'
import { waitFor } from '../../../support/wait-for.ts'

const open = async (t: Test, options: DoubleOptions = {}) => {
  const double = await startKurrentDouble(t, options)
  const client = KurrentDBClient.connectionString(double.url)
  t.teardown(() => client.dispose())
  const stream = `audit_here-${randomUUID().slice(0, 8)}`
  const event = (id: string = randomUUID()) => binaryEvent({ id, type: 'noted', data: Buffer.from(id) })
  const ids = async (name = stream) => (await collect(client.readStream(name))).map(({ event }) => event?.id)
  /** A revision to append to before the fault, so that every client has its connection. */
  const begun = async () => client.appendToStream(stream, event(), { streamState: NO_STREAM, requiresLeader: true })
  return { double, client, stream, event, ids, begun }
}

const typed = (type: string): Error => ({ type }) as unknown as Error

t.test('revisions are gapless, an expected revision is kept to, and a conflict tells the revision there is', async (t) => {
  const { client, stream, event, ids } = await open(t)
  const events = [event(), event(), event()]
  const first = await client.appendToStream(stream, events.slice(0, 2), { streamState: NO_STREAM })
  t.equal(first.nextExpectedRevision, 1n)
  const second = await client.appendToStream(stream, events[2]!, { streamState: 1n })
  t.equal(second.nextExpectedRevision, 2n)
  t.ok((second.position?.commit ?? 0n) > (first.position?.commit ?? 0n) + 1n, 'positions jump')
  for (const streamState of [NO_STREAM, 0n, 1n, 7n] as const) {
    const refused = client.appendToStream(stream, event(), { streamState })
    await t.rejects(refused, { type: 'wrong-expected-version', actualState: 2n } as unknown as Error, String(streamState))
  }
  t.same(
    await ids(),
    events.map(({ id }) => id),
  )
  await t.rejects(client.appendToStream(`${stream}-none`, event(), { streamState: 0n }), { actualState: 'no_stream' } as unknown as Error)
})

t.test('a repeat with the same expected revision is answered as the first was; half of one is a conflict', async (t) => {
  const { client, stream, event, ids } = await open(t)
  const events = [event(), event()]
  const first = await client.appendToStream(stream, events, { streamState: NO_STREAM })
  const again = await client.appendToStream(stream, events, { streamState: NO_STREAM })
  t.same(again, first)
  await t.rejects(client.appendToStream(stream, [events[0]!, event()], { streamState: NO_STREAM }), typed('wrong-expected-version'))
  t.equal((await ids()).length, 2)
})

t.test('an id is not looked for behind the expected revision, and with any only as long as it is remembered', async (t) => {
  const { double, client, stream, event, ids } = await open(t)
  const known = event()
  await client.appendToStream(stream, known, { streamState: NO_STREAM })
  await client.appendToStream(stream, known, { streamState: 0n })
  t.same(await ids(), [known.id, known.id], 'so that an index of its own keeps the engine from a second entry')
  await client.appendToStream(stream, known, { streamState: ANY })
  t.equal((await ids()).length, 2)
  double.log.forgetIds()
  await client.appendToStream(stream, known, { streamState: ANY })
  t.equal((await ids()).length, 3)
})

t.test('a stream is read from either end, exactly as it was written', async (t) => {
  const { client, stream } = await open(t, { now: () => 1_795_000_000_123.9 })
  const data = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  const events = Array.from({ length: 5 }, () => binaryEvent({ type: 'noted', data, metadata: { turn: '1' } }))
  await client.appendToStream(stream, events, { streamState: NO_STREAM })
  const revisions = async (options: object) => (await collect(client.readStream(stream, options))).map(({ event }) => event?.revision)
  t.same(await revisions({ fromRevision: 1n, maxCount: 2 }), [1n, 2n])
  t.same(await revisions({ fromRevision: END, direction: BACKWARDS, maxCount: 1 }), [4n])
  t.same(await revisions({ fromRevision: 2n, direction: BACKWARDS }), [2n, 1n, 0n])
  t.same(await revisions({ fromRevision: 9n }), [])
  const [read] = await collect(client.readStream(stream, { maxCount: 1 }))
  t.same(Buffer.from(read?.event?.data as Uint8Array), data)
  t.same(read?.event?.metadata, { turn: '1' })
  t.equal(Math.floor((read?.event?.created.getTime() ?? 0) / 1_000), 1_795_000_000, 'the native half gives no milliseconds')
  await t.rejects(collect(client.readStream(`${stream}-none`)), typed('stream-not-found'))
})

t.test('a deleted stream is gone for readers of the stream but not from the log; a tombstone ends it', async (t) => {
  const { client, stream, begun, event } = await open(t)
  await begun()
  await client.deleteStream(stream)
  await t.rejects(collect(client.readStream(stream)), typed('stream-not-found'))
  const all = await collect(client.readAll())
  t.ok(all.some(({ event }) => event?.streamId === stream))
  t.equal((await client.appendToStream(stream, event(), { streamState: NO_STREAM })).nextExpectedRevision, 1n)
  await client.tombstoneStream(stream)
  await t.rejects(collect(client.readStream(stream)), typed('stream-deleted'))
  await t.rejects(client.appendToStream(stream, event(), { streamState: ANY }), typed('stream-deleted'))
})

t.test('metadata of a stream is kept, and what it truncates is not shown', async (t) => {
  const { client, stream, event, ids } = await open(t)
  const events = [event(), event(), event()]
  await client.appendToStream(stream, events, { streamState: NO_STREAM })
  await client.setStreamMetadata(stream, { acl: { deleteRoles: [], readRoles: ['$admins'] } })
  t.match((await client.getStreamMetadata(stream)).metadata, { acl: { deleteRoles: { length: 0 }, readRoles: ['$admins'] } })
  await client.setStreamMetadata(stream, { truncateBefore: 2 })
  t.same(await ids(), [events[2]!.id])
  await client.setStreamMetadata(stream, { maxCount: 2 })
  t.same(await ids(), [events[1]!.id, events[2]!.id])
})

t.test('the whole log is read through a filter, which leaves out what the server writes itself', async (t) => {
  const { client, stream, event } = await open(t)
  for (let round = 0; round < 12; round += 1) await client.appendToStream(`${stream}${round % 2}`, event(), { streamState: ANY })
  const all = await collect(client.readAll())
  t.ok(all.some(({ event }) => event?.streamId.startsWith('$')))
  const filter = streamNameFilter({ prefixes: [`${stream}1`] })
  const own = await collect(client.readAll({ filter }))
  t.same(new Set(own.map(({ event }) => event?.streamId)), new Set([`${stream}1`]))
  t.equal(own.length, 6)
  const from = own[2]?.event?.position
  t.equal(
    (await collect(client.readAll({ filter, ...(from === undefined ? {} : { fromPosition: from }) }))).length,
    4,
    'a read starts at its position',
  )
})

interface Heard {
  readonly revisions: bigint[]
  readonly errors: unknown[]
  caughtUp: number
  ended: boolean
}

const listenTo = (subscription: AllStreamSubscription): Heard => {
  const heard: Heard = { revisions: [], errors: [], caughtUp: 0, ended: false }
  subscription.on('data', ({ event }) => void heard.revisions.push(event?.revision ?? -1n))
  subscription.on('error', (error) => void heard.errors.push(error))
  subscription.on('caughtUp', () => {
    heard.caughtUp += 1
  })
  subscription.on('end', () => {
    heard.ended = true
  })
  return heard
}

t.test('a subscription begins after its position, says when it has caught up, and goes on', async (t) => {
  const { client, stream, event } = await open(t)
  await client.appendToStream(stream, [event(), event(), event()], { streamState: NO_STREAM })
  const [first] = await collect(client.readAll({ filter: streamNameFilter({ prefixes: [stream] }), maxCount: 1 }))
  const checkpoints: bigint[] = []
  const filter = streamNameFilter({
    prefixes: [stream],
    checkpointInterval: 1,
    checkpointReached: (_subscription, { commit }) => void checkpoints.push(commit),
  })
  const heard = listenTo(client.subscribeToAll({ filter, fromPosition: first?.event?.position ?? START }))
  await waitFor('the subscription to catch up', () => heard.caughtUp === 1)
  t.same(heard.revisions, [1n, 2n])
  await client.appendToStream(stream, event(), { streamState: 2n })
  await waitFor('what came after', () => heard.revisions.length === 3)
  for (let round = 0; round < 40; round += 1)
    await client.appendToStream('other-1', jsonEvent({ type: 'x', data: {} }), { streamState: ANY })
  await waitFor('a checkpoint past what the filter leaves out', () => checkpoints.length > 0)
  t.equal(heard.revisions.length, 3)
})

t.test('subscriptions fall silent, hold back checkpoints, are ended, and never begin again by themselves', async (t) => {
  const { double, client, stream, event, begun } = await open(t)
  await begun()
  const heard = listenTo(client.subscribeToAll({ filter: streamNameFilter({ prefixes: [stream] }) }))
  await waitFor('the first event', () => heard.revisions.length === 1)
  double.subscriptionFaults.silent = true
  await client.appendToStream(stream, event(), { streamState: 0n })
  t.equal(heard.revisions.length, 1)
  double.endSubscriptions({ kind: 'cancelled' })
  await waitFor('its end', () => heard.errors.length === 1)
  t.match(heard.errors[0], { type: 'cancelled' })
  double.subscriptionFaults.silent = false
  await client.appendToStream(stream, event(), { streamState: 1n })
  t.equal(double.subscriptions, 0)
  const other = listenTo(client.subscribeToAll())
  await waitFor('the other to catch up', () => other.caughtUp === 1)
  double.endSubscriptions()
  await waitFor('an end without an error', () => other.ended)
  t.same(other.errors, [])
})

t.test('an append that is cut off fails alike whether it was stored or not', async (t) => {
  const { double, client, stream, event, ids, begun } = await open(t)
  await begun()
  const [lost, kept] = [event(), event()]
  double.script(cutBeforeStoring(double))
  await t.rejects(client.appendToStream(stream, lost, { streamState: 0n }), typed('unavailable'))
  double.script(cutAfterStoring(double))
  await t.rejects(client.appendToStream(stream, kept, { streamState: 0n }), typed('unavailable'))
  t.same((await ids()).slice(1), [kept.id])
})

t.test('a result the server does not know, or did not wait for, is an error of the append that was stored', async (t) => {
  const { double, client, stream, event, ids, begun } = await open(t)
  await begun()
  for (const [index, [script, type]] of (
    [
      [storeThenRefuse('Unknown'), 'unknown'],
      [storeThenRefuse('Timeout'), 'deadline-exceeded'],
    ] as const
  ).entries()) {
    double.script(script)
    await t.rejects(client.appendToStream(stream, event(), { streamState: BigInt(index) }), typed(type))
  }
  double.script(refuse('not ready'))
  await t.rejects(client.appendToStream(stream, event(), { streamState: 2n }), typed('unknown'))
  double.script(refuse('AccessDenied'))
  await t.rejects(client.appendToStream(stream, event(), { streamState: 2n }), typed('access-denied'))
  t.equal((await ids()).length, 3)
})

t.test('an append that is never answered waits for ever, a held one until it is let go, and a second answer is dropped', async (t) => {
  const { double, client, stream, event, ids, begun } = await open(t)
  await begun()
  let settled = false
  double.script(storeSilently)
  const silent = client.appendToStream(stream, event(), { streamState: 0n, deadline: 50 })
  silent.then(
    () => (settled = true),
    () => (settled = true),
  )
  await waitFor('the append to be stored', async () => (await ids()).length === 2)
  const held = hold()
  double.script(held.script)
  const late = client.appendToStream(stream, event(), { streamState: 1n })
  const taken = await held.taken
  t.equal((await ids()).length, 2)
  taken.reply(taken.store())
  t.equal((await late).nextExpectedRevision, 2n)
  double.script(replyTwice)
  t.equal((await client.appendToStream(stream, event(), { streamState: 2n })).nextExpectedRevision, 3n)
  t.equal((await client.appendToStream(stream, event(), { streamState: 3n })).nextExpectedRevision, 4n)
  await turn()
  t.equal(settled, false, 'the deadline of the call is for the server alone')
})

t.test('a server that was away is the same server', async (t) => {
  const { double, client, stream, event, ids, begun } = await open(t)
  await begun()
  double.stop()
  await t.rejects(client.appendToStream(stream, event(), { streamState: 0n }))
  await double.start()
  await waitFor('the client to come back', async () => {
    const appended = client.appendToStream(stream, event(), { streamState: 0n })
    return appended.then(
      () => true,
      () => false,
    )
  })
  t.equal((await ids()).length, 2)
})

t.test('in a cluster a lagging node is read unless the leader is asked for, and a new leader is found', async (t) => {
  const { double, client, stream, event, begun } = await open(t, { nodes: 3 })
  await begun()
  double.elect(1)
  double.lag(0)
  const refused = client.appendToStream(stream, event(), { streamState: 0n, requiresLeader: true })
  await t.rejects(refused, typed('not-leader'))
  t.equal((await client.appendToStream(stream, event(), { streamState: 0n, requiresLeader: true })).nextExpectedRevision, 1n)
  const known = async (requiresLeader: boolean) => (await collect(client.readStream(stream, { requiresLeader }))).length
  await waitFor('the native half to find the leader', () =>
    known(true)
      .then((count) => count === 2)
      .catch(() => false),
  )
  double.script(sayNotLeader(double, true))
  await t.rejects(client.appendToStream(stream, event(), { streamState: 1n }), typed('not-leader'))
  t.equal(double.log.stream(stream)?.length, 3, 'and what was under way may have been stored')
})

t.test('with credentials for the call, each append is a call of its own', async (t) => {
  const { double, client, stream, event } = await open(t)
  const credentials = { username: 'clinic', password: 'not-a-secret' }
  const known = event()
  t.equal((await client.appendToStream(stream, known, { streamState: NO_STREAM, credentials })).nextExpectedRevision, 0n)
  await t.rejects(client.appendToStream(stream, event(), { streamState: 5n, credentials }), {
    type: 'wrong-expected-version',
    actualState: 0n,
  } as unknown as Error)
  double.script(storeThenRefuse('Timeout'))
  await t.rejects(client.appendToStream(stream, event(), { streamState: 0n, credentials }), /timed out/)
  t.equal(double.log.stream(stream)?.length, 2)
})

t.test('with users, a stream is as open as its own lists say, and the log is the administrators’', async (t) => {
  const [admin, other] = [
    { login: 'admin', password: 'changeit', groups: ['$admins'] },
    { login: 'clerk', password: 'changeit', groups: [] },
  ] as const
  const { double, client, stream, event } = await open(t, { users: [admin, other] })
  const clerk = KurrentDBClient.connectionString(double.urlFor(other))
  t.teardown(() => clerk.dispose())
  await client.appendToStream(stream, event(), { streamState: NO_STREAM })
  await clerk.appendToStream(stream, event(), { streamState: 0n })
  await t.rejects(collect(clerk.readAll()), typed('access-denied'))
  await client.setStreamMetadata(stream, { acl: { readRoles: ['$admins'], writeRoles: ['$admins'], deleteRoles: [], metaWriteRoles: [] } })
  const refused: readonly (() => Promise<unknown>)[] = [
    () => clerk.appendToStream(stream, event(), { streamState: 1n }),
    () => collect(clerk.readStream(stream)),
    () => clerk.deleteStream(stream),
    () => clerk.tombstoneStream(stream),
    () => clerk.setStreamMetadata(stream, { truncateBefore: 2 }),
  ]
  for (const [index, work] of refused.entries()) await t.rejects(work(), typed('access-denied'), String(index))
  t.equal((await collect(client.readStream(stream))).length, 2)
})
