/**
 * What a KurrentDB server keeps and by which rules, as far as a client can tell (server 26.0, IndexWriter and StorageWriterService): streams
 * with gapless revisions inside one log whose positions jump, expected revisions, and idempotency by event id as it really is: exact with an
 * expected revision, from memory alone with `any`.
 */
import { randomUUID } from 'node:crypto'
import { type Changes, createChanges } from '../../../services/audit/engines/changes.ts'

export interface ProposedEvent {
  readonly id: string
  readonly type: string
  readonly contentType: string
  readonly data: Uint8Array
  readonly customMetadata: Uint8Array
}

export interface RecordedEvent extends ProposedEvent {
  readonly stream: string
  readonly revision: bigint
  /** Commit and prepare position alike, as the server writes them today. */
  readonly position: bigint
  /** The server's clock, in 100 nanoseconds since the epoch. */
  readonly created: bigint
}

export type ExpectedState = bigint | 'any' | 'no_stream' | 'stream_exists'

export type AppendResult =
  | { readonly kind: 'appended'; readonly last: RecordedEvent }
  /** `current` is undefined where there is no stream. */
  | { readonly kind: 'wrong version'; readonly current: bigint | undefined }
  | { readonly kind: 'deleted' }

export interface EventLog {
  readonly changes: Changes
  append(stream: string, expected: ExpectedState, events: readonly ProposedEvent[]): AppendResult
  /** What a reader may see of a stream, in order; undefined where there is no stream, or nothing left of it. Throws StreamTombstoned. */
  stream(name: string, seen?: number): readonly RecordedEvent[] | undefined
  /** The log itself; `seen` is how much of it a lagging node has. */
  all(seen?: number): readonly RecordedEvent[]
  /** The stream's own metadata, as it was set last. */
  metadata(stream: string): Readonly<Record<string, unknown>>
  /** Ends a stream for good. */
  tombstone(stream: string): void
  /** The server no longer remembers recent ids: a repeated append with `any` is stored again. */
  forgetIds(): void
  /** As after a restored backup: what came after the first `length` records was never there. */
  restoreTo(length: number): void
}

/** A tombstoned stream was asked for. */
export class StreamTombstoned extends Error {
  override readonly name = 'StreamTombstoned'
}

const recordOverhead = 120n
const ticksPerMillisecond = 10_000n
/** Every so many appends the server writes something of its own. */
const statisticsEvery = 5

/** An event that the server writes itself. */
export const ofServer = (type: string, json: string): ProposedEvent => ({
  id: randomUUID(),
  type,
  contentType: 'application/json',
  data: Buffer.from(json),
  customMetadata: new Uint8Array(),
})

export const createEventLog = ({ now }: { readonly now: () => number }): EventLog => {
  const changes = createChanges()
  let log: RecordedEvent[] = []
  let streams = new Map<string, RecordedEvent[]>()
  const tombstoned = new Set<string>()
  let remembered = new Map<string, RecordedEvent>()
  let next = 2_816n
  let appends = 0

  const record = (stream: string, event: ProposedEvent): RecordedEvent => {
    const events = streams.get(stream) ?? []
    streams.set(stream, events)
    const recorded: RecordedEvent = {
      ...event,
      data: Uint8Array.from(event.data),
      customMetadata: Uint8Array.from(event.customMetadata),
      stream,
      revision: BigInt(events.length),
      position: next,
      created: BigInt(Math.floor(now())) * ticksPerMillisecond,
    }
    next += recordOverhead + BigInt(event.data.length + event.customMetadata.length)
    events.push(recorded)
    log.push(recorded)
    remembered.set(event.id, recorded)
    return recorded
  }

  /** The event of this append that is stored already where it would go, if the whole append is; `torn` if only its beginning is. */
  const repeated = (events: readonly ProposedEvent[], find: (id: string, index: number) => RecordedEvent | undefined) => {
    const found = events.map(({ id }, index) => find(id, index))
    if (found[0] === undefined) return 'new'
    return found.includes(undefined) ? 'torn' : (found.at(-1) as RecordedEvent)
  }

  const append: EventLog['append'] = (stream, expected, events) => {
    if (tombstoned.has(stream)) return { kind: 'deleted' }
    const stored = streams.get(stream) ?? []
    const current = stored.at(-1)?.revision
    const wrong = { kind: 'wrong version', current } as const
    if (expected === 'stream_exists' && current === undefined) return wrong
    if (expected === 'any' || expected === 'stream_exists') {
      const again = repeated(events, (id) => {
        const known = remembered.get(id)
        return known?.stream === stream ? known : undefined
      })
      if (again === 'torn') return wrong
      if (again !== 'new') return { kind: 'appended', last: again }
    } else {
      const before = expected === 'no_stream' ? -1n : expected
      if (before > (current ?? -1n)) return wrong
      if (before < (current ?? -1n)) {
        const again = repeated(events, (id, index) => {
          const there = stored[Number(before) + 1 + index]
          return there?.id === id ? there : undefined
        })
        const softDeleted = expected === 'no_stream' && visible(stream) === undefined
        if (again === 'torn' || (again === 'new' && !softDeleted)) return wrong
        if (again !== 'new') return { kind: 'appended', last: again }
      }
    }
    const hidden = current !== undefined && visible(stream) === undefined
    const recorded = events.map((event) => record(stream, event))
    // What is appended to a deleted stream is there again, and what was there before is not.
    if (hidden) record(`$$${stream}`, ofServer('$metadata', `{"$tb":${current + 1n}}`))
    appends += 1
    if (appends % statisticsEvery === 0) {
      record('$stats-127.0.0.1:2113', ofServer('$statsCollected', '{}'))
    }
    changes.announce()
    return { kind: 'appended', last: recorded.at(-1) as RecordedEvent }
  }

  const metadata: EventLog['metadata'] = (stream) => {
    const last = streams.get(`$$${stream}`)?.at(-1)
    return last === undefined ? {} : (JSON.parse(Buffer.from(last.data).toString('utf8')) as Record<string, unknown>)
  }

  const visible: EventLog['stream'] = (name, seen) => {
    if (tombstoned.has(name)) throw new StreamTombstoned(name)
    const all = streams.get(name) ?? []
    const { $tb: truncateBefore = 0, $maxCount: maxCount = Number.POSITIVE_INFINITY } = metadata(name)
    const horizon = seen === undefined ? undefined : log[seen]?.position
    const events = horizon === undefined ? all : all.filter(({ position }) => position < horizon)
    if (truncateBefore === 0 && maxCount === Number.POSITIVE_INFINITY) return events.length === 0 ? undefined : events
    const left = events.filter(({ revision }) => revision >= Number(truncateBefore) && events.length - Number(revision) <= Number(maxCount))
    return left.length === 0 ? undefined : left
  }

  return {
    changes,
    append,
    stream: visible,
    all: (seen) => (seen === undefined ? log : log.slice(0, seen)),
    metadata,
    tombstone(stream) {
      tombstoned.add(stream)
      changes.announce()
    },
    forgetIds() {
      remembered = new Map()
    },
    restoreTo(length) {
      log = log.slice(0, length)
      streams = Map.groupBy(log, ({ stream }) => stream)
      remembered = new Map(log.map((event) => [event.id, event]))
      next = (log.at(-1)?.position ?? 2_816n) + recordOverhead
      changes.announce()
    },
  }
}
