import type { Tile } from '../../services/audit/log/tile.ts'
import { appendLeaves, edgeRoot, emptyEdge } from '../../services/audit/log/tree-edge.ts'
import { leafHash } from '../../services/audit/log/tree-hash.ts'

/** The tiles of a log of these entries. */
export const tilesOf = (entries: readonly Uint8Array[]): readonly Tile[] =>
  appendLeaves(emptyEdge, Buffer.concat(entries.map(leafHash))).tiles

/** Its root. */
export const rootOf = (entries: readonly Uint8Array[]): Buffer =>
  edgeRoot(appendLeaves(emptyEdge, Buffer.concat(entries.map(leafHash))).edge)
