/**
 * The only file that knows the client of KurrentDB. What it must not be left to do, each found in version 1.3.1:
 *
 * - it does not answer an append whose connection was lost without a word, and has no limit of time for reads: both get one here;
 * - it keeps the failure to learn what the server can do, and fails with it for ever; so after a fault a new client takes over;
 * - more messages than its buffer holds (16) and a lost connection end the process, by a rejection that nobody can handle: the engine keeps few
 *   appends under way, each of one message;
 * - ending a subscription closes the connection of everything else of its client: each has a client of its own;
 * - `setStreamMetadata` ignores the revision it is told to expect: the metadata are appended as the event that they are;
 * - its errors hold the connection string: only their type and message go on.
 */
import type { KurrentDBClient } from '@kurrent/kurrentdb-client'
import { ChartwardenError } from '../../../kernel/errors.ts'
import { pause } from '../../../kernel/pause.ts'
import { StartError } from '../../../kernel/start-error.ts'
import { followAll } from './follow-all.ts'
import { loadClient } from './load-client.ts'
import type { Appended, KurrentStreams, StreamEvent } from './streams.ts'

export interface OpenStreamsOptions {
  readonly connectionString: string
  /** Milliseconds. */
  readonly callTimeoutMs: number
}

/** Milliseconds between two new clients. */
const renewedAtMostEvery = 250

const protectAttempts = 3

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
export const openStreams = async ({ connectionString, callTimeoutMs }: OpenStreamsOptions): Promise<KurrentStreams> => {
  const { KurrentDBClient, binaryEvent, jsonEvent, NO_STREAM } = await loadClient()
  const connect = (): KurrentDBClient => {
    try {
      return KurrentDBClient.connectionString(connectionString)
    } catch {
      // Its own message shows the string.
      throw new StartError('CHARTWARDEN_KURRENTDB_URL is nothing that the client of KurrentDB can read.')
    }
  }
  let client = connect()
  let renewedAt = Number.NEGATIVE_INFINITY
  const closing = new AbortController()

  const renew = (failed: KurrentDBClient): void => {
    if (failed !== client || closing.signal.aborted || performance.now() - renewedAt < renewedAtMostEvery) return
    renewedAt = performance.now()
    client = connect()
    failed.dispose().catch(() => {})
  }

  const send = async (
    stream: string,
    events: Parameters<KurrentDBClient['appendToStream']>[1],
    after: bigint,
    count: number,
  ): Promise<Appended> => {
    const used = client
    const limit = createLimit(callTimeoutMs)
    try {
      const answer = used.appendToStream(stream, events, {
        streamState: after < 0n ? NO_STREAM : after,
        requiresLeader: true,
        deadline: callTimeoutMs,
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
      if (type !== 'not-leader') renew(used)
      return { kind: 'unknown', cause }
    } finally {
      limit.end()
    }
  }

  const readOnce = async (stream: string, from: bigint, most: number): Promise<readonly StreamEvent[]> => {
    const used = client
    const limit = createLimit(callTimeoutMs)
    const found: StreamEvent[] = []
    const events = used.readStream(stream, { fromRevision: from, maxCount: most, requiresLeader: true })
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
      renew(used)
      throw thrown
    } finally {
      limit.end()
    }
  }

  return {
    append: (stream, events, after) =>
      send(
        stream,
        events.map(({ id, type, data, metadata }) => binaryEvent({ id, type, data, metadata })),
        after,
        events.length,
      ),
    async read(stream, from, most) {
      try {
        return await readOnce(stream, from, most)
      } catch {
        // Perhaps the leader has changed, or the connection was lost: a new client finds its way.
        await pause(renewedAtMostEvery, closing.signal)
        return await readOnce(stream, from, most).catch((thrown: unknown) => {
          throw unavailable(plainCause(thrown))
        })
      }
    },
    async protect(stream) {
      const event = jsonEvent({ type: '$metadata', data: protectedStream })
      for (let left = protectAttempts; ; left -= 1) {
        const appended = await send(`$$${stream}`, event, -1n, 1)
        // A conflict: it is protected already, perhaps by what was sent before.
        if (appended.kind === 'stored' || appended.kind === 'conflict') return
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
      await client.dispose()
    },
  }
}
