/**
 * Group commit without timers. One statement is in flight; what queues meanwhile goes next, so latency is one statement at low load and
 * throughput grows with it. Since nothing else writes for this service, order within a clinic is kept.
 */
import type { Clock } from '../kernel/clock.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { bytesOf, createAppendQueue, type Queued } from './append-queue.ts'
import { checkAppend } from './append-rules.ts'
import type { Append, AppendOutcome, EngineOutcome, Ledger, LedgerEngine } from './ledger.ts'
import { createLedgerClock, type LedgerClock } from './ledger-clock.ts'

/** What one statement did. */
export interface BatchStats {
  readonly appends: number
  readonly entries: number
  readonly bytes: number
  readonly clinics: number
  /** From sending to the answer. */
  readonly durationMs: number
  /** Appends by outcome; `failed` for all of them when the statement failed. */
  readonly outcomes: Readonly<Record<EngineOutcome['kind'] | 'failed', number>>
  /** What waits now. */
  readonly queuedEntries: number
  readonly queuedBytes: number
}

export interface BatcherOptions {
  readonly engine: LedgerEngine
  readonly clock: Clock
  /** Taught on every outcome; share it with whatever stamps entries. Its own if left out. */
  readonly ledgerClock?: LedgerClock
  /** Entries that may wait. Default 8,192. */
  readonly maxQueuedEntries?: number
  /** Bytes of entries that may wait. Default 32 MiB. */
  readonly maxQueuedBytes?: number
  /** Entries in one statement. Default 512: more gain nothing. */
  readonly maxBatchEntries?: number
  /** Bytes of entries in one statement. Default 1 MiB. */
  readonly maxBatchBytes?: number
  /** What has waited longer is answered `stale` unsent, to be decided again. Milliseconds; default 1,000. */
  readonly maxQueueMs?: number
  /** Told of every statement, e.g. for metrics; must not throw. */
  readonly onBatch?: (stats: BatchStats) => void
}

export interface Batcher extends Ledger {
  /** Takes nothing more (SHUTTING_DOWN) and resolves when everything accepted is answered. Reads go on; the engine stays open. */
  drain(): Promise<void>
  /** What waits now. */
  queued(): { readonly entries: number; readonly bytes: number }
}

const mebibyte = 1_048_576
const retryAfterSeconds = 1

/** That the ledger lost entries is said as it is; every other fault means that it cannot record now. */
const faultOf = (cause: unknown): ChartwardenError =>
  cause instanceof ChartwardenError && cause.reason === 'LEDGER_REGRESSED' ? cause : new ChartwardenError('LEDGER_UNAVAILABLE', { cause })

const countOutcomes = (outcomes: readonly EngineOutcome[] | undefined, appends: number): BatchStats['outcomes'] => {
  const counts = { stored: 0, duplicate: 0, mismatch: 0, moved: 0, stale: 0, again: 0, failed: outcomes ? 0 : appends }
  for (const outcome of outcomes ?? []) counts[outcome.kind] += 1
  return counts
}

/**
 * The Ledger in front of an engine. `append` throws OVERLOADED (with the seconds to wait) if the queue is full or the clinic holds its share
 * of it, DEADLINE_EXCEEDED if the deadline passed in the queue, LEDGER_UNAVAILABLE if the statement failed (whether it took effect is then
 * not known: settle-unknown.ts), SHUTTING_DOWN after `drain`.
 */
export const createBatcher = (options: BatcherOptions): Batcher => {
  const { engine, clock, onBatch } = options
  const ledgerClock = options.ledgerClock ?? createLedgerClock({ clock })
  const room = { entries: options.maxQueuedEntries ?? 8_192, bytes: options.maxQueuedBytes ?? 32 * mebibyte }
  const batchLimits = { entries: options.maxBatchEntries ?? 512, bytes: options.maxBatchBytes ?? mebibyte }
  const maxQueueMs = options.maxQueueMs ?? 1_000
  const queue = createAppendQueue(room)
  let pumping = false
  let draining = false
  const drained = Promise.withResolvers<void>()

  /** Answers what is no longer worth sending. */
  const answeredUnsent = (queued: Queued): boolean => {
    const now = clock.monotonic()
    if (queued.append.deadline !== undefined && now >= queued.append.deadline) {
      queued.reject(new ChartwardenError('DEADLINE_EXCEEDED'))
      return true
    }
    if (now - queued.queuedAt > maxQueueMs) {
      queued.resolve({ kind: 'stale', ledgerTime: ledgerClock.now(), unsent: true })
      return true
    }
    return false
  }

  const send = async (batch: readonly Queued[]): Promise<readonly EngineOutcome[]> => {
    const outcomes = await engine.appendBatch(batch.map((queued) => queued.append))
    if (outcomes.length !== batch.length) {
      throw new ChartwardenError('INTERNAL', { cause: new Error(`${outcomes.length} outcomes for ${batch.length} appends`) })
    }
    return outcomes
  }

  const settle = (batch: readonly Queued[], outcomes: readonly EngineOutcome[]): void => {
    const received = clock.monotonic()
    const again: Queued[] = []
    for (const [index, queued] of batch.entries()) {
      const outcome = outcomes[index] as EngineOutcome
      if (outcome.kind === 'again') {
        again.push(queued)
        continue
      }
      if (outcome.kind === 'failed') {
        queued.reject(faultOf(outcome.cause))
        continue
      }
      ledgerClock.learn(outcome.ledgerTime, received)
      queued.resolve(outcome)
    }
    if (again.length > 0) queue.putBack(again)
  }

  const statement = async (batch: readonly Queued[]): Promise<void> => {
    const started = clock.monotonic()
    let outcomes: readonly EngineOutcome[] | undefined
    try {
      outcomes = await send(batch)
      settle(batch, outcomes)
    } catch (cause) {
      const fault = faultOf(cause)
      for (const queued of batch) queued.reject(fault)
    }
    onBatch?.({
      appends: batch.length,
      entries: batch.reduce((sum, { append }) => sum + append.entries.length, 0),
      bytes: batch.reduce((sum, { bytes }) => sum + bytes, 0),
      clinics: new Set(batch.map(({ append }) => append.clinic)).size,
      durationMs: clock.monotonic() - started,
      outcomes: countOutcomes(outcomes, batch.length),
      queuedEntries: queue.entries,
      queuedBytes: queue.bytes,
    })
  }

  /** Each round waits for the turn of the event loop to end, so that everything that came in with it shares the statement. */
  const pump = (): void => {
    setImmediate(async () => {
      const batch = queue.take(batchLimits, answeredUnsent)
      if (batch.length > 0) await statement(batch)
      if (!queue.isEmpty()) return pump()
      pumping = false
      if (draining) drained.resolve()
    })
  }

  const append = (request: Append): Promise<AppendOutcome> => {
    if (draining) return Promise.reject(new ChartwardenError('SHUTTING_DOWN'))
    try {
      checkAppend(request)
    } catch (fault) {
      return Promise.reject(fault)
    }
    const { promise, resolve, reject } = Promise.withResolvers<AppendOutcome>()
    const queued: Queued = { append: request, bytes: bytesOf(request), queuedAt: clock.monotonic(), resolve, reject }
    if (request.entries.length > room.entries || queued.bytes > room.bytes) {
      return Promise.reject(
        new ChartwardenError('INVALID_ARGUMENT', { message: 'The request makes more entries than can be stored at once; split it.' }),
      )
    }
    if (!queue.offer(queued)) return Promise.reject(new ChartwardenError('OVERLOADED', { retryAfterSeconds }))
    if (!pumping) {
      pumping = true
      pump()
    }
    return promise
  }

  return {
    append,
    read: (clinic, from, to) => engine.read(clinic, from, to),
    readState: (clinic, from) => engine.readState(clinic, from),
    find: (clinic, ids) => engine.find(clinic, ids),
    head: (clinic) => engine.head(clinic),
    clinics: (after, limit) => engine.clinics(after, limit),
    async time() {
      const ledgerTime = await engine.time()
      ledgerClock.learn(ledgerTime, clock.monotonic())
      return ledgerTime
    },
    queued: () => ({ entries: queue.entries, bytes: queue.bytes }),
    drain() {
      if (!draining) {
        draining = true
        if (!pumping) drained.resolve()
      }
      return drained.promise
    },
  }
}
