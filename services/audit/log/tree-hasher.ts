/** Builds a tree over entries, one after the other, as fast as one thread does it (bench/README.md, "Building a tree"). */
import { type Tile, tileWidth, widthOf } from './tile.ts'
import { appendLeaves, edgeRoot, emptyEdge, type TreeEdge } from './tree-edge.ts'
import { hashLength, writeLeafHash } from './tree-hash.ts'

export interface TreeHasherOptions {
  /** The tree to go on from. Defaults to the one without entries. */
  readonly from?: TreeEdge
  /** Told of each tile of any level once it is full. Those that are not stand in the edge. */
  readonly onTile?: (tile: Tile) => void
}

export interface TreeHasher {
  /** Takes the next entry; keeps nothing of its bytes. */
  append(entry: Uint8Array): void
  /** Entries in the tree. */
  readonly size: bigint
  /** The tree so far, leaf hashes of the last tile included. */
  edge(): TreeEdge
  root(): Buffer
}

export const createTreeHasher = ({ from = emptyEdge, onTile }: TreeHasherOptions = {}): TreeHasher => {
  const leaves = Buffer.alloc(tileWidth * hashLength)
  let waiting = 0
  let tree = from
  let untilFull = tileWidth - Number(from.size % BigInt(tileWidth))
  const settled = (): TreeEdge => {
    if (waiting === 0) return tree
    const { edge, tiles } = appendLeaves(tree, leaves.subarray(0, waiting * hashLength))
    tree = edge
    untilFull = untilFull === waiting ? tileWidth : untilFull - waiting
    waiting = 0
    if (onTile !== undefined) {
      for (const tile of tiles) if (widthOf(tile) === tileWidth) onTile(tile)
    }
    return tree
  }
  return {
    append: (entry) => {
      writeLeafHash(entry, leaves, waiting)
      waiting += 1
      if (waiting === untilFull) settled()
    },
    get size() {
      return tree.size + BigInt(waiting)
    },
    edge: settled,
    root: () => edgeRoot(settled()),
  }
}
