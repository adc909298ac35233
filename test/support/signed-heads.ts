import { createHash } from 'node:crypto'
import type { SignedHead } from '../../services/audit/log/signer-store.ts'

/** A head of that size whose root no other call of another `who` gives. */
export const headOf = (origin: string, size: bigint, who: string): SignedHead => ({
  origin,
  size,
  root: createHash('sha256').update(`${origin} ${size} ${who}`).digest(),
})

/** A signature that left a process: what it says, and what its signer took for the head before. */
export interface Signed {
  readonly from: SignedHead | undefined
  readonly to: SignedHead
}

const nameOf = ({ origin, size, root }: SignedHead): string => `${origin} ${size} ${Buffer.from(root).toString('hex')}`

/**
 * What must never be: two signed heads of one origin of which neither was reached from the other. Given every step that was recorded, signed
 * or not; undefined where all is well.
 */
export const forkIn = (steps: readonly Signed[], signed: readonly Signed[]): string | undefined => {
  const parents = new Map(steps.map(({ from, to }) => [nameOf(to), from] as const))
  const ancestry = (head: SignedHead): readonly string[] => {
    const names: string[] = []
    for (let each: SignedHead | undefined = head; each !== undefined; each = parents.get(nameOf(each))) names.push(nameOf(each))
    return names
  }
  const heads = [...new Map(signed.map(({ to }) => [nameOf(to), to])).values()]
  for (const [index, left] of heads.entries()) {
    for (const right of heads.slice(index + 1)) {
      if (left.origin !== right.origin) continue
      const [low, high] = left.size < right.size ? [left, right] : [right, left]
      if (low.size === high.size || !ancestry(high).includes(nameOf(low))) return `${nameOf(left)} and ${nameOf(right)}`
    }
  }
  return undefined
}
