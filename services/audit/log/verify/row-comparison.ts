/** Hashes of one level of the tree, place by place: those that follow from what is below, and those that are kept. */
import { hashLength } from '../tree-hash.ts'

/** Places, the last one included. */
export interface Run {
  readonly from: bigint
  readonly to: bigint
}

export interface RowComparison {
  expect(hashes: Buffer): void
  keep(hashes: Buffer): void
  /** Where they differ as far as both go, neighbours together. */
  readonly differing: readonly Run[]
  fork(): RowComparison
}

/** Runs that are kept; more say nothing that these do not. */
const mostRuns = 1000

interface State {
  readonly place: bigint
  readonly expected: Buffer
  readonly kept: Buffer
  readonly runs: readonly Run[]
}

export const createRowComparison = (
  from: State = { place: 0n, expected: Buffer.alloc(0), kept: Buffer.alloc(0), runs: [] },
): RowComparison => {
  let { place, expected, kept } = from
  const runs = [...from.runs]
  const settle = (): void => {
    const both = Math.min(expected.length, kept.length)
    const same = expected.subarray(0, both).equals(kept.subarray(0, both))
    for (let at = 0; at < both && !same; at += hashLength) {
      if (expected.compare(kept, at, at + hashLength, at, at + hashLength) === 0) continue
      const here = place + BigInt(at / hashLength)
      const last = runs.at(-1)
      if (last !== undefined && last.to === here - 1n) runs[runs.length - 1] = { from: last.from, to: here }
      else if (runs.length < mostRuns) runs.push({ from: here, to: here })
    }
    place += BigInt(both / hashLength)
    expected = expected.subarray(both)
    kept = kept.subarray(both)
  }
  return {
    expect: (hashes) => {
      expected = Buffer.concat([expected, hashes])
      settle()
    },
    keep: (hashes) => {
      kept = Buffer.concat([kept, hashes])
      settle()
    },
    differing: runs,
    fork: () => createRowComparison({ place, expected, kept, runs }),
  }
}
