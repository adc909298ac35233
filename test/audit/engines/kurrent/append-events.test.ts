import { randomBytes, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import {
  type AppendEvents,
  type AppendEventsOptions,
  createAppendEvents,
} from '../../../../services/audit/engines/kurrent/append-events.ts'
import { systemClock } from '../../../../services/kernel/clock.ts'
import { fault } from '../../../support/fault.ts'
import { manualClock } from '../../../support/manual-clock.ts'
import { type Fate, type MemoryStreams, memoryStreams } from '../../../support/memory-streams.ts'

// The pauses between two looks keep no process alive, and there is no connection here that would.
const alive = setInterval(() => {}, 60_000)
t.teardown(() => clearInterval(alive))

const stream = 'chartwarden_x-northside'
const open = new AbortController().signal
const events = (count = 1) =>
  Array.from({ length: count }, () => ({ id: randomUUID(), type: 'x', data: randomBytes(4), metadata: { entryId: randomUUID() } }))

const appendTo = (
  streams: MemoryStreams,
  { settleMs = 2_000, clock = systemClock, onUnsent = () => {} }: Partial<AppendEventsOptions> = {},
) => createAppendEvents({ streams, clock, settleMs, onUnsent })
const always = Number.POSITIVE_INFINITY

t.test('an answer is taken as it is, and nothing is sent twice', async (t) => {
  const streams = memoryStreams()
  const append = appendTo(streams)
  t.equal(await append({ stream, events: events(2), after: -1n, notSentAfter: always }, open), 'stored')
  t.equal(await append({ stream, events: events(), after: 0n, notSentAfter: always }, open), 'conflict')
  t.equal(streams.sent.length, 2)
})

t.test('what the server refuses is a fault at once, and not stored', async (t) => {
  const streams = memoryStreams()
  streams.fates.push('refused')
  const unsent: unknown[] = []
  const append = appendTo(streams, { onUnsent: (refusal) => unsent.push(refusal) })
  const thrown = await append({ stream, events: events(), after: -1n, notSentAfter: always }, open).catch((refusal: unknown) => refusal)
  t.match(thrown, { reason: 'LEDGER_UNAVAILABLE' })
  t.ok(unsent.length === 1 && unsent[0] === thrown, 'nobody has to find out what became of it')
  t.equal(streams.sent.length, 1)
})

t.test('one whose answer was lost leaves a doubt, and the time for it runs from when it was sent', async (t) => {
  const streams = memoryStreams()
  const clock = manualClock()
  const unsent: unknown[] = []
  let looked = 0
  const slow = {
    ...streams,
    append: async (...asked: Parameters<MemoryStreams['append']>) => {
      const answer = await streams.append(...asked)
      clock.advance(999)
      return answer
    },
    read: async (...asked: Parameters<MemoryStreams['read']>) => {
      looked += 1
      return streams.read(...asked)
    },
  }
  streams.fates.push('lost before')
  const late = createAppendEvents({ streams: slow, clock, settleMs: 1_000, onUnsent: (refusal) => unsent.push(refusal) })
  await t.rejects(late({ stream, events: events(), after: -1n, notSentAfter: always }, open), fault('LEDGER_UNAVAILABLE'))
  t.equal(looked, 1, 'it is looked for once at least')
  t.equal(streams.sent.length, 1)
  t.same(unsent, [], 'it may be stored yet')
})

t.test('an append whose answer was lost after it was stored is found, and not sent again', async (t) => {
  const streams = memoryStreams()
  streams.fates.push('lost after')
  streams.failReads = 2
  t.equal(await appendTo(streams)({ stream, events: events(3), after: -1n, notSentAfter: always }, open), 'stored')
  t.equal(streams.events(stream).length, 3)
  t.equal(streams.sent.length, 1)
})

t.test('one that was lost on the way is sent again as it was: the same ids behind the same revision', async (t) => {
  const streams = memoryStreams()
  streams.fates.push('lost before', 'lost before', 'lost after')
  t.equal(await appendTo(streams)({ stream, events: events(2), after: -1n, notSentAfter: always }, open), 'stored')
  t.equal(streams.events(stream).length, 2)
  t.equal(new Set(streams.sent.map((sent) => JSON.stringify(sent.ids))).size, 1)
  t.ok(streams.sent.every(({ after }) => after === -1n))
})

t.test('where somebody else came first, it is a conflict, and the copy that comes late changes nothing', async (t) => {
  const streams = memoryStreams()
  streams.fates.push('late')
  const own = events(2)
  const appending = appendTo(streams)({ stream, events: own, after: -1n, notSentAfter: always }, open)
  await streams.append(stream, events(1), -1n)
  t.equal(await appending, 'conflict')
  streams.arrive()
  t.equal(streams.events(stream).length, 1)
})

t.test('the copy that comes late, after it was sent again, is stored once', async (t) => {
  const streams = memoryStreams()
  streams.fates.push('late')
  const own = events(2)
  t.equal(await appendTo(streams)({ stream, events: own, after: -1n, notSentAfter: always }, open), 'stored')
  streams.arrive()
  t.same(
    streams.events(stream).map(({ id }) => id),
    own.map(({ id }) => id),
  )
})

t.test('other events at other revisions than they were sent behind are no proof', async (t) => {
  const streams = memoryStreams()
  const own = events(1)
  streams.fates.push('lost after')
  // A stream that was deleted and begun again counts on from where it was.
  const read = streams.read
  streams.read = async (...asked) => (await read(...asked)).map((event) => ({ ...event, revision: event.revision + 7n }))
  t.equal(await appendTo(streams)({ stream, events: own, after: -1n, notSentAfter: always }, open), 'conflict')
})

t.test('it is not sent once its moment has passed, nor sent again', async (t) => {
  const streams = memoryStreams()
  const clock = manualClock()
  const append = appendTo(streams, { settleMs: 100, clock })
  t.equal(await append({ stream, events: events(), after: -1n, notSentAfter: clock.monotonic() - 1 }, open), 'late')
  t.equal(streams.sent.length, 0)
  streams.fates.push('lost before')
  const notSentAfter = clock.monotonic() + 10
  const read = streams.read
  streams.read = async (...asked) => {
    clock.advance(10)
    return read(...asked)
  }
  await t.rejects(append({ stream, events: events(), after: -1n, notSentAfter }, open), fault('LEDGER_UNAVAILABLE'))
  t.equal(streams.sent.length, 1, 'it may arrive yet, and was not helped along')
})

t.test('what cannot be found out in time, or once the engine closes, is LEDGER_UNAVAILABLE', async (t) => {
  const streams = memoryStreams()
  streams.failReads = 1_000
  streams.fates.push('lost after')
  await t.rejects(
    appendTo(streams, { settleMs: 100 })({ stream, events: events(), after: -1n, notSentAfter: always }, open),
    fault('LEDGER_UNAVAILABLE'),
  )
  streams.fates.push('lost before')
  const closed = AbortSignal.abort()
  await t.rejects(appendTo(streams)({ stream, events: events(), after: 0n, notSentAfter: always }, closed), fault('LEDGER_UNAVAILABLE'))
})

const fate = fc.constantFrom<Fate>('answered', 'lost before', 'lost after', 'late')
const stories = fc.array(
  fc.record({ fates: fc.array(fate, { maxLength: 2 }), others: fc.boolean(), count: fc.integer({ min: 1, max: 3 }) }),
  {
    minLength: 1,
    maxLength: 3,
  },
)

/** Appends one after the other under faults; answers what is not as it was said. */
const untrue = async (
  stories: readonly { readonly fates: readonly Fate[]; readonly others: boolean; readonly count: number }[],
  make: (streams: MemoryStreams) => AppendEvents,
) => {
  const streams = memoryStreams()
  const append = make(streams)
  const said: { readonly ids: readonly string[]; readonly outcome: string }[] = []
  for (const { fates, others, count } of stories) {
    const own = events(count)
    const after = BigInt(streams.events(stream).length) - 1n
    streams.fates.push(...fates)
    const appending = append({ stream, events: own, after, notSentAfter: always }, open)
    if (others) streams.fates.unshift('answered')
    if (others) await streams.append(stream, events(1), after)
    said.push({ ids: own.map(({ id }) => id), outcome: await appending })
    streams.fates.length = 0
    streams.arrive()
  }
  const stored = streams.events(stream).map(({ id }) => id)
  if (new Set(stored).size !== stored.length) return 'an event was stored twice'
  return said.find(({ ids, outcome }) => ids.every((id) => stored.includes(id)) !== (outcome === 'stored'))?.outcome
}

t.test('whatever is lost, doubled or late, what is answered is what is stored', { timeout: 60_000 }, async (t) => {
  await fc.assert(
    fc.asyncProperty(stories, async (story) => (await untrue(story, (streams) => appendTo(streams))) === undefined),
    { numRuns: 40 },
  )
  t.pass()
})

t.test('twin: taking a lost answer for a refusal says what is not true', async (t) => {
  const careless =
    (streams: MemoryStreams): AppendEvents =>
    async ({ stream, events, after }) =>
      (await streams.append(stream, events, after)).kind === 'stored' ? 'stored' : 'conflict'
  t.equal(await untrue([{ fates: ['lost after'], others: false, count: 1 }], careless), 'conflict')
  t.equal(await untrue([{ fates: ['late'], others: false, count: 1 }], careless), 'conflict')
})
