/**
 * What was signed last, kept outside the database it protects (C2SP tlog-checkpoint: never sign two inconsistent checkpoints). Whoever signs
 * first records here what is about to be signed. A store that lost its records, or that somebody else has taken over, makes no signature.
 */

/** A head of a log: what a signature is about to say. */
export interface SignedHead {
  readonly origin: string
  readonly size: bigint
  /** 32 bytes. */
  readonly root: Uint8Array
}

/** What the store says of an origin. */
export interface SignerRecord extends SignedHead {
  /** An operator has ended this origin: nothing more is signed for it, and the clinic's log begins anew under another one. */
  readonly retired?: { readonly cause: 'restored_backup' | 'lost_failover' | 'damaged' | 'other' }
}

/** From an older head (undefined: the origin is new) to a newer one. */
export interface Advance {
  readonly from: SignedHead | undefined
  readonly to: SignedHead
}

export type AdvanceOutcome =
  /** Recorded, durably, in the order given: what it names may be signed. */
  | { readonly kind: 'recorded' }
  /** Another signer has claimed the store since: sign nothing, and claim again before doing anything else. */
  | { readonly kind: 'superseded'; readonly epoch: bigint }
  /** Of these origins something else was signed last, or they are retired: nothing at all was recorded. */
  | { readonly kind: 'conflict'; readonly records: readonly SignerRecord[] }

/** The right to sign, until somebody else claims it. */
export interface SignerSession {
  /** Higher than that of every session before it. */
  readonly epoch: bigint
  /** As it was at the claim, and as this session moved it since. */
  record(origin: string): SignerRecord | undefined
  records(): readonly SignerRecord[]
  /** All or nothing, in one durable write. */
  advance(advances: readonly Advance[]): Promise<AdvanceOutcome>
  close(): Promise<void>
}

export interface SignerStore {
  /** Takes over: every session before it can record nothing more. Throws StartError, saying what to do, where the store cannot be used. */
  claim(): Promise<SignerSession>
  /** What is recorded, without claiming. */
  read(): Promise<readonly SignerRecord[]>
}
