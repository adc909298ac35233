/** What came out of checking one clinic's ledger, or a part of it. */
import type { Exclusion } from './exclusions.ts'
import type { Fault } from './fault.ts'
import type { HeadVerdict } from './judge.ts'
import type { Restarted } from './log-events.ts'
import type { Run } from './row-comparison.ts'
import type { Cosigner, Signed } from './signers.ts'

/** A checkpoint that was compared with. */
export interface AnchorReport {
  readonly label: string
  readonly origin: string
  readonly size: bigint
  /** Base64. */
  readonly root: string
  /** Whether it comes from outside of what was checked. */
  readonly outside: boolean
  readonly signed: Signed
  /** Witnesses of the policy given; empty without one. */
  readonly cosigners: readonly Cosigner[]
  /** Whether they satisfy it. */
  readonly quorum: boolean
  /** Undefined: it was not compared, since its signature does not hold or its size does not fit. */
  readonly verdict: HeadVerdict | undefined
}

export interface ReceiptReport {
  readonly label: string
  readonly revision: bigint
  /** Size of the tree it is proven in. */
  readonly size: bigint
  /** Whether the entry is proven to be the one that the receipt was given for. */
  readonly proven: boolean
}

/**
 * - verified: everything is as the checkpoints say.
 * - damaged: something is not.
 * - unchecked: nothing wrong was found, but what was asked for could not be checked.
 */
export type CheckOutcome = 'verified' | 'damaged' | 'unchecked'

export interface LedgerReport {
  readonly outcome: CheckOutcome
  readonly clinic: string
  /** Entries read. */
  readonly entries: bigint
  /** One more than the last revision read. */
  readonly size: bigint
  /** Root of the tree of the entries read, base64; undefined where only some of them were. */
  readonly root: string | undefined
  readonly firstTime: string | undefined
  readonly lastTime: string | undefined
  readonly anchors: readonly AnchorReport[]
  readonly receipts: readonly ReceiptReport[]
  readonly faults: readonly Fault[]
  /** Whether there are more faults than are listed. */
  readonly moreFaults: boolean
  readonly notExcluded: readonly Exclusion[]
  /** Where only some entries were read: which; left out where all were. */
  readonly revisions?: readonly Run[]
  readonly moreRevisions?: boolean
  /** Why nothing more is signed for the log, by the word of the service that was asked; left out where it is not halted. */
  readonly halted?: string
  /** Logs of the clinic that were given up, as entries that were read record it. */
  readonly restarts?: readonly Restarted[]
  /** Why it is unchecked, in words. */
  readonly reason?: string
}
