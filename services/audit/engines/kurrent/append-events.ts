/**
 * One append to one stream, until it is known what became of it. An append whose answer was lost may have been stored, or may yet be: its own
 * events, behind the revision they name, say so; and as long as nothing stands there, sending the very same append again is harmless, because
 * the server stores events of these ids behind that revision once. Whatever else stands there means that it never will be stored.
 */
import type { Clock } from '../../../kernel/clock.ts'
import { ChartwardenError } from '../../../kernel/errors.ts'
import { pause } from '../../../kernel/pause.ts'
import type { KurrentStreams, NewEvent } from './streams.ts'

export interface AppendEventsOptions {
  readonly streams: Pick<KurrentStreams, 'append' | 'read'>
  readonly clock: Clock
  /** For how long the outcome is sought, from when it was first sent on; it is looked for once at least. Milliseconds. */
  readonly settleMs: number
  /** Told of a refusal, which leaves nothing stored; must not throw. */
  readonly onUnsent: (fault: unknown) => void
}

export interface EventsToAppend {
  readonly stream: string
  readonly events: readonly NewEvent[]
  /** The revision they go behind. */
  readonly after: bigint
  /** Reading of the monotonic clock from which on they are not sent any more, in milliseconds. */
  readonly notSentAfter: number
}

/** Milliseconds between two looks, growing. */
const shortestPause = 25
const longestPause = 400

/**
 * `conflict`: not stored, and never will be; `late`: never sent, for `notSentAfter` has passed. Throws LEDGER_UNAVAILABLE where the server refuses,
 * or the outcome is not known in time.
 */
export type AppendEvents = (append: EventsToAppend, closing: AbortSignal) => Promise<'stored' | 'conflict' | 'late'>

const unavailable = (cause: unknown): ChartwardenError => new ChartwardenError('LEDGER_UNAVAILABLE', { cause })

export const createAppendEvents = ({ streams, clock, settleMs, onUnsent }: AppendEventsOptions): AppendEvents => {
  /** What stands where the events would: undefined for nothing yet, or where it cannot be read now. */
  const lookFor = async ({ stream, events, after }: EventsToAppend): Promise<'stored' | 'conflict' | 'nothing' | 'unread'> => {
    try {
      const found = await streams.read(stream, after + 1n, events.length)
      if (found.length === 0) return 'nothing'
      const own = found.every(({ id, revision }, at) => id === events[at]?.id && revision === after + BigInt(at) + 1n)
      return own && found.length === events.length ? 'stored' : 'conflict'
    } catch {
      return 'unread'
    }
  }

  /** Looks, and sends again while nothing is there, until it is known. */
  const settle = async (append: EventsToAppend, lost: unknown, end: number, closing: AbortSignal): Promise<'stored' | 'conflict'> => {
    const { stream, events, after, notSentAfter } = append
    for (let wait = shortestPause; ; wait = Math.min(2 * wait, longestPause)) {
      const found = await lookFor(append)
      if (found === 'stored' || found === 'conflict') return found
      if (clock.monotonic() + wait >= end || closing.aborted) throw unavailable(lost)
      await pause(wait, closing)
      // Should this be answered as a conflict, it may be with its own events: the next look tells.
      if (found === 'nothing' && clock.monotonic() < notSentAfter) {
        const appended = await streams.append(stream, events, after)
        if (appended.kind === 'stored') return 'stored'
      }
    }
  }

  return async (append, closing) => {
    const sentAt = clock.monotonic()
    if (sentAt >= append.notSentAfter) return 'late'
    const appended = await streams.append(append.stream, append.events, append.after)
    switch (appended.kind) {
      case 'stored':
      case 'conflict':
        return appended.kind
      case 'refused': {
        const fault = unavailable(appended.cause)
        onUnsent(fault)
        throw fault
      }
      case 'unknown':
        return settle(append, appended.cause, sentAt + settleMs, closing)
    }
  }
}
