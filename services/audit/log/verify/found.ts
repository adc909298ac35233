/** A ledger as a source shows it: nothing in it is believed. */
import type { Tile } from '../tile.ts'

/** What a database says of an entry beside its bytes. */
export interface EntryColumns {
  readonly id: string
  readonly type: string
  readonly stateChanging: boolean
  /** 32 bytes. */
  readonly requestDigest: Uint8Array
}

export interface FoundEntry {
  /** As the source numbers it. */
  readonly revision: bigint
  /** The bytes behind the prefix of their leaf (`leafMessage`), ready to be hashed where they are. */
  readonly message: Uint8Array
  /** Undefined: the source has only the bytes. */
  readonly columns?: EntryColumns
}

/** Entries that follow each other, as they came: the fastest form, since none is taken out of it before it must be. */
export interface FoundBundle {
  /** Revision of its first entry. */
  readonly first: bigint
  /** Entries that count; there are none behind them. */
  readonly most: number
  /** Each entry behind its length (entry-bundle.ts); if they end elsewhere, there are no entries. Whoever is given them may write to them. */
  readonly bytes: Buffer
}

/**
 * Part of a ledger: entries in order of revision, and tiles, in order of index on each level. A tile comes behind the entries it is made of,
 * as far as they are there; one that is missing does not come. Only the last tile of a level may be partial.
 */
export type LedgerPart =
  | { readonly kind: 'entries'; readonly entries: readonly FoundEntry[] }
  | { readonly kind: 'bundle'; readonly bundle: FoundBundle }
  | { readonly kind: 'tile'; readonly tile: Tile }
