/**
 * Spans and figures of appends, around the batcher: `append` from handing over to the outcome, `ledger.commit` around the statement that
 * carries it. One statement serves many appends: its span is a child of the first of them that is sampled and linked with the others.
 */
import type { Clock } from '../kernel/clock.ts'
import { type ErrorReason, toChartwardenError } from '../kernel/errors.ts'
import { type Span, type Tracer, traced } from '../kernel/telemetry/tracer.ts'
import type { Append, AppendOutcome, Ledger, LedgerEngine } from './ledger.ts'

export interface LedgerObserver {
  /** An append has its outcome; `failed` when it ended with an error. */
  appended(outcome: AppendOutcome['kind'] | 'failed', durationMs: number): void
  /** An append ended with an error. */
  appendFailed(reason: ErrorReason): void
}

export interface LedgerObservationOptions {
  readonly tracer: Tracer | undefined
  readonly observer: LedgerObserver | undefined
  readonly clock: Clock
}

/** What stands around a batcher's engine, and around the batcher. */
export interface LedgerObservation {
  engine(engine: LedgerEngine): LedgerEngine
  ledger(ledger: Ledger): Ledger
}

/** Appends that one statement is linked with at most. */
const maxLinks = 32

/** Without a tracer and an observer nothing is put around anything. */
export const createLedgerObservation = ({ tracer, observer, clock }: LedgerObservationOptions): LedgerObservation => {
  /** The span under which each append waits. */
  const waiting = new WeakMap<Append, Span>()

  const appendBatch =
    (engine: LedgerEngine, traces: Tracer): LedgerEngine['appendBatch'] =>
    (appends) => {
      const spans = appends.map((append) => waiting.get(append)).filter((span) => span?.sampled === true) as Span[]
      const [first, ...others] = spans
      if (first === undefined) return engine.appendBatch(appends)
      const attributes = {
        'chartwarden.appends': appends.length,
        'chartwarden.entries': appends.reduce((sum, { entries }) => sum + entries.length, 0),
      }
      return traced(
        traces,
        'ledger.commit',
        (commit) => {
          for (const other of others.slice(0, maxLinks)) {
            commit?.link(other)
            if (commit !== undefined) other.link(commit)
          }
          return engine.appendBatch(appends)
        },
        { parent: first, attributes },
      )
    }

  const append = async (ledger: Ledger, request: Append): Promise<AppendOutcome> => {
    const started = clock.monotonic()
    try {
      const outcome = await traced(tracer, 'append', async (span) => {
        if (span !== undefined) waiting.set(request, span)
        const answered = await ledger.append(request)
        span?.set({ 'chartwarden.outcome': answered.kind, 'chartwarden.entries': request.entries.length })
        return answered
      })
      observer?.appended(outcome.kind, clock.monotonic() - started)
      return outcome
    } catch (thrown) {
      observer?.appended('failed', clock.monotonic() - started)
      observer?.appendFailed(toChartwardenError(thrown).reason)
      throw thrown
    }
  }

  return {
    engine: (engine) => (tracer === undefined ? engine : { ...engine, appendBatch: appendBatch(engine, tracer) }),
    ledger: (ledger) =>
      tracer === undefined && observer === undefined ? ledger : { ...ledger, append: (request) => append(ledger, request) },
  }
}
