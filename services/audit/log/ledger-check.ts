/** Reading a whole ledger again and comparing it with all that is kept of it: the port, for whoever asks and for the schedule. */
import type { StoredEntry } from '../ledger.ts'
import type { Fault } from './verify/fault.ts'

/** What is compared besides the entries. */
export interface CheckWishes {
  /** The kept state with the one that the entries give. */
  readonly state: boolean
  /** The read models with those that the entries give. */
  readonly projections: boolean
}

export interface CheckProgress {
  readonly part: 'entries' | 'state' | 'projections'
  readonly done: bigint
  readonly total: bigint
}

export interface CheckResult {
  /** Entries read. */
  readonly size: bigint
  /** Root of the tree of these, 32 bytes. */
  readonly root: Buffer
  /** The note it was compared with; undefined: none is published. */
  readonly checkpoint: { readonly note: string; readonly size: bigint } | undefined
  readonly faults: readonly Fault[]
  /** Whether there are more than are listed. */
  readonly moreFaults: boolean
  /** What was compared: less than was wished for where there was nothing to compare, or nothing whole to compare it with. */
  readonly compared: CheckWishes
  /** The entry that says so; undefined only for a damaged ledger that takes no entries any more. */
  readonly entry: StoredEntry | undefined
}

/** Who has a ledger checked, and for how long it is waited for. */
export interface CheckRequest {
  readonly clinic: string
  readonly wishes: CheckWishes
  readonly cause: 'schedule' | 'asked'
  /** The same for the same check, whoever makes it: its result is recorded once. */
  readonly requestId: string
  readonly provenance: { readonly caller: string; readonly correlationId?: string; readonly traceparent?: string }
  /** Reading of the monotonic clock, in milliseconds; Infinity: none. */
  readonly deadline: number
  readonly signal: AbortSignal
  /** Entries a second at most. Defaults to what checks that somebody asks for are made at. */
  readonly entriesPerSecond?: number
}

export interface LedgerCheck {
  /**
   * Answers once the result is an entry of the ledger. Throws CLINIC_NOT_ALLOWED where there is no such ledger, OVERLOADED while another check
   * of the clinic, or as many as may be that somebody asked for, are under way here, DEADLINE_EXCEEDED and CALL_CANCELLED when it is wanted no more; nothing is recorded then.
   */
  check(request: CheckRequest): AsyncGenerator<CheckProgress, CheckResult>
}
