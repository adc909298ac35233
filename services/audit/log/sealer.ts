/**
 * Makes each clinic's ledger a transparency log: one process of an installation at a time reads all ledgers in order, integrates their
 * entries into tiles and publishes signed checkpoints. No decision waits for it. Which process it is, a lock in the database says; whether
 * it may sign, the signer store says, which knows what was signed last.
 */
import type { Pool } from 'pg'
import type { Clock } from '../../kernel/clock.ts'
import type { Logger } from '../../kernel/logging.ts'
import { pause } from '../../kernel/pause.ts'
import type { LeafFeed } from '../ledger.ts'
import { haltWords } from './halt-words.ts'
import { fromConnection } from './lend.ts'
import type { LogKeys } from './log-keys.ts'
import type { LogWriter } from './log-store.ts'
import { createPostgresLogWriter } from './postgres-log-writer.ts'
import { type SealerLock, takeSealerLock } from './sealer-lock.ts'
import type { SignerStore } from './signer-store.ts'
import type { Standing } from './standing.ts'
import { type SealerObserver, workTenure } from './tenure.ts'
import type { WitnessInquiry } from './witness-inquiry.ts'

/** `standby`: another process publishes. `retrying`: after a fault. */
export type SealerState = 'stopped' | 'standby' | 'publishing' | 'retrying'

export const sealerStates = ['stopped', 'standby', 'publishing', 'retrying'] as const satisfies readonly SealerState[]

export interface SealerOptions {
  /** Of the feed role. A connection is kept while this process seals. */
  readonly pool: Pool
  readonly store: SignerStore
  readonly feed: LeafFeed
  readonly keys: LogKeys
  /** What the origins of logs begin with. */
  readonly base: string
  /** Entries in a clinic's ledger now. */
  readonly entries: (clinic: string) => Promise<bigint>
  /** Sees to it that the ledger says that its log was begun anew; harmless to repeat. */
  readonly announceRestart: (standing: Standing) => Promise<void>
  /** A log of which the ledger holds less than was signed was found, or its halt is over. */
  readonly onHaltsChanged: () => void
  readonly clock: Clock
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly observer?: SealerObserver | undefined
  /** Asks the witnesses before a log is first signed on. Undefined: there are none. */
  readonly inquire?: WitnessInquiry | undefined
  /** How often at most a log is published; milliseconds. Defaults to 500. */
  readonly publishIntervalMs?: number
  /** Entries integrated in one transaction. Defaults to 8,192. */
  readonly most?: number
  /** How often a process that does not seal looks whether it may; milliseconds. Defaults to 1,000. */
  readonly takeoverMs?: number
  /** After which a process that is not heard of loses the lock; milliseconds. Defaults to 15,000. */
  readonly leaseMs?: number
  /** How often halted logs are looked at again; milliseconds. Defaults to 5,000. */
  readonly recheckMs?: number
  /** Logs whose right edges are kept in memory, up to 64 KiB each and mostly an eighth of that. Defaults to 4,096. */
  readonly maxOpen?: number
  /** Stands between the sealer and its tables. For tests: one that is stopped, or that breaks a rule they must notice. */
  readonly decorateWriter?: (writer: LogWriter) => LogWriter
}

export interface Sealer {
  /** Returns at once. */
  start(): void
  /** Finishes what is under way and gives the lock away. */
  stop(): Promise<void>
  readonly state: SealerState
}

const firstRetryMs = 100
const longestRetryMs = 15_000

export const createSealer = (options: SealerOptions): Sealer => {
  const { pool, store, logger, takeoverMs = 1_000, leaseMs = 15_000, recheckMs = 5_000, publishIntervalMs = 500 } = options
  const { decorateWriter = (writer) => writer, onHaltsChanged } = options
  let state: SealerState = 'stopped'
  let stopping = new AbortController()
  let working: Promise<void> | undefined

  const tenure = async (lock: SealerLock): Promise<'stopped' | 'claim_again'> => {
    const session = await store.claim()
    try {
      state = 'publishing'
      logger.info({ event: 'log.sealing', epoch: String(session.epoch) }, 'this process signs and publishes checkpoints')
      return await workTenure({
        ...options,
        writer: decorateWriter(createPostgresLogWriter({ lend: fromConnection(lock.connection) })),
        session,
        publishIntervalMs,
        recheckMs,
        most: options.most ?? 8_192,
        maxOpen: options.maxOpen ?? 4_096,
        observer: options.observer,
        inquire: options.inquire,
        onHalt: (cause, facts) => {
          logger.error({ event: 'log.halted', clinic: facts.clinic, cause }, haltWords(cause, facts))
          onHaltsChanged()
        },
        onOtherStore: (before) => {
          logger.warn(
            { event: 'log.other_signer_store', epoch: String(session.epoch), before: String(before) },
            'the signer directory is not the one that was claimed last, or an older copy of it: make sure that no other process signs with another one (docs/how-to/keep-the-signer-store.md)',
          )
        },
        onMended: (clinic) => {
          logger.info({ event: 'log.mended', clinic }, 'the log goes on')
          onHaltsChanged()
        },
        signal: AbortSignal.any([stopping.signal, lock.lost]),
      })
    } finally {
      await session.close()
    }
  }

  /** One turn: standing by, or sealing until it is over. */
  const serve = async (): Promise<void> => {
    const lock = await takeSealerLock({ pool, leaseMs })
    if (lock === undefined) {
      state = 'standby'
      return pause(takeoverMs, stopping.signal)
    }
    let clean = false
    try {
      let end = await tenure(lock)
      while (end === 'claim_again' && !stopping.signal.aborted && !lock.lost.aborted) {
        await pause(firstRetryMs, stopping.signal)
        end = await tenure(lock)
      }
      clean = !lock.lost.aborted
    } finally {
      await lock.release(clean)
    }
    if (!clean && !stopping.signal.aborted) throw new Error('the connection that holds the lock of the sealer was lost')
  }

  const run = async (): Promise<void> => {
    let retryMs = firstRetryMs
    while (!stopping.signal.aborted) {
      try {
        await serve()
        retryMs = firstRetryMs
      } catch (error) {
        if (stopping.signal.aborted) break
        state = 'retrying'
        logger.warn({ event: 'log.retrying', retry_ms: retryMs, err: error }, 'sealing failed and is tried again')
        await pause(retryMs, stopping.signal)
        retryMs = Math.min(retryMs * 2, longestRetryMs)
      }
    }
    state = 'stopped'
  }

  return {
    start: () => {
      if (working !== undefined) return
      stopping = new AbortController()
      state = 'standby'
      working = run()
    },
    stop: async () => {
      stopping.abort()
      await working
      working = undefined
    },
    get state() {
      return state
    },
  }
}
