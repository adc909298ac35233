/** A catch-up subscription to all streams whose names begin so, as one iterable. */
import type { AllStreamResolvedEvent, KurrentDBClient, Position } from '@kurrent/kurrentdb-client'
import type { Followed, Place, StreamEvent } from './streams.ts'

export interface FollowAllOptions {
  readonly prefix: string
  /** Undefined: the beginning. */
  readonly from: Place | undefined
  /** Milliseconds. */
  readonly silenceMs: number
  readonly signal: AbortSignal
}

/** Events that are held at most before the subscription is told to wait. */
const heldAtMost = 1_000

/** Ends when the signal aborts, and when nothing was heard for so long: the client does not notice a subscription that has died. */
export async function* followAll(client: KurrentDBClient, { prefix, from, silenceMs, signal }: FollowAllOptions): AsyncGenerator<Followed> {
  let events: StreamEvent[] = []
  let place: Place | undefined
  let fault: unknown
  let ended = false
  let heard = Promise.withResolvers<void>()
  const tell = (): void => heard.resolve()

  // Must not throw: a rejection here stops the subscription and nobody hears of it.
  const checkpointReached = (_: unknown, position: Position): void => {
    // Events that came before it may still be on their way to us.
    if (subscription.readableLength === 0) place = position
    tell()
  }
  const subscription = client.subscribeToAll({
    fromPosition: from ?? 'start',
    filter: { filterOn: 'streamName', prefixes: [prefix], checkpointInterval: 1, checkpointReached },
  })
  subscription.on('data', ({ event }: AllStreamResolvedEvent) => {
    if (event === undefined) return
    const { id, streamId, revision, type, data, metadata, position } = event
    events.push({ id, stream: streamId, revision, type, data: data as Uint8Array, metadata })
    place = position
    if (events.length >= heldAtMost) subscription.pause()
    tell()
  })
  subscription.on('error', (thrown: unknown) => {
    fault = thrown
    ended = true
    tell()
  })
  for (const end of ['end', 'close'] as const) {
    subscription.on(end, () => {
      ended = true
      tell()
    })
  }
  for (const sign of ['confirmation', 'caughtUp', 'fellBehind'] as const) subscription.on(sign, tell)
  signal.addEventListener('abort', tell)
  /** False once nothing was heard for too long. */
  const hear = async (): Promise<boolean> => {
    heard = Promise.withResolvers<void>()
    const silence = Promise.withResolvers<boolean>()
    const timer = setTimeout(() => silence.resolve(false), silenceMs)
    try {
      return await Promise.race([heard.promise.then(() => true), silence.promise])
    } finally {
      clearTimeout(timer)
    }
  }
  try {
    while (!signal.aborted) {
      if (place !== undefined) {
        const followed = { events, place }
        events = []
        place = undefined
        subscription.resume()
        yield followed
        continue
      }
      if (ended) throw fault ?? new Error('the subscription ended')
      if (!(await hear())) return
    }
  } finally {
    signal.removeEventListener('abort', tell)
    await subscription.unsubscribe().catch(() => {})
    subscription.destroy()
  }
}
