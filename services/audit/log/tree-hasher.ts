/** Builds a tree over entries, one after the other, as fast as one thread does it (bench/README.md, "Building a tree"). */
import { bundleLeafHashes } from './entry-bundle.ts'
import { type Tile, tileWidth, widthOf } from './tile.ts'
import { appendLeaves, edgeRoot, emptyEdge, type TreeEdge } from './tree-edge.ts'
import { hashLength, leafHashLatin1 } from './tree-hash.ts'

export interface TreeHasherOptions {
  /** The tree to go on from. Defaults to the one without entries. */
  readonly from?: TreeEdge
  /** Told of each tile of any level once it is full. Those that are not stand in the edge. */
  readonly onTile?: (tile: Tile) => void
}

export interface TreeHasher {
  /** Takes the next entry; keeps nothing of its bytes. */
  append(entry: Uint8Array): void
  /** Takes the entries of a bundle, without a copy (see `bundleLeafHashes`). False for one that is not well formed: nothing of it is taken. */
  appendBundle(bundle: Uint8Array): boolean
  /** Entries in the tree. */
  readonly size: bigint
  /** The tree so far, leaf hashes of the last tile included. */
  edge(): TreeEdge
  root(): Buffer
}

export const createTreeHasher = ({ from = emptyEdge, onTile }: TreeHasherOptions = {}): TreeHasher => {
  let tree = from
  let leaves = ''
  let waiting = 0
  const grow = (leafHashes: Buffer): void => {
    const { edge, tiles } = appendLeaves(tree, leafHashes)
    tree = edge
    if (onTile === undefined) return
    for (const tile of tiles) if (widthOf(tile) === tileWidth) onTile(tile)
  }
  const settled = (): TreeEdge => {
    if (waiting === 0) return tree
    const text = leaves
    leaves = ''
    waiting = 0
    grow(Buffer.from(text, 'latin1'))
    return tree
  }
  return {
    append: (entry) => {
      leaves += leafHashLatin1(entry)
      waiting += 1
      if (waiting === tileWidth - (tree.levels[0]?.length ?? 0) / hashLength) settled()
    },
    appendBundle: (bundle) => {
      const hashes = bundleLeafHashes(bundle)
      if (hashes === undefined) return false
      settled()
      grow(hashes)
      return true
    },
    get size() {
      return tree.size + BigInt(waiting)
    },
    edge: settled,
    root: () => edgeRoot(settled()),
  }
}
