/** The root over hashes of one level, as tiles hold them. */
import { createNodeLanes, type NodeLanes } from './node-lanes.ts'
import { tileWidth } from './tile.ts'
import { hashLength } from './tree-hash.ts'

/** Where rows begin in the memory of the lanes, and where a hash without a sibling waits: beyond what any row reaches. */
const start = 64
const waiting = 32_768

let lanes: NodeLanes | undefined

/** Made at the first use, since that takes some milliseconds; nothing outlives a call in them. */
const nodeLanes = (): NodeLanes => {
  lanes ??= createNodeLanes()
  return lanes
}

/**
 * Root over a row of hashes, one behind the other. Each stands for a perfect tree of one and the same size; the last may stand for a smaller
 * one, as at the right edge of a tree. Throws RangeError for a row that is no tile: 1 to 256 whole hashes.
 */
export const rowRoot = (row: Uint8Array): Buffer => {
  const width = row.length / hashLength
  if (!Number.isInteger(width) || width < 1 || width > tileWidth) throw new RangeError(`a row has 1 to ${tileWidth} hashes`)
  if (width === 1) return Buffer.from(row)
  const { memory, hashPairs } = nodeLanes()
  memory.set(row, start)
  for (let count = width; count > 1; count = Math.ceil(count / 2)) {
    const pairs = Math.floor(count / 2)
    const single = start + 2 * pairs * hashLength
    memory.copyWithin(waiting, single, single + hashLength)
    hashPairs(start, pairs)
    if (count % 2 === 1) memory.copyWithin(start + pairs * hashLength, waiting, waiting + hashLength)
  }
  return Buffer.copyBytesFrom(memory, start, hashLength)
}
