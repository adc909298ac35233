/**
 * Finds what is in the streams and not in the index: entries whose service died between the two. It follows the order of all streams by a catch-up
 * subscription, which the client never resumes by itself: it is begun again from the place that is kept in the index, after a pause that grows
 * while nothing comes.
 *
 * One service follows at a time, by a session lock; two at once, should a lost connection be noticed late, do no harm.
 */
import type { Pool } from 'pg'
import type { Clock } from '../../../kernel/clock.ts'
import { ChartwardenError } from '../../../kernel/errors.ts'
import { pause } from '../../../kernel/pause.ts'
import type { CatchUp } from './catch-up.ts'
import { entryOf } from './entry-event.ts'
import type { LedgerIndex } from './ledger-index.ts'
import type { StreamNames } from './stream-names.ts'
import type { KurrentStreams, StreamEvent } from './streams.ts'

export interface FollowerOptions {
  readonly index: Pick<LedgerIndex, 'look' | 'add' | 'place' | 'keepPlace'>
  readonly streams: Pick<KurrentStreams, 'follow'>
  readonly names: StreamNames
  readonly catchUp: CatchUp
  /** One connection of it is kept while this service follows. */
  readonly pool: Pool
  /** After which a subscription that says nothing is begun again. Milliseconds. */
  readonly silenceMs: number
  /** Before the first try after a fault. Milliseconds. */
  readonly retryMs: number
  /** Between two tries to become the one that follows. Milliseconds, default 10,000. */
  readonly takeOverMs?: number
  /** Between two places that are kept; what came after the last one is looked at again. Milliseconds, default 1,000. */
  readonly keepEveryMs?: number
  readonly clock: Clock
  /** Told of what ended a subscription, and of a clinic whose entries cannot be indexed; must not throw. */
  readonly onFault: (fault: unknown) => void
}

export interface Follower {
  /** Starts following, once; later calls do nothing. */
  start(): void
  close(): Promise<void>
}

const lockName = 'chartwarden kurrent follower'
const longestPause = 30_000

/** Of one clinic's stream, however often it is tried. */
const isLasting = (fault: unknown): boolean =>
  fault instanceof ChartwardenError && (fault.reason === 'INTERNAL' || fault.reason === 'LEDGER_REGRESSED')

export const createFollower = (options: FollowerOptions): Follower => {
  const { index, streams, names, catchUp, pool, silenceMs, retryMs, takeOverMs = 10_000, keepEveryMs = 1_000, clock, onFault } = options
  const closing = new AbortController()
  let running: Promise<void> | undefined

  /** Almost always all of them are there already: their services have added them. */
  const add = async (events: readonly StreamEvent[]): Promise<void> => {
    const clinics = new Set(events.map(({ stream }) => names.clinicOf(stream)))
    const { clinics: known } = await index.look(new Map([...clinics].map((clinic) => [clinic, []])))
    const isMissing = ({ stream, revision }: StreamEvent): boolean => revision > (known.get(names.clinicOf(stream))?.revision ?? -1n)
    const missing = events.filter(isMissing)
    try {
      await index.add(missing.map((event) => entryOf(event, names.clinicOf(event.stream))))
    } catch (fault) {
      // What cannot be had now ends the subscription, so that the place does not move past what is not in the index.
      if (!isLasting(fault)) throw fault
      // One clinic's stream that cannot be indexed keeps back no other's. Its own appends and readers are told of it.
      for (const clinic of new Set(missing.map(({ stream }) => names.clinicOf(stream)))) {
        await catchUp(clinic).catch((own: unknown) => {
          if (!isLasting(own)) throw own
          onFault(own)
        })
      }
    }
  }

  const follow = async (signal: AbortSignal, onHeard: () => void): Promise<void> => {
    let kept = Number.NEGATIVE_INFINITY
    for await (const { events, place } of streams.follow(names.prefix, await index.place(), silenceMs, signal)) {
      if (events.length > 0) await add(events)
      if (clock.monotonic() - kept >= keepEveryMs) {
        await index.keepPlace(place)
        kept = clock.monotonic()
      }
      onHeard()
    }
  }

  /** Returns true when nothing was heard for long, and false at once where another service follows. */
  const followAlone = async (onHeard: () => void): Promise<boolean> => {
    const lost = new AbortController()
    const onLost = (): void => lost.abort()
    const client = await pool.connect()
    let locked = true
    try {
      client.once('error', onLost).once('end', onLost)
      const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock(hashtextextended($1, 0)) as locked', [lockName])
      locked = rows[0]?.locked === true
      if (locked) await follow(AbortSignal.any([closing.signal, lost.signal]), onHeard)
      return locked
    } finally {
      client.off('error', onLost).off('end', onLost)
      // Closing the connection gives the lock away.
      client.release(locked)
    }
  }

  const run = async (): Promise<void> => {
    for (let wait = retryMs; !closing.signal.aborted; ) {
      let heard = false
      try {
        const followed = await followAlone(() => {
          heard = true
        })
        wait = followed ? retryMs : takeOverMs
      } catch (fault) {
        if (closing.signal.aborted) return
        onFault(fault)
        wait = heard ? retryMs : Math.min(2 * wait, longestPause)
      }
      await pause(wait, closing.signal)
    }
  }

  return {
    start() {
      running ??= run()
    },
    async close() {
      closing.abort()
      await running
    },
  }
}
