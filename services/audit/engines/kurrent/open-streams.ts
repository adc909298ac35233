/**
 * The only file that knows the client of KurrentDB. What it must not be left to do, each found in version 1.3.1:
 *
 * - it does not answer an append whose connection was lost without a word, and has no limit of time for reads: both get one here;
 * - it sends an append's time limit as a moment, which the server holds against a clock of its own: that moment is far off;
 * - it keeps the failure to learn what the server can do, and fails with it for ever; so after a fault a new client takes over;
 * - more messages than its buffer holds (16) and a lost connection end the process, by a rejection that nobody can handle: the engine keeps few
 *   appends under way, each of one message;
 * - its appends and its reads go by connections of their own, and end together: each kind has a client that its own faults alone renew;
 * - ending a subscription closes the connection of everything else of its client: each has a client of its own;
 * - `setStreamMetadata` ignores the revision it is told to expect: the metadata are appended as the event that they are;
 * - its errors hold the connection string: only their type and message go on.
 */
import { isDeepStrictEqual } from 'node:util'
import type { KurrentDBClient, ReadStreamOptions } from '@kurrent/kurrentdb-client'
import { ChartwardenError } from '../../../kernel/errors.ts'
import { pause } from '../../../kernel/pause.ts'
import { StartError } from '../../../kernel/start-error.ts'
import { followAll } from './follow-all.ts'
import { loadClient } from './load-client.ts'
import type { Appended, KurrentStreams, StreamEvent } from './streams.ts'

export interface OpenStreamsOptions {
  readonly connectionString: string
  /** For an append to be answered. Milliseconds. */
  readonly callTimeoutMs: number
  /** For each next event of a read. Milliseconds. */
  readonly readTimeoutMs: number
}

type Which = Pick<ReadStreamOptions, 'fromRevision' | 'maxCount' | 'direction'>

/** Milliseconds between two new clients. */
const renewedAtMostEvery = 250

const protectAttempts = 3

/** How far the server's clock may be ahead. Our own limit is what bounds the wait. Milliseconds. */
const serverDeadlineMs = 600_000

/** Nobody but an administrator, whom no such list keeps out: not even those who may append can delete, cut or open a stream. */
const protectedStream = { $acl: { $r: ['$admins'], $w: ['$admins'], $mr: ['$admins'], $d: [], $mw: [] } }

const refusals: ReadonlySet<string> = new Set([
  'access-denied',
  'append-record-size-exceeded',
  'invalid-argument',
  'maximum-append-size-exceeded',
  'stream-deleted',
  'stream-tombstoned',
  'transaction-max-size-exceeded',
])

const typeOf = (thrown: unknown): string =>
  thrown instanceof Error && 'type' in thrown && typeof thrown.type === 'string' ? thrown.type : 'unknown'

/** What may be told of a client's error. */
const plainCause = (thrown: unknown): Error =>
  new Error(`KurrentDB: ${typeOf(thrown)}: ${thrown instanceof Error ? thrown.message : String(thrown)}`)

const unavailable = (cause: Error): ChartwardenError => new ChartwardenError('LEDGER_UNAVAILABLE', { cause })

/** Rejects once so many milliseconds have passed since it was made, or last put off. */
const createLimit = (milliseconds: number) => {
  const { promise, reject } = Promise.withResolvers<never>()
  promise.catch(() => {})
  const timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds} ms`)), milliseconds)
  return { passed: promise, putOff: () => void timer.refresh(), end: () => clearTimeout(timer) }
}

/** Throws StartError where the client cannot be had, or cannot read the connection string. */
export const openStreams = async ({ connectionString, callTimeoutMs, readTimeoutMs }: OpenStreamsOptions): Promise<KurrentStreams> => {
  const { KurrentDBClient, BACKWARDS, END, binaryEvent, jsonEvent, NO_STREAM } = await loadClient()
  const connect = (): KurrentDBClient => {
    try {
      return KurrentDBClient.connectionString(connectionString)
    } catch {
      // Its own message shows the string.
      throw new StartError('CHARTWARDEN_KURRENTDB_URL is nothing that the client of KurrentDB can read.')
    }
  }
  const closing = new AbortController()

  const createRenewed = () => {
    let client = connect()
    let renewedAt = Number.NEGATIVE_INFINITY
    return {
      now: (): KurrentDBClient => client,
      renew(failed: KurrentDBClient): void {
        if (failed !== client || closing.signal.aborted || performance.now() - renewedAt < renewedAtMostEvery) return
        renewedAt = performance.now()
        client = connect()
        failed.dispose().catch(() => {})
      },
    }
  }
  const appending = createRenewed()
  const reading = createRenewed()

  const send = async (
    stream: string,
    events: Parameters<KurrentDBClient['appendToStream']>[1],
    after: bigint,
    count: number,
  ): Promise<Appended> => {
    const used = appending.now()
    const limit = createLimit(callTimeoutMs)
    try {
      const answer = used.appendToStream(stream, events, {
        streamState: after < 0n ? NO_STREAM : after,
        requiresLeader: true,
        deadline: serverDeadlineMs,
      })
      answer.catch(() => {})
      const { nextExpectedRevision } = await Promise.race([answer, limit.passed])
      if (nextExpectedRevision === after + BigInt(count)) return { kind: 'stored' }
      return { kind: 'unknown', cause: new Error(`appended up to revision ${nextExpectedRevision} instead of ${after + BigInt(count)}`) }
    } catch (thrown) {
      const type = typeOf(thrown)
      if (type === 'wrong-expected-version') return { kind: 'conflict' }
      const cause = plainCause(thrown)
      if (refusals.has(type)) return { kind: 'refused', cause }
      // The client goes to the leader by itself when it is told who that is.
      if (type !== 'not-leader') appending.renew(used)
      return { kind: 'unknown', cause }
    } finally {
      limit.end()
    }
  }

  const readOnce = async (used: KurrentDBClient, stream: string, which: Which): Promise<readonly StreamEvent[]> => {
    const limit = createLimit(readTimeoutMs)
    const found: StreamEvent[] = []
    const events = used.readStream(stream, { ...which, requiresLeader: true })
    try {
      for (;;) {
        const next = events.next()
        next.catch(() => {})
        const { done, value } = await Promise.race([next, limit.passed])
        if (done === true) return found
        limit.putOff()
        if (value.event !== undefined) {
          const { id, streamId, revision, type, data, metadata } = value.event
          found.push({ id, stream: streamId, revision, type, data: data as Uint8Array, metadata })
        }
      }
    } catch (thrown) {
      const type = typeOf(thrown)
      if (type === 'stream-not-found' || type === 'stream-deleted') return []
      events.return?.().catch(() => {})
      throw thrown
    } finally {
      limit.end()
    }
  }

  const read = async (stream: string, which: Which): Promise<readonly StreamEvent[]> => {
    const used = reading.now()
    try {
      return await readOnce(used, stream, which)
    } catch {
      // Perhaps the leader has changed, or the connection was lost: a new client finds its way.
      reading.renew(used)
      await pause(renewedAtMostEvery, closing.signal)
      const next = reading.now()
      return await readOnce(next, stream, which).catch((thrown: unknown) => {
        reading.renew(next)
        throw unavailable(plainCause(thrown))
      })
    }
  }

  /** It has metadata already: those of another service, or that were sent before. Somebody else's leave it open. */
  const requireProtected = async (stream: string): Promise<void> => {
    const [last] = await read(`$$${stream}`, { fromRevision: END, maxCount: 1, direction: BACKWARDS })
    const metadata: unknown = last?.data
    const list = typeof metadata === 'object' && metadata !== null && '$acl' in metadata ? metadata.$acl : undefined
    if (isDeepStrictEqual(list, protectedStream.$acl)) return
    throw unavailable(
      new Error(`KurrentDB: the stream ${stream} has metadata whose $acl is not the service's own: an administrator has to see why`),
    )
  }

  return {
    append: (stream, events, after) =>
      send(
        stream,
        events.map(({ id, type, data, metadata }) => binaryEvent({ id, type, data, metadata })),
        after,
        events.length,
      ),
    read: (stream, from, most) => read(stream, { fromRevision: from, maxCount: most }),
    async readAnew(stream, from, most) {
      await pause(renewedAtMostEvery, closing.signal)
      const own = connect()
      try {
        return await readOnce(own, stream, { fromRevision: from, maxCount: most })
      } catch (thrown) {
        throw unavailable(plainCause(thrown))
      } finally {
        await own.dispose().catch(() => {})
      }
    },
    async protect(stream) {
      const event = jsonEvent({ type: '$metadata', data: protectedStream })
      for (let left = protectAttempts; ; left -= 1) {
        const appended = await send(`$$${stream}`, event, -1n, 1)
        if (appended.kind === 'stored') return
        if (appended.kind === 'conflict') return requireProtected(stream)
        if (appended.kind === 'refused' || left === 1) throw unavailable(appended.cause)
        await pause(renewedAtMostEvery, closing.signal)
      }
    },
    async *follow(prefix, from, silenceMs, signal) {
      const own = connect()
      try {
        yield* followAll(own, { prefix, from, silenceMs, signal })
      } catch (thrown) {
        throw unavailable(plainCause(thrown))
      } finally {
        await own.dispose().catch(() => {})
      }
    },
    async close() {
      closing.abort()
      await Promise.all([appending.now().dispose(), reading.now().dispose()])
    },
  }
}
