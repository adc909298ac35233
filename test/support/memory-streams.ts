/** Streams in memory, with the server's rules for the revision expected and for events sent again, and answers that a test may lose. */
import type { Appended, KurrentStreams, NewEvent, StreamEvent } from '../../services/audit/engines/kurrent/streams.ts'

/** What becomes of an append: `lost before` and `lost after` it was stored, `late`: it is stored once the test says so. */
export type Fate = 'answered' | 'lost before' | 'lost after' | 'late' | 'refused'

export interface MemoryStreams extends Pick<KurrentStreams, 'append' | 'read' | 'readAnew'> {
  /** Of the appends to come, in order; those after them are answered. */
  readonly fates: Fate[]
  /** Reads that fail from now on. */
  failReads: number
  readonly sent: { readonly ids: readonly string[]; readonly after: bigint }[]
  events(stream: string): readonly StreamEvent[]
  /** The appends that are late arrive. */
  arrive(): void
}

const lost: Appended = { kind: 'unknown', cause: new Error('the connection was lost') }

export const memoryStreams = (): MemoryStreams => {
  const streams = new Map<string, StreamEvent[]>()
  const late: (() => void)[] = []

  const store = (stream: string, added: readonly NewEvent[], after: bigint): Appended => {
    const events = streams.get(stream) ?? []
    const there = events.slice(Number(after) + 1, Number(after) + 1 + added.length)
    if (there.length === added.length && there.every(({ id }, at) => id === added[at]?.id)) return { kind: 'stored' }
    if (BigInt(events.length) - 1n !== after) return { kind: 'conflict' }
    for (const { id, type, data, metadata } of added) events.push({ id, stream, revision: BigInt(events.length), type, data, metadata })
    streams.set(stream, events)
    return { kind: 'stored' }
  }

  const memory: MemoryStreams = {
    readAnew: (...asked) => memory.read(...asked),
    fates: [],
    failReads: 0,
    sent: [],
    events: (stream) => streams.get(stream) ?? [],
    arrive: () => {
      for (const deliver of late.splice(0)) deliver()
    },
    async append(stream, events, after) {
      memory.sent.push({ ids: events.map(({ id }) => id), after })
      switch (memory.fates.shift()) {
        case 'lost before':
          return lost
        case 'lost after':
          store(stream, events, after)
          return lost
        case 'late':
          late.push(() => store(stream, events, after))
          return lost
        case 'refused':
          return { kind: 'refused', cause: new Error('access-denied') }
        default:
          return store(stream, events, after)
      }
    },
    async read(stream, from, most) {
      if (memory.failReads > 0) {
        memory.failReads -= 1
        throw new Error('no answer')
      }
      return (streams.get(stream) ?? []).slice(Number(from), Number(from) + most)
    },
  }
  return memory
}
