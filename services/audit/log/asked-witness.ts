/** One witness as the rounds know it: what it cosigned last of each log, when it may be asked again, and what it disputes. */
import type { Clock } from '../../kernel/clock.ts'
import type { HashSource } from './proofs.ts'
import type { WitnessClient } from './witness-client.ts'
import type { PolicyWitness } from './witness-policy.ts'
import { type HeadToWitness, type SubmissionOutcome, submitHead } from './witness-submission.ts'

/** A log's newest head. */
export interface WitnessTarget extends HeadToWitness {
  readonly clinic: string
  readonly origin: string
  readonly tiles: HashSource
  /** Size of the newest head that is published at that moment. */
  readonly newest: () => Promise<bigint>
}

export interface AskedWitnessOptions {
  readonly witness: PolicyWitness
  readonly client: WitnessClient
  readonly clock: Clock
  /** Milliseconds before it is asked again after a failure, doubled with each, up to `longestPauseMs`. */
  readonly firstPauseMs: number
  readonly longestPauseMs: number
}

/** How a log stands with the witness. */
interface Standing {
  readonly origin: string
  /** What it cosigned last. */
  size: bigint
  failures: number
  /** By the monotonic clock. */
  notBefore: number
  outcome: SubmissionOutcome['kind'] | undefined
}

/** What the witness answered, and whether that is news. */
export interface Asked {
  readonly outcome: SubmissionOutcome
  /** The answer of another kind before it; undefined: the first. */
  readonly before: SubmissionOutcome['kind'] | undefined
}

export interface AskedWitness {
  readonly witness: PolicyWitness
  /** Whether it may be asked now: it answered, or enough time has passed. */
  available(): boolean
  /** Whether it has yet to cosign this head, and may be asked about the log now. */
  due(log: { readonly clinic: string; readonly origin: string; readonly size: bigint }): boolean
  /** It is known, by a cosignature that was kept, to have cosigned the head. */
  remember(log: { readonly clinic: string; readonly origin: string; readonly size: bigint }): void
  /** Rejects only where our own store cannot be read. */
  ask(target: WitnessTarget, signal: AbortSignal): Promise<Asked>
  /** Undefined until it was asked. */
  answering(): boolean | undefined
  /** Logs of which it says that they went back or forked. */
  disputes(): number
  /** Logs that it refuses: it does not know them or their keys. */
  refused(): number
}

const isDispute = (kind: SubmissionOutcome['kind'] | undefined): boolean => kind === 'ahead' || kind === 'disagrees'

export const createAskedWitness = (options: AskedWitnessOptions): AskedWitness => {
  const { witness, client, clock, firstPauseMs, longestPauseMs } = options
  const standings = new Map<string, Standing>()
  let failures = 0
  let notBefore = Number.NEGATIVE_INFINITY
  let answered: boolean | undefined

  const pauseAfter = (count: number): number => clock.monotonic() + Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(count - 1, 30))

  const standingOf = ({ clinic, origin }: { readonly clinic: string; readonly origin: string }): Standing => {
    const known = standings.get(clinic)
    if (known?.origin === origin) return known
    // A log that begins anew begins at nothing.
    const standing: Standing = { origin, size: 0n, failures: 0, notBefore: Number.NEGATIVE_INFINITY, outcome: undefined }
    standings.set(clinic, standing)
    return standing
  }

  const settle = (standing: Standing, outcome: SubmissionOutcome, size: bigint): void => {
    answered = outcome.kind !== 'unavailable'
    if (outcome.kind === 'unavailable') {
      failures += 1
      notBefore = pauseAfter(failures)
      return
    }
    failures = 0
    if (outcome.kind === 'superseded') return
    standing.outcome = outcome.kind
    if (outcome.kind === 'cosigned') {
      standing.size = size
      standing.failures = 0
      return
    }
    standing.failures += 1
    standing.notBefore = pauseAfter(standing.failures)
  }

  return {
    witness,
    available: () => clock.monotonic() >= notBefore,
    due: (log) => {
      const { size, notBefore: logNotBefore, outcome } = standingOf(log)
      return (size !== log.size || outcome !== 'cosigned') && clock.monotonic() >= logNotBefore
    },
    remember: (log) => {
      const standing = standingOf(log)
      standing.size = log.size
      standing.outcome = 'cosigned'
    },
    ask: async (target, signal) => {
      const standing = standingOf(target)
      const { tiles, newest } = target
      const outcome = await submitHead({ client, head: target, oldSize: standing.size, tiles, newest, signal })
      // Of several requests that failed together only the first is news.
      const before = answered === false ? 'unavailable' : standing.outcome
      if (!signal.aborted) settle(standing, outcome, target.size)
      return { outcome, before }
    },
    answering: () => answered,
    disputes: () => [...standings.values()].filter(({ outcome }) => isDispute(outcome)).length,
    refused: () => [...standings.values()].filter(({ outcome }) => outcome === 'refused').length,
  }
}
