/**
 * Which parts of a tree a proof consists of (RFC 9162, sections 2.1.3.1 and 2.1.4.1), without their hashes. Ranges stand for the tree over
 * the entries from `start` up to `end`; `start` is a multiple of the smallest power of two that is not below their number.
 */
import { bitLength } from './bit-length.ts'

export interface Subtree {
  readonly start: bigint
  /** Exclusive. */
  readonly end: bigint
}

/** Where a tree of more than one entry parts: behind the largest power of two strictly below its size. */
const middleOf = ({ start, end }: Subtree): bigint => start + (1n << BigInt(bitLength(end - start - 1n) - 1))

/** The siblings of an entry on its way to the root, the leaf's first. */
export const inclusionPath = (index: bigint, tree: Subtree): Subtree[] => {
  const path: Subtree[] = []
  let within = tree
  while (within.end - within.start > 1n) {
    const middle = middleOf(within)
    const [left, right] = [
      { start: within.start, end: middle },
      { start: middle, end: within.end },
    ]
    path.push(index < middle ? right : left)
    within = index < middle ? left : right
  }
  return path.reverse()
}

/** What a reader of the tree that ends at `first` needs for following it to the whole tree; `first` is behind `tree.start`. */
export const consistencyPath = (first: bigint, tree: Subtree): Subtree[] => {
  const path: Subtree[] = []
  let within = tree
  while (within.end !== first) {
    const middle = middleOf(within)
    const [left, right] = [
      { start: within.start, end: middle },
      { start: middle, end: within.end },
    ]
    path.push(first <= middle ? right : left)
    within = first <= middle ? left : right
  }
  if (within.start !== tree.start) path.push(within)
  return path.reverse()
}

/** The perfect trees, each of a power of two of entries, that a tree consists of, the largest first. */
export const perfectParts = ({ start, end }: Subtree): Subtree[] => {
  const parts: Subtree[] = []
  for (let from = start; from < end; ) {
    const to = from + (1n << BigInt(bitLength(end - from) - 1))
    parts.push({ start: from, end: to })
    from = to
  }
  return parts
}
