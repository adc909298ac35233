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

export type Job = StreamJob | BatchJob | CerbosJob | InsertJob

export interface JobResult extends Measured {
  /** What was answered or stored, warm-up included, by clinic where there is one. */
  readonly answers: ReadonlyMap<string, number>
}
