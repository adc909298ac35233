/**
 * The Ledger port: one append-only, totally ordered ledger per clinic (docs/explanation/promises.md, "Decisions and permission changes
 * share one order"). Expected outcomes are values; only faults throw (LEDGER_UNAVAILABLE, OVERLOADED, DEADLINE_EXCEEDED, SHUTTING_DOWN). Retrying an append with the same ids is harmless. Entries of one
 * append are all or nothing; one append's refusal never fails another's.
 */

/** The ledger of the operator: what belongs to no clinic. It exists from the start and never has a state. */
export const systemLedger = '_system'

/** State revision of a ledger that holds no state-changing entry, and of one that does not exist. */
export const noState = -1n

/** An entry ready to be appended. */
export interface NewEntry {
  /** UUID, lower-case; unique within the clinic. */
  readonly id: string
  /** E.g. `chartwarden.access.decided.v1`. */
  readonly type: string
  /** Whether it changes the state that decisions rest on. */
  readonly stateChanging: boolean
  /** 32 bytes; the same id with another digest is a mismatch. */
  readonly requestDigest: Uint8Array
  /** The exact canonical bytes, at most `maxEntryBytes`. */
  readonly bytes: Uint8Array
}

/** An entry as the ledger holds it. */
export interface StoredEntry extends NewEntry {
  readonly clinic: string
  /** Zero-based, gapless within the clinic. */
  readonly revision: bigint
  /** The ledger's own clock when it was stored, in milliseconds since the epoch. */
  readonly recordedAt: number
}

export interface Append {
  readonly clinic: string
  /** At least one. */
  readonly entries: readonly NewEntry[]
  /** The state revision the entries were decided on; `noState` opens a new ledger; `any` for what no state can make wrong. */
  readonly restsOn: bigint | 'any'
  /** The ledger answers `stale` once its own clock has reached this, in milliseconds since the epoch. */
  readonly notAfter?: number
  /** Dropped with DEADLINE_EXCEEDED if still queued at this reading of the monotonic clock, in milliseconds. */
  readonly deadline?: number
}

export type AppendOutcome =
  /** Durable. `stateRevision` is the clinic's after this append. */
  | { readonly kind: 'stored'; readonly revisions: readonly bigint[]; readonly stateRevision: bigint; readonly ledgerTime: number }
  /** Every id is stored already with an equal request digest: the originals, in the order asked, and the state as it is now. */
  | { readonly kind: 'duplicate'; readonly originals: readonly StoredEntry[]; readonly stateRevision: bigint; readonly ledgerTime: number }
  /** An id is stored already for another request, or only some of the ids are. Nothing was stored. */
  | { readonly kind: 'mismatch'; readonly ledgerTime: number }
  /** The state is no longer (or not yet) the one it rests on; `noState` when there is no such ledger. Read on and decide again. */
  | { readonly kind: 'moved'; readonly stateRevision: bigint; readonly ledgerTime: number }
  /** `notAfter` has passed, or it queued too long and was never sent (`unsent`). Decide again. */
  | { readonly kind: 'stale'; readonly ledgerTime: number; readonly unsent?: true }

export interface Head {
  readonly revision: bigint
  readonly stateRevision: bigint
}

/** Opaque, resumable place in the order over all ledgers of an engine. */
export type Position = string & { readonly __position: unique symbol }

/** Consecutive entries of the feed and the place to resume after them. */
export interface FeedBatch {
  readonly entries: readonly StoredEntry[]
  readonly position: Position
}

/** Leaves of one clinic's tree, one behind the other. */
export interface LeafRun {
  readonly clinic: string
  /** Revision of the first. */
  readonly first: bigint
  /** RFC 6962 leaf hashes, 32 bytes each. */
  readonly hashes: Buffer
  /** When the oldest of them was stored, by the ledger's own clock, in milliseconds since the epoch. */
  readonly recordedAt: number
}

/** Consecutive entries of the feed as leaves, one run a clinic, and the place to resume after them. */
export interface LeafBatch {
  readonly runs: readonly LeafRun[]
  readonly entries: number
  readonly position: Position
}

/** What decides, records and reads entries. The batcher in front of an engine implements this. */
export interface Ledger {
  append(append: Append): Promise<AppendOutcome>
  /** Entries `from` to `to`, both inclusive, in order; stops at the head. */
  read(clinic: string, from: bigint, to: bigint): AsyncIterable<StoredEntry>
  /** State-changing entries from `from` on, in order, up to the head. */
  readState(clinic: string, from: bigint): AsyncIterable<StoredEntry>
  /** The entries of these ids that exist, by id. */
  find(clinic: string, ids: readonly string[]): Promise<ReadonlyMap<string, StoredEntry>>
  /** Undefined when there is no such ledger. An opened but empty ledger (`_system` at first) has revision -1. */
  head(clinic: string): Promise<Head | undefined>
  /** The ledger's own clock, in milliseconds since the epoch. */
  time(): Promise<number>
  /** Clinics with a ledger in order of identifier, after the one named; `_system` is not among them. */
  clinics(after: string, limit: number): Promise<readonly string[]>
}

/** Every ledger's entries, for projections and the sealer. Kept apart: it needs other rights than the writer's. */
export interface LedgerFeed {
  /** From after the position (undefined: the beginning). Waits for what comes until the signal aborts; never skips. */
  subscribe(from: Position | undefined, signal: AbortSignal): AsyncIterable<FeedBatch>
  /** The place of the last entry stored, for measuring how far behind a reader is; undefined when there is none. */
  end(): Promise<Position | undefined>
  /** Entries between two positions. */
  distance(from: Position | undefined, to: Position | undefined): bigint
}

/** The same for who needs the entries' hashes alone, which an engine may make where the entries are. */
export interface LeafFeed {
  /** As `subscribe`, at most `most` entries at once. */
  leaves(from: Position | undefined, most: number, signal: AbortSignal): AsyncIterable<LeafBatch>
  /** Leaf hashes of one clinic's entries from a revision on, as many as there are and `most` at most, one behind the other. */
  leafHashes(clinic: string, from: bigint, most: number): Promise<Buffer>
}

/**
 * What an engine implements: one statement for many appends, in order. The order of outcomes is the order of appends. `again` asks the
 * batcher to send that append in its next statement: an earlier append of the same batch holds one of its ids, or other writers of the clinic
 * came first so often that its neighbours in the batch would wait. `failed` is the fault of one
 * clinic's ledger, for an engine whose ledgers fail apart; a fault of them all is thrown.
 */
export type EngineOutcome =
  | AppendOutcome
  | { readonly kind: 'again' }
  | { readonly kind: 'failed'; readonly cause: unknown; readonly ledgerTime: number }

export interface LedgerEngine extends Omit<Ledger, 'append'>, LedgerFeed, LeafFeed {
  appendBatch(appends: readonly Append[]): Promise<readonly EngineOutcome[]>
  /**
   * Whether a fault that `appendBatch` threw proves that nothing of the batch is stored or will be: it was never sent, or the ledger refused it.
   * Without this no fault proves it.
   */
  storedNothing?(fault: unknown): boolean
  close(): Promise<void>
}

/** C2SP tlog-tiles: an entry bundle gives each entry a 16-bit length. */
export const maxEntryBytes = 65_535
