/**
 * The ledger in KurrentDB: one stream a clinic, appended to behind the revision that was judged by, so that the stream's own order is the ledger's.
 * PostgreSQL holds the index beside it (migrations/0001-tables.ts), and its clock is the ledger's own: all services read the same one, in the
 * statement that tells them where the index ends, before they append. A later entry of a clinic never has an earlier time therefore; nor is
 * it sent long after that time.
 */
import type { Pool } from 'pg'
import { type Clock, systemClock } from '../../../kernel/clock.ts'
import { isUuid, type Randomness, systemRandomness } from '../../../kernel/ids.ts'
import { checkAppend } from '../../append-rules.ts'
import { type LedgerEngine, type StoredEntry, systemLedger } from '../../ledger.ts'
import { createChanges } from '../changes.ts'
import { createWakeUp } from '../postgres/wake-up.ts'
import { createAppendBatch } from './append-batch.ts'
import { createAppendEvents } from './append-events.ts'
import { createCatchUp } from './catch-up.ts'
import { createFeed } from './feed.ts'
import { createFollower } from './follower.ts'
import { createLedgerIndex } from './ledger-index.ts'
import { openStreams } from './open-streams.ts'
import { streamNames } from './stream-names.ts'
import { createStreamReader, type StreamReader } from './stream-reader.ts'

export interface KurrentEngineOptions {
  /** `kurrentdb://…` or `kurrentdb+discover://…`; its user must be one of `$admins`, since the feed reads `$all`. */
  readonly connectionString: string
  /** Connects as a member of `chartwarden_writer` to the database that `kurrentMigrations` was applied to. Ended by whoever made it. */
  readonly writer: Pool
  /** Connects as a member of `chartwarden_feed`. While there are subscribers one connection of it listens, and one may hold a lock. */
  readonly feed: Pool
  /** How often a subscriber that has caught up looks for itself. Milliseconds, default 500. */
  readonly pollMs?: number
  /** Entries fetched at once. Default 1,000. */
  readonly pageEntries?: number
  /** After which an append without an answer is given up, and its outcome unknown. Milliseconds, default 2,000. */
  readonly callTimeoutMs?: number
  /** After which a read that says nothing is given up, and tried once more. Milliseconds, default `callTimeoutMs`. */
  readonly readTimeoutMs?: number
  /** For how long the outcome of an append is sought, from when it was sent on, before it is LEDGER_UNAVAILABLE. Milliseconds, default 2,000. */
  readonly settleMs?: number
  /** For how long a clinic is tried whose stream others keep appending to first. Milliseconds, default 5,000. */
  readonly contendMs?: number
  /**
   * The same where other clinics are in the batch, whose answers wait for this one's: it is answered `again`, to be sent in the next one.
   * Milliseconds, default 250.
   */
  readonly contendBesideOthersMs?: number
  /** After which a subscription that says nothing is replaced. Milliseconds, default 30,000. */
  readonly silenceMs?: number
  /** Milliseconds after which a statement of PostgreSQL without an answer is given up; default 10,000. */
  readonly answerTimeoutMs?: number
  readonly clock?: Clock
  readonly randomness?: Pick<Randomness, 'uuid'>
  /** Told of every append that another writer of the clinic came before; must not throw. */
  readonly onConflict?: () => void
  /** Told of what ended the subscription, which is begun again, and of a clinic whose stream cannot be indexed; must not throw. */
  readonly onFault?: (fault: unknown) => void
}

export interface KurrentEngine extends LedgerEngine {
  /** To be called once before serving: throws LEDGER_UNAVAILABLE where KurrentDB does not answer, or does not let the user do what is needed. */
  prepare(): Promise<void>
  /** Entries straight from their streams; for readers of one clinic. */
  readonly reader: StreamReader
  /** Appends larger than this, in bytes of entries, are split by whoever can. */
  readonly maxBatchBytes: number
}

/** Below a mebibyte with what comes around the entries: the most that a server before 26.0 takes at once. */
const maxBatchBytes = 786_432

/**
 * Opens the engine over a database whose schema `kurrentMigrations` made. Throws StartError where the client, an optional dependency that only
 * open-streams.ts knows, is missing or too old. Faults of KurrentDB and of the database are LEDGER_UNAVAILABLE with their cause; a stream that
 * lost what was there is LEDGER_REGRESSED.
 */
export const createKurrentEngine = async (options: KurrentEngineOptions): Promise<KurrentEngine> => {
  const { connectionString, writer, feed: feedPool, clock = systemClock, randomness = systemRandomness } = options
  const { pollMs = 500, pageEntries = 1_000, callTimeoutMs = 2_000, settleMs = 2_000, contendMs = 5_000, silenceMs = 30_000 } = options
  const { readTimeoutMs = callTimeoutMs, contendBesideOthersMs = 250, onConflict = () => {}, onFault = () => {} } = options
  const closing = new AbortController()
  const unsent = new WeakSet<object>()
  const onUnsent = (fault: unknown): void => {
    if (typeof fault === 'object' && fault !== null) unsent.add(fault)
  }
  const index = createLedgerIndex({ writer, feed: feedPool, answerTimeoutMs: options.answerTimeoutMs })
  const streams = await openStreams({ connectionString, callTimeoutMs, readTimeoutMs })
  const names = streamNames(
    await index.installation().catch(async (fault: unknown) => {
      await streams.close()
      throw fault
    }),
  )
  const reader = createStreamReader({ streams, index, names, pageEntries })
  const catchUp = createCatchUp({ index, reader, pageEntries })
  const changes = createChanges()
  const wakeUp = createWakeUp({ pool: feedPool, channel: 'chartwarden_kurrent', onWake: changes.announce, retryMs: pollMs })
  const follower = createFollower({ index, streams, names, catchUp, pool: feedPool, silenceMs, retryMs: pollMs, clock, onFault })
  const begin = (): void => {
    wakeUp.start()
    follower.start()
  }
  const appendBatch = createAppendBatch({
    index,
    streams,
    reader,
    names,
    catchUp,
    appendEvents: createAppendEvents({ streams, clock, settleMs, onUnsent }),
    clock,
    newId: () => randomness.uuid(),
    contendMs,
    contendBesideOthersMs,
    onConflict,
    onUnsent,
    closing: closing.signal,
  })

  return {
    ...createFeed({ index, reader, changes, pollMs, pageEntries, begin, closing: closing.signal }),
    reader,
    maxBatchBytes,
    async prepare() {
      const own = names.streamOf(systemLedger)
      await streams.protect(own)
      // Only an administrator may read it now.
      await streams.read(own, 0n, 1)
    },
    async appendBatch(appends) {
      for (const append of appends) checkAppend(append)
      return appends.length === 0 ? [] : appendBatch(appends)
    },
    storedNothing: (fault) => typeof fault === 'object' && fault !== null && unsent.has(fault),
    read: (clinic, from, to) => reader.read(clinic, from, to),
    async *readState(clinic, from) {
      await catchUp(clinic)
      for (let next = from; ; ) {
        const revisions = await index.stateRevisions(clinic, next, pageEntries)
        yield* reader.at(clinic, revisions)
        const last = revisions.at(-1)
        if (last === undefined || revisions.length < pageEntries) return
        next = last + 1n
      }
    },
    async find(clinic, ids) {
      await catchUp(clinic)
      const found = new Map<string, StoredEntry>()
      for await (const entry of reader.at(clinic, await index.revisionsOf(clinic, ids.filter(isUuid)))) found.set(entry.id, entry)
      return found
    },
    async head(clinic) {
      await catchUp(clinic)
      return index.head(clinic)
    },
    async time() {
      // Who asks wants to know as well whether the ledger answers, which the clock alone does not say.
      await streams.read(names.streamOf(systemLedger), 0n, 1)
      return index.time()
    },
    clinics: (after, limit) => index.clinics(after, limit),
    async close() {
      closing.abort()
      await Promise.all([wakeUp.close(), follower.close()])
      await streams.close()
    },
  }
}
