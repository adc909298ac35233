/** Proofs from stored tiles, each checked against the signed root before it leaves: tiles that were edited must not become a false proof. */
import { consistencyProof, type HashSource, inclusionProof, rootAt } from '../proofs.ts'
import type { Tile, TileId } from '../tile.ts'
import { verifyConsistency, verifyInclusion } from '../verify-proofs.ts'
import type { PublishedLog, PublishedTree } from './published-log.ts'

export interface Inclusion {
  /** The sibling of the leaf first. */
  readonly hashes: readonly Buffer[]
  /** Of the tree of the size asked for. */
  readonly root: Buffer
}

export interface Consistency {
  /** In the order of RFC 9162. */
  readonly hashes: readonly Buffer[]
  readonly firstRoot: Buffer
  readonly secondRoot: Buffer
}

/** Each throws LOG_DAMAGED where what is stored does not lead to the signed root. */
export interface Prover {
  /** That the leaf stands at this place of the tree of this size; `index < size <= tree.size`. */
  inclusion(tree: PublishedTree, index: bigint, leafHash: Uint8Array, size: bigint): Promise<Inclusion>
  /** `0 < first <= second <= tree.size`. */
  consistency(tree: PublishedTree, first: bigint, second: bigint): Promise<Consistency>
}

/** Tiles of one tree, each read once. */
const sourceOf = (log: Pick<PublishedLog, 'tiles'>, tree: PublishedTree): HashSource => {
  const kept = new Map<string, Tile>()
  const keyOf = ({ level, index }: TileId): string => `${level}/${index}`
  return {
    tiles: async (ids) => {
      const unknown = ids.filter((id) => !kept.has(keyOf(id)))
      for (const tile of unknown.length === 0 ? [] : await log.tiles(tree, unknown)) kept.set(keyOf(tile), tile)
      return ids.map((id) => kept.get(keyOf(id)) as Tile)
    },
  }
}

export const createProver = (log: Pick<PublishedLog, 'tiles' | 'damaged'>): Prover => {
  const requireTrue = ({ clinic }: PublishedTree, proven: boolean, what: string): void => {
    if (!proven) throw log.damaged(clinic, what)
  }

  /** Root of the tree of a size, which the tree that is signed continues. */
  const rootOf = async (tree: PublishedTree, size: bigint, source: HashSource): Promise<Buffer> => {
    const root = await rootAt(size, source)
    const proof = await consistencyProof(size, tree.size, source)
    const continued = verifyConsistency({ firstSize: size, secondSize: tree.size, firstRoot: root, secondRoot: tree.root, proof })
    requireTrue(tree, continued, `the tiles do not lead from size ${size} to the signed root of size ${tree.size}`)
    return root
  }

  return {
    inclusion: async (tree, index, leafHash, size) => {
      const source = sourceOf(log, tree)
      const root = await rootOf(tree, size, source)
      const hashes = await inclusionProof(index, size, source)
      const included = verifyInclusion({ leafHash, index, size, proof: hashes, root })
      requireTrue(tree, included, `the entry of revision ${index} is not the one that was signed`)
      return { hashes, root }
    },
    consistency: async (tree, first, second) => {
      const source = sourceOf(log, tree)
      const secondRoot = await rootOf(tree, second, source)
      const firstRoot = await rootAt(first, source)
      const hashes = await consistencyProof(first, second, source)
      const continued = verifyConsistency({ firstSize: first, secondSize: second, firstRoot, secondRoot, proof: hashes })
      requireTrue(tree, continued, `the tiles do not lead from size ${first} to size ${second}`)
      return { hashes, firstRoot, secondRoot }
    },
  }
}
