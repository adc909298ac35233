/**
 * The tree by the letter of RFC 9162, section 2.1: recursive, over ranges of leaves, with a hasher of its own. Slow, and told apart from the
 * product by sharing nothing with it.
 */
import { createHash } from 'node:crypto'
import type { HashSource } from '../../services/audit/log/proofs.ts'
import type { Tile, TileId } from '../../services/audit/log/tile.ts'

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

export const naiveLeaf = (entry: Uint8Array): Buffer => sha256(Uint8Array.of(0), entry)
const naiveNode = (left: Buffer, right: Buffer): Buffer => sha256(Uint8Array.of(1), left, right)

export interface NaiveTree {
  /** MTH(D[start:end]) */
  root(start: bigint, end: bigint): Buffer
  /** PATH(index - start, D[start:end]) */
  path(index: bigint, start: bigint, end: bigint): Buffer[]
  /** The proof that D[start:end] is a part of D[from:to]; with start = from it is PROOF(end - from, D[from:to]). */
  proof(start: bigint, end: bigint, from: bigint, to: bigint): Buffer[]
  /** The tile as a tree of this size has it. */
  tile(id: TileId, size: bigint): Tile
  /** All tiles of the tree, as its service would serve them. */
  source(size: bigint): HashSource & { readonly asked: TileId[][] }
}

export interface NaiveLeaves {
  leaf(index: bigint): Buffer
  /** Whether every leaf of the range is the same as any other of such a range; trees beyond counting are made of them. */
  uniform?(start: bigint, end: bigint): boolean
}

const splitOf = (size: bigint): bigint => {
  let split = 1n
  while (split * 2n < size) split *= 2n
  return split
}

export const naiveTree = ({ leaf, uniform = () => false }: NaiveLeaves): NaiveTree => {
  const roots = new Map<string, Buffer>()
  const compute = (start: bigint, end: bigint): Buffer => {
    if (start === end) return sha256()
    if (end - start === 1n) return leaf(start)
    const middle = start + splitOf(end - start)
    return naiveNode(root(start, middle), root(middle, end))
  }
  const root = (start: bigint, end: bigint): Buffer => {
    const key = uniform(start, end) ? `${end - start}` : `${start}-${end}`
    const known = roots.get(key) ?? compute(start, end)
    roots.set(key, known)
    return known
  }
  const path = (index: bigint, start: bigint, end: bigint): Buffer[] => {
    if (end - start === 1n) return []
    const middle = start + splitOf(end - start)
    return index < middle ? [...path(index, start, middle), root(middle, end)] : [...path(index, middle, end), root(start, middle)]
  }
  const proof = (start: bigint, end: bigint, from: bigint, to: bigint, known = true): Buffer[] => {
    if (start === end) return []
    if (start === from && end === to) return known ? [] : [root(from, to)]
    const middle = from + splitOf(to - from)
    if (end <= middle) return [...proof(start, end, from, middle, known), root(middle, to)]
    if (start >= middle) return [...proof(start, end, middle, to, known), root(from, middle)]
    return [...proof(middle, end, middle, to, false), root(from, middle)]
  }
  const tiles = new Map<string, Tile>()
  const makeTile = ({ level, index }: TileId, size: bigint): Tile => {
    const below = 256n ** BigInt(level)
    const hashes: Buffer[] = []
    for (let place = index * 256n; place < (index + 1n) * 256n && (place + 1n) * below <= size; place += 1n) {
      hashes.push(root(place * below, (place + 1n) * below))
    }
    return { level, index, hashes: Buffer.concat(hashes) }
  }
  const tile = (id: TileId, size: bigint): Tile => {
    const key = `${id.level}/${id.index} ${size}`
    const made = tiles.get(key) ?? makeTile(id, size)
    tiles.set(key, made)
    return made
  }
  return {
    root,
    path,
    proof: (start, end, from, to) => proof(start, end, from, to),
    tile,
    source: (size) => {
      const asked: TileId[][] = []
      return {
        asked,
        tiles: async (ids) => {
          asked.push([...ids])
          return ids.map((id) => tile(id, size)).filter(({ hashes }) => hashes.length > 0)
        },
      }
    },
  }
}

/** Over these entries. */
export const naiveTreeOf = (entries: readonly Uint8Array[]): NaiveTree => {
  const leaves = entries.map(naiveLeaf)
  return naiveTree({ leaf: (index) => leaves[Number(index)] ?? Buffer.alloc(0) })
}

/** `count` entries of a few bytes, no two of them equal. */
export const numberedEntries = (count: number): Buffer[] => Array.from({ length: count }, (_, place) => Buffer.from(`entry ${place}`))

/** A tree of any size whose leaves are equal but for those named. */
export const sparseTree = (named: readonly bigint[]): NaiveTree => {
  const equal = naiveLeaf(Buffer.from('equal'))
  const special = new Map(named.map((index) => [index, naiveLeaf(Buffer.from(`named ${index}`))]))
  return naiveTree({
    leaf: (index) => special.get(index) ?? equal,
    uniform: (start, end) => !named.some((index) => index >= start && index < end),
  })
}
