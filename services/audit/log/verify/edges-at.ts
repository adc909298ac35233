import { type Tile, tileLevels } from '../tile.ts'
import { appendLeaves, emptyEdge, type TreeEdge } from '../tree-edge.ts'
import { hashLength } from '../tree-hash.ts'

/** A tree that grows, and its edge as it was at some sizes. */
export interface EdgesAt {
  readonly edge: TreeEdge
  /** The edge at each of these sizes that was reached. */
  readonly at: ReadonlyMap<bigint, TreeEdge>
  /** Takes the next hashes; `onTiles` hears the tree ahead of them and its tiles that are new or wider. */
  append(hashes: Buffer): void
  /** One that goes on from here by itself. */
  fork(onTiles?: OnTiles): EdgesAt
}

export type OnTiles = (before: TreeEdge, tiles: readonly Tile[]) => void

/** `sizes`: where to keep the edge, ascending. */
export const createEdgesAt = (
  sizes: readonly bigint[],
  onTiles?: OnTiles,
  from: { readonly edge: TreeEdge; readonly at: ReadonlyMap<bigint, TreeEdge> } = { edge: emptyEdge, at: new Map([[0n, emptyEdge]]) },
): EdgesAt => {
  let { edge } = from
  const at = new Map(from.at)
  let next = sizes.findIndex((size) => size > edge.size)
  const grow = (hashes: Buffer): void => {
    const before = edge
    const grown = appendLeaves(edge, hashes)
    edge = grown.edge
    onTiles?.(before, grown.tiles)
  }
  return {
    get edge() {
      return edge
    },
    at,
    append: (hashes) => {
      let rest = hashes
      while (rest.length > 0) {
        const stop = next === -1 ? undefined : sizes[next]
        const room = stop === undefined ? rest.length : Number(stop - edge.size) * hashLength
        grow(rest.subarray(0, room))
        rest = rest.subarray(room)
        if (edge.size !== stop) continue
        at.set(edge.size, edge)
        next = next + 1 < sizes.length ? next + 1 : -1
      }
    },
    fork: (hears) => createEdgesAt(sizes, hears, { edge, at }),
  }
}

/** The hashes of each level above the leaves that came with these tiles, from level 1 on. */
export const newRows = (before: TreeEdge, tiles: readonly Tile[]): readonly Buffer[] => {
  const rows: Buffer[] = []
  for (let level = 1; level < tileLevels; level += 1) {
    const ofLevel = tiles.filter((tile) => tile.level === level)
    if (ofLevel.length === 0) break
    rows.push(Buffer.concat(ofLevel.map(({ hashes }) => hashes)).subarray(before.levels[level]?.length ?? 0))
  }
  return rows
}
