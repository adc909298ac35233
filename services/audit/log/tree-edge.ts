/**
 * The right edge of a tree: as much of it as is needed to append and to tell the root. Every tile that is full is left behind for ever, so
 * an edge stays below 64 KiB however large the tree is.
 */
import { rowRoot } from './row-root.ts'
import { hashesAt, type Tile, tileWidth, widthIn, widthOf } from './tile.ts'
import { emptyRoot, hashLength } from './tree-hash.ts'
import { maxUint64 } from './uint64.ts'

export interface TreeEdge {
  /** Entries in the tree. */
  readonly size: bigint
  /** By level, from the leaves up to the highest that has hashes: those of its partial tile, 0 to 255 of them. */
  readonly levels: readonly Buffer[]
}

const tileBytes = tileWidth * hashLength

/** Of the tree without entries. */
export const emptyEdge: TreeEdge = { size: 0n, levels: [] }

/**
 * The edge of a tree of this size from its partial tiles, in any order; of a tile that is wider, as it is when the tree has grown since, the
 * first hashes are taken. Undefined when a tile is missing, too narrow or of no place at the edge.
 */
export const edgeOf = (size: bigint, tiles: readonly Tile[]): TreeEdge | undefined => {
  if (size < 0n || size > maxUint64) return undefined
  const levels: Buffer[] = []
  let used = 0
  for (let level = 0; hashesAt(size, level) > 0n; level += 1) {
    const index = hashesAt(size, level + 1)
    const width = widthIn(size, { level, index })
    const tile = width === 0 ? undefined : tiles.find((each) => each.level === level && each.index === index)
    if (width > 0 && (tile === undefined || !Number.isInteger(widthOf(tile)) || widthOf(tile) < width)) return undefined
    used += tile === undefined ? 0 : 1
    levels.push(tile === undefined ? Buffer.alloc(0) : tile.hashes.subarray(0, width * hashLength))
  }
  return used === tiles.length ? { size, levels } : undefined
}

/** The edge after these leaf hashes, one behind the other, and every tile that is new or wider by them, each whole. Throws RangeError
 * for a length that holds no whole number of hashes, and beyond 2^64 - 1 entries. */
export const appendLeaves = (edge: TreeEdge, leafHashes: Buffer): { readonly edge: TreeEdge; readonly tiles: readonly Tile[] } => {
  if (leafHashes.length % hashLength !== 0) throw new RangeError(`leaf hashes have ${hashLength} bytes each`)
  const size = edge.size + BigInt(leafHashes.length / hashLength)
  if (size > maxUint64) throw new RangeError('a tree has less than 2^64 entries')
  const levels = [...edge.levels]
  const tiles: Tile[] = []
  let added = leafHashes
  for (let level = 0; added.length > 0; level += 1) {
    const row = Buffer.concat([levels[level] ?? Buffer.alloc(0), added])
    let index = hashesAt(edge.size, level + 1)
    const roots: Buffer[] = []
    let start = 0
    for (; start + tileBytes <= row.length; start += tileBytes) {
      const hashes = row.subarray(start, start + tileBytes)
      tiles.push({ level, index, hashes })
      roots.push(rowRoot(hashes))
      index += 1n
    }
    const rest = Buffer.from(row.subarray(start))
    if (rest.length > 0) tiles.push({ level, index, hashes: rest })
    levels[level] = rest
    added = Buffer.concat(roots)
  }
  return { edge: { size, levels }, tiles }
}

/** Root of the tree. */
export const edgeRoot = ({ levels }: TreeEdge): Buffer => {
  let root: Buffer | undefined
  for (const level of levels) {
    const row = root === undefined ? level : Buffer.concat([level, root])
    if (row.length > 0) root = rowRoot(row)
  }
  return root ?? emptyRoot()
}
