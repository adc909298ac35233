import type { PacedAnswers } from '../load/jobs.ts'

/** What is promised of a service that is asked more than it can do. */
export const bounds = {
  /** Median time to a refusal, in milliseconds. */
  refusedP50Ms: 50,
  /** Of answered calls, in milliseconds: `CHARTWARDEN_MAX_UNDER_WAY` questions ahead, and some. */
  acceptedP99Ms: 1_500,
  /** From the last call sent to answers as quick as before, in milliseconds. */
  recoveryMs: 5_000,
  /** Resident memory of the service at its highest, in MiB. */
  memoryMiB: 1_024,
  /** Neighbours' p99 beside a clinic at ten times its share ÷ beside one at its share. */
  neighboursRatio: 2,
} as const

/** One kind of call at ten times what the service answered of it. */
export interface Overload {
  readonly what: string
  /** Questions in a call. */
  readonly size: number
  /** Calls a second with as many out as keep the service busy. */
  readonly capacityPerSecond: number
  readonly offeredPerSecond: number
  readonly sentPerSecond: number
  readonly answeredPerSecond: number
  readonly accepted: PacedAnswers
  readonly refused: PacedAnswers
  readonly heldBack: number
  /** Calls that ended otherwise, by gRPC status. */
  readonly otherStatuses: Readonly<Record<string, number>>
  /** MiB resident: before, at the highest of this load, and once it had recovered. */
  readonly memoryMiB: { readonly before: number; readonly highest: number; readonly after: number }
  /** A clinic that asks once in a while: of its calls meanwhile, how many were answered, and their p99. */
  readonly quietClinic: { readonly asked: number; readonly answered: number; readonly p99Ms: number }
  readonly recoveryMs: number
}

/** One clinic at ten times its share beside clinics at theirs. */
export interface Neighbours {
  readonly quota: string
  readonly clinics: number
  readonly sharePerSecond: number
  /** Neighbours' answers while all clinics ask their share, and while one asks ten times as much. One of each for each round. */
  readonly quiet: readonly PacedAnswers[]
  readonly beside: readonly PacedAnswers[]
  /** Calls of neighbours that were refused, over all rounds. */
  readonly refusedNeighbours: number
  /** Calls of the greedy clinic a second, over all rounds: sent and answered. */
  readonly greedySentPerSecond: number
  readonly greedyAnsweredPerSecond: number
  /** Median over the rounds of their own medians: milliseconds to a refusal of the greedy clinic; 0 where none was refused. */
  readonly greedyRefusedP50Ms: number
  /** Median over the rounds of their own ratios. */
  readonly p99Ratio: number
}

/** `results/overload.json`. */
export interface OverloadResults {
  readonly command: string
  readonly date: string
  readonly commit: string
  readonly machine: string
  /** Of the machine, over the minute before the run: what else it had to do. */
  readonly loadBefore: number
  readonly secondsEach: number
  readonly quietP99Ms: number
  readonly overload: readonly Overload[]
  readonly neighbours: readonly Neighbours[]
}
