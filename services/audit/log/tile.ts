/** Where tiles of hashes stand (C2SP tlog-tiles v0.1.0). Level 0 holds leaf hashes; each hash above is the root of one full tile below. */
import { hashLength } from './tree-hash.ts'

/** Hashes of a full tile. */
export const tileWidth = 256

/** Levels that a tree of 2^64 entries has. */
export const tileLevels = 8

export interface TileId {
  readonly level: number
  readonly index: bigint
}

/** A tile, full or not yet: its hashes one behind the other. */
export interface Tile extends TileId {
  readonly hashes: Buffer
}

/** Hashes in a tile. */
export const widthOf = ({ hashes }: Pick<Tile, 'hashes'>): number => hashes.length / hashLength

/** Hashes of that level in a tree of that size. */
export const hashesAt = (size: bigint, level: number): bigint => size >> BigInt(8 * level)

/** Width that a tile has in a tree of that size; 0: it has no such tile. */
export const widthIn = (size: bigint, { level, index }: TileId): number => {
  const hashes = hashesAt(size, level) - index * BigInt(tileWidth)
  return hashes <= 0n ? 0 : hashes >= BigInt(tileWidth) ? tileWidth : Number(hashes)
}
