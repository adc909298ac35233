/**
 * Where tiles and checkpoints are kept: Postgres, whichever engine holds the ledger. Nothing here is believed: a signature is made only over
 * what follows from what the signer store says was signed last, and readers check everything against a signed checkpoint.
 */
import type { Position } from '../ledger.ts'
import type { Tile, TileId } from './tile.ts'

/** Why nothing more is signed for a log. docs/how-to/mend-a-log.md says what to do about each. */
export type HaltCause =
  /** The ledger ends before what was signed: a restored backup or a lost failover. */
  | 'ledger_behind'
  /** The entries that were signed are not the ones in the ledger. */
  | 'ledger_differs'
  /** The tiles are not those that were signed. */
  | 'tiles_differ'
  /** Checkpoints are published, or were cosigned by a witness, that the signer store knows nothing of. */
  | 'store_behind'

export const haltCauses = ['ledger_behind', 'ledger_differs', 'tiles_differ', 'store_behind'] as const satisfies readonly HaltCause[]

/** A clinic's log. */
export interface LogState {
  readonly clinic: string
  readonly origin: string
  /** 1 for the first origin of the clinic. */
  readonly generation: number
  /** Entries in the tree. */
  readonly size: bigint
  readonly halted?: HaltCause | undefined
}

/** A clinic's log as the sealer finds it. */
export interface KeptLog extends LogState {
  /** The newest checkpoint of this generation. */
  readonly published?: { readonly size: bigint; readonly root: Buffer } | undefined
}

/** A signed head as it was published. */
export interface PublishedCheckpoint {
  readonly size: bigint
  /** 32 bytes. */
  readonly root: Buffer
  /** The signed note, without cosignatures. */
  readonly note: string
  /** By the clock of the database, milliseconds since the epoch. */
  readonly publishedAt: number
}

/** A witness's line below a checkpoint. */
export interface StoredCosignature {
  readonly clinic: string
  readonly size: bigint
  /** Name of the witness's key. */
  readonly witness: string
  /** The whole signature line, without its line feed. */
  readonly line: string
}

/** What a batch of entries changed in one clinic's tree. */
export interface Integration {
  readonly clinic: string
  readonly from: bigint
  readonly to: bigint
  /** Tiles that are new or wider, each whole. */
  readonly tiles: readonly Tile[]
}

/** A log as it should be. */
export interface WantedLog {
  readonly clinic: string
  readonly origin: string
  readonly generation: number
}

/** A signed head to publish. */
export interface NewCheckpoint extends Omit<PublishedCheckpoint, 'publishedAt'> {
  readonly clinic: string
}

/** The sealer's side: all clinics, through the feed's role. One sealer writes; one that was superseded finds out by its epoch. */
export interface LogWriter {
  /** Where the sealer is, after making this epoch the only one that writes; `before`: the one that was. */
  begin(epoch: bigint): Promise<{ readonly position: Position | undefined; readonly before: bigint }>
  /** Logs of these clinics, made (empty, under the origin and generation given) where they are missing. */
  logs(wanted: readonly WantedLog[]): Promise<ReadonlyMap<string, KeptLog>>
  /** Every log there is, in order of clinic, after the one named. */
  page(after: string, limit: number): Promise<readonly KeptLog[]>
  /** The tiles at the right edge of each tree, level by level, as far as they are partial. */
  edges(clinics: readonly string[]): Promise<ReadonlyMap<string, readonly Tile[]>>
  /** Tiles of one log that exist. */
  tiles(clinic: string, ids: readonly TileId[]): Promise<readonly Tile[]>
  /**
   * Writes tiles, sizes and the place in the feed (undefined: it stays) in one transaction; false: superseded, nothing was written. Throws
   * INTERNAL where a tree is not of the size it is to grow from.
   */
  integrate(epoch: bigint, integrations: readonly Integration[], position: Position | undefined): Promise<boolean>
  /**
   * Publishes signed heads and tells whoever waits; undefined: superseded, nothing was written. Else the time of the database, milliseconds
   * since the epoch.
   */
  publish(epoch: bigint, checkpoints: readonly NewCheckpoint[]): Promise<number | undefined>
  /**
   * Drops checkpoints of these logs that nobody needs any more. Kept are the newest; those of the last minute, which a witness may be about
   * to cosign; and each that carries cosignatures of witnesses who have not all cosigned one newer checkpoint, since it may be the newest that
   * a policy is satisfied by. What a retired log published stays as it was.
   */
  tidy(clinics: readonly string[]): Promise<void>
  /** Tells whoever waits for a checkpoint of the clinic. */
  halt(epoch: bigint, clinic: string, cause: HaltCause | undefined): Promise<boolean>
  /** Begins the clinic's log anew: no tiles, another origin; the published checkpoints of the old one stay readable as history. */
  restart(epoch: bigint, log: WantedLog): Promise<KeptLog | undefined>
  /** Lines under checkpoints that are no longer kept are dropped. */
  addCosignatures(cosignatures: readonly StoredCosignature[]): Promise<void>
}

/** The reader's side: one clinic at a time, through the query role under row security. */
export interface LogReader {
  log(clinic: string): Promise<LogState | undefined>
  /** Each whole, as far as it is there. `generation`: that of the log they are wanted of; none when the clinic's log has begun anew since. */
  tiles(clinic: string, ids: readonly TileId[], generation?: number): Promise<readonly Tile[]>
  /** The newest, with its cosignatures so far. */
  checkpoint(
    clinic: string,
  ): Promise<{ readonly checkpoint: PublishedCheckpoint; readonly cosignatures: readonly StoredCosignature[] } | undefined>
  /** Those kept that have cosignatures, the newest first. */
  cosigned(
    clinic: string,
  ): Promise<readonly { readonly checkpoint: PublishedCheckpoint; readonly cosignatures: readonly StoredCosignature[] }[]>
  /**
   * Resolves when a checkpoint of the clinic covers more than `size` entries, with that checkpoint's size, or when the log is halted, with the
   * size that is published then. Rejects when the signal aborts.
   */
  published(clinic: string, size: bigint, signal: AbortSignal): Promise<bigint>
}
