/** How tables hold tiles: in strips of 32 hashes, so that a tile that grows by a few hashes is not written whole each time. */
import { hashesAt, type Tile, tileWidth } from './tile.ts'
import { hashLength } from './tree-hash.ts'

/** Hashes of a full strip. */
const stripWidth = 32

/** Strips of a full tile. */
const stripsOfTile = tileWidth / stripWidth

export interface Strip {
  readonly level: number
  /** Counted over the whole level. */
  readonly strip: bigint
  readonly hashes: Buffer
}

/** The strips of a tile that are new or wider than in a tree of that size, each whole. */
export const stripsFrom = ({ level, index, hashes }: Tile, size: bigint): readonly Strip[] => {
  const before = hashesAt(size, level) - index * BigInt(tileWidth)
  const known = before > 0n ? Number(before) : 0
  const strips: Strip[] = []
  for (let at = Math.floor(known / stripWidth); at * stripWidth * hashLength < hashes.length; at += 1) {
    const start = at * stripWidth * hashLength
    strips.push({
      level,
      strip: index * BigInt(stripsOfTile) + BigInt(at),
      hashes: hashes.subarray(start, start + stripWidth * hashLength),
    })
  }
  return strips
}
