/** Checks of proofs (RFC 9162, sections 2.1.3.2 and 2.1.4.2). A proof that is not exactly as long as its place demands is refused unhashed. */
import { bitCount, bitLength } from './bit-length.ts'
import { hashLength, nodeHash } from './tree-hash.ts'
import { maxUint64 } from './uint64.ts'

export interface InclusionClaim {
  readonly leafHash: Uint8Array
  readonly index: bigint
  readonly size: bigint
  readonly proof: readonly Uint8Array[]
  readonly root: Uint8Array
}

export interface ConsistencyClaim {
  readonly firstSize: bigint
  readonly secondSize: bigint
  readonly firstRoot: Uint8Array
  readonly secondRoot: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** Hashes in the proof that the entry at `index` is in a tree of `size` entries; `index < size`. */
export const inclusionProofLength = (index: bigint, size: bigint): number => {
  const inner = bitLength(index ^ (size - 1n))
  return inner + bitCount(index >> BigInt(inner))
}

/** Levels over which the last leaf of a tree of `size` entries stands at the right end of a perfect tree: how often 2 divides the size. */
const perfectLevels = (size: bigint): bigint => BigInt(bitLength(size & -size) - 1)

/** Hashes in the proof that a tree of `second` entries continues one of `first`; `0 < first <= second`. */
export const consistencyProofLength = (first: bigint, second: bigint): number => {
  if (first === second) return 0
  const shift = perfectLevels(first)
  const node = (first - 1n) >> shift
  return (node === 0n ? 0 : 1) + inclusionProofLength(node, ((second - 1n) >> shift) + 1n)
}

const isHash = (bytes: Uint8Array): boolean => bytes.length === hashLength
const same = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0
const isSize = (size: bigint): boolean => size >= 0n && size <= maxUint64

interface Step {
  readonly hash: Uint8Array
  /** On which side of the node so far it stands. */
  readonly side: 'left' | 'right'
}

/** The way up from a node to the root: which hash of the proof joins on which side. */
function* stepsUp(node: bigint, last: bigint, proof: readonly Uint8Array[]): Generator<Step> {
  let [current, rightmost] = [node, last]
  for (const hash of proof) {
    if ((current & 1n) === 1n || current === rightmost) {
      yield { hash, side: 'left' }
      while ((current & 1n) === 0n && current !== 0n) [current, rightmost] = [current >> 1n, rightmost >> 1n]
    } else {
      yield { hash, side: 'right' }
    }
    ;[current, rightmost] = [current >> 1n, rightmost >> 1n]
  }
}

/**
 * Whether the proof shows the leaf at its place in the tree with this root. The size is believed, since several sizes may give one path: take
 * it from the checkpoint that the root came from. Never throws, whatever it is given.
 */
export const verifyInclusion = ({ leafHash, index, size, proof, root }: InclusionClaim): boolean => {
  if (!isSize(size) || index < 0n || index >= size) return false
  if (proof.length !== inclusionProofLength(index, size)) return false
  if (![leafHash, root, ...proof].every(isHash)) return false
  let hash: Uint8Array = leafHash
  for (const step of stepsUp(index, size - 1n, proof)) {
    hash = step.side === 'left' ? nodeHash(step.hash, hash) : nodeHash(hash, step.hash)
  }
  return same(hash, root)
}

/**
 * Whether the proof shows that the second tree continues the first. Each size is believed together with its root. Everything continues an
 * empty tree, so that nothing is shown of size 0: false. Never throws, whatever it is given.
 */
export const verifyConsistency = ({ firstSize, secondSize, firstRoot, secondRoot, proof }: ConsistencyClaim): boolean => {
  if (!isSize(secondSize) || firstSize < 1n || firstSize > secondSize) return false
  if (proof.length !== consistencyProofLength(firstSize, secondSize)) return false
  if (![firstRoot, secondRoot, ...proof].every(isHash)) return false
  if (firstSize === secondSize) return same(firstRoot, secondRoot)
  const shift = perfectLevels(firstSize)
  const node = (firstSize - 1n) >> shift
  const [start, ...rest] = node === 0n ? [firstRoot, ...proof] : proof
  if (start === undefined) return false
  let [first, second] = [start, start]
  for (const { hash, side } of stepsUp(node, (secondSize - 1n) >> shift, rest)) {
    if (side === 'left') first = nodeHash(hash, first)
    second = side === 'left' ? nodeHash(hash, second) : nodeHash(second, hash)
  }
  return same(first, firstRoot) && same(second, secondRoot)
}
