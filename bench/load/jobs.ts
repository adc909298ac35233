import type { Measured } from '../measure/statistics.ts'
import type { Timing } from './closed-loop.ts'
import type { Practice } from './questions.ts'

interface Questioning extends Timing {
  readonly address: string
  readonly practice: Practice
  readonly seed: number
}

/** CheckStream: one stream over all clinics. */
export interface StreamJob extends Questioning {
  readonly kind: 'stream'
  readonly token: string
}

/** CheckBatch: so many questions of one clinic in a call. */
export interface BatchJob extends Questioning {
  readonly kind: 'batch'
  readonly token: string
  readonly size: number
}

/** Cerbos's CheckResources: so many resources for one principal in a call. */
export interface CerbosJob extends Questioning {
  readonly kind: 'cerbos'
  readonly size: number
}

/** Rows of a bare table that hold entries of the ledger, one statement in flight. */
export interface InsertJob extends Timing {
  readonly kind: 'inserts'
  /** The ledger whose entries are copied. */
  readonly ledgerUrl: string
  /** Where the bare table is made. */
  readonly url: string
  readonly rows: number
}

/** Calls of one kind, sent at one rate. */
export interface PacedGroup {
  readonly name: string
  /** Calls; Infinity: as many as are let out at a time. */
  readonly perSecond: number
  /** Sent in turn. */
  readonly messages: readonly { readonly clinic: string; readonly message: Uint8Array }[]
}

/** Calls sent at rates of their own, whether those before were answered or not. */
export interface PacedJob {
  readonly kind: 'paced'
  readonly address: string
  readonly token: string
  /** Of Check or CheckBatch. */
  readonly path: string
  readonly groups: readonly PacedGroup[]
  readonly seconds: number
  readonly connections: number
  /** Calls that may be out at a time; what is due beyond is held back. */
  readonly maxInFlight: number
}

/** Calls that ended one way. */
export interface PacedAnswers {
  readonly calls: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface PacedGroupResult {
  readonly name: string
  readonly offeredPerSecond: number
  readonly sentPerSecond: number
  /** Due, and not sent. */
  readonly heldBack: number
  readonly accepted: PacedAnswers
  /** RESOURCE_EXHAUSTED. */
  readonly refused: PacedAnswers
  /** Calls by gRPC status; -1 for none. */
  readonly otherStatuses: ReadonlyMap<number, number>
  /** Permits by clinic. */
  readonly answers: ReadonlyMap<string, number>
}

export interface PacedResult {
  readonly groups: readonly PacedGroupResult[]
  /** While calls were sent. */
  readonly tookSeconds: number
  /** By `Date.now`. */
  readonly sendingEndedAt: number
}

export type Job = StreamJob | BatchJob | CerbosJob | InsertJob | PacedJob

/** What a job tells when it is done. */
export type ResultOf<Done extends Job> = Done extends PacedJob ? PacedResult : JobResult

export interface JobResult extends Measured {
  /** What was answered or stored, warm-up included, by clinic where there is one. */
  readonly answers: ReadonlyMap<string, number>
}
