/** Proofs of inclusion and consistency (RFC 9162, section 2.1) from tiles. Each takes a single round of reading, and a few tiles of it. */
import { ChartwardenError } from '../../kernel/errors.ts'
import { bitLength } from './bit-length.ts'
import { consistencyPath, inclusionPath, perfectParts, type Subtree } from './proof-path.ts'
import { rowRoot } from './row-root.ts'
import { type Tile, type TileId, tilePath, tileWidth, widthOf } from './tile.ts'
import { emptyRoot, hashLength, nodeHash } from './tree-hash.ts'
import { maxUint64 } from './uint64.ts'

export interface HashSource {
  /** The tiles of these places, in any order; each may be wider than the tree that is asked about makes it. */
  tiles(ids: readonly TileId[]): Promise<readonly Tile[]>
}

/** Hashes of one tile over which a perfect tree stands. */
interface Row {
  readonly tile: TileId
  readonly from: number
  readonly to: number
}

const rowOf = ({ start, end }: Subtree): Row => {
  const height = bitLength(end - start) - 1
  const level = Math.floor(height / 8)
  const first = start >> BigInt(8 * level)
  const from = Number(first % BigInt(tileWidth))
  return { tile: { level, index: first / BigInt(tileWidth) }, from, to: from + 2 ** (height - 8 * level) }
}

const keyOf = ({ level, index }: TileId): string => `${level}/${index}`

/** The roots of these trees, in their order. */
const rootsOf = async (subtrees: readonly Subtree[], source: HashSource): Promise<Buffer[]> => {
  const rows = subtrees.map((subtree) => perfectParts(subtree).map(rowOf))
  const wanted = new Map(rows.flat().map(({ tile }) => [keyOf(tile), tile]))
  const found = wanted.size === 0 ? [] : await source.tiles([...wanted.values()])
  const tiles = new Map(found.map((tile) => [keyOf(tile), tile]))
  const hashOf = ({ tile, from, to }: Row): Buffer => {
    const hashes = tiles.get(keyOf(tile))?.hashes
    if (hashes === undefined || widthOf({ hashes }) < to) {
      throw new ChartwardenError('INTERNAL', { cause: new Error(`the log has no ${tilePath(tile, to)}`) })
    }
    return rowRoot(hashes.subarray(from * hashLength, to * hashLength))
  }
  return rows.map((parts) => parts.map(hashOf).reduceRight((right, left) => nodeHash(left, right)))
}

const requireOrder = (what: string, ...ascending: readonly bigint[]): void => {
  const ordered = ascending.every((value, place) => value >= (ascending[place - 1] ?? 0n) && value <= maxUint64)
  if (!ordered) throw new RangeError(what)
}

/** Siblings of an entry on its way to the root of the tree of this size, the leaf's first. Throws RangeError unless `index < size`,
 * INTERNAL when a tile is missing. */
export const inclusionProof = async (index: bigint, size: bigint, hashes: HashSource): Promise<readonly Buffer[]> => {
  requireOrder('only an entry of the tree has a proof', index, index + 1n, size)
  return await rootsOf(inclusionPath(index, { start: 0n, end: size }), hashes)
}

/** That the tree of size `second` continues the one of size `first`: empty when both are one. Throws RangeError unless
 * `0 < first <= second`, since everything continues an empty tree, INTERNAL when a tile is missing. */
export const consistencyProof = async (first: bigint, second: bigint, hashes: HashSource): Promise<readonly Buffer[]> => {
  requireOrder('only a tree that holds entries is continued by one that is not smaller', 1n, first, second)
  return await rootsOf(consistencyPath(first, { start: 0n, end: second }), hashes)
}

/** Root of the tree of this size. Throws RangeError for a size that no tree has, INTERNAL when a tile is missing. */
export const rootAt = async (size: bigint, hashes: HashSource): Promise<Buffer> => {
  requireOrder('a tree has less than 2^64 entries', size)
  const [root = emptyRoot()] = size === 0n ? [] : await rootsOf([{ start: 0n, end: size }], hashes)
  return root
}
