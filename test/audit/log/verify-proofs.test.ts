import fc from 'fast-check'
import t from 'tap'
import {
  type ConsistencyClaim,
  consistencyProofLength,
  type InclusionClaim,
  inclusionProofLength,
  verifyConsistency,
  verifyInclusion,
} from '../../../services/audit/log/verify-proofs.ts'
import { type NaiveTree, naiveTreeOf, numberedEntries, sparseTree } from '../../support/naive-tree.ts'

const entries = numberedEntries(300)
const tree = naiveTreeOf(entries)
const emptyTree = tree.root(0n, 0n)

const inclusionOf = (from: NaiveTree, index: bigint, size: bigint): InclusionClaim => ({
  leafHash: from.root(index, index + 1n),
  index,
  size,
  proof: from.path(index, 0n, size),
  root: from.root(0n, size),
})

const consistencyOf = (from: NaiveTree, firstSize: bigint, secondSize: bigint): ConsistencyClaim => ({
  firstSize,
  secondSize,
  firstRoot: from.root(0n, firstSize),
  secondRoot: from.root(0n, secondSize),
  proof: from.proof(0n, firstSize, 0n, secondSize),
})

/** A hash with one bit turned. */
const turned = (hash: Uint8Array, bit: number): Buffer => {
  const copy = Buffer.from(hash)
  const byte = Math.floor(bit / 8)
  copy[byte] = (copy[byte] ?? 0) ^ (1 << (bit % 8))
  return copy
}

/** The proof less, with, or with others of its hashes: whatever is left of it that is not the proof itself. */
const otherProofs = (proof: readonly Uint8Array[], bits: readonly number[]): Uint8Array[][] => {
  const others: Uint8Array[][] = [
    [...proof, Buffer.alloc(32)],
    [Buffer.alloc(32), ...proof],
    [...proof, emptyTree],
  ]
  for (const [place, hash] of proof.entries()) {
    others.push(proof.toSpliced(place, 1), proof.toSpliced(place, 0, hash))
    others.push(proof.with(place, Buffer.alloc(0)), proof.with(place, hash.subarray(1)), proof.with(place, Buffer.concat([hash, hash])))
    for (const bit of bits) others.push([...proof.with(place, turned(hash, bit))])
    for (const [later, other] of proof.entries()) {
      const near = later === place + 1 || (later > place && proof.length <= 8)
      if (near && Buffer.compare(hash, other) !== 0) others.push(proof.with(place, other).with(later, hash))
    }
  }
  return others
}

/** The eight bits of one byte that differs from proof to proof. */
const byteOf = (seed: bigint): number[] => Array.from({ length: 8 }, (_, bit) => Number(seed % 32n) * 8 + bit)

t.test('for every size to 300 every proof of the naive tree verifies and is as long as its place says', async (t) => {
  for (let size = 1n; size <= 300n; size += 1n) {
    for (let index = 0n; index < size; index += 1n) {
      const inclusion = inclusionOf(tree, index, size)
      if (!verifyInclusion(inclusion)) t.fail(`entry ${index} of ${size}`)
      if (inclusionProofLength(index, size) !== inclusion.proof.length) t.fail(`length for ${index} of ${size}`)
      const consistency = consistencyOf(tree, index + 1n, size)
      if (!verifyConsistency(consistency)) t.fail(`${size} continues ${index + 1n}`)
      if (consistencyProofLength(index + 1n, size) !== consistency.proof.length) t.fail(`length for ${index + 1n} to ${size}`)
    }
  }
})

t.test('a changed inclusion proof never verifies', async (t) => {
  let tried = 0
  for (let size = 1n; size <= 33n; size += 1n) {
    for (let index = 0n; index < size; index += 1n) {
      const claim = inclusionOf(tree, index, size)
      const bits = byteOf(size * 7n + index)
      const others: InclusionClaim[] = [
        ...otherProofs(claim.proof, bits).map((proof) => ({ ...claim, proof })),
        ...bits.map((bit) => ({ ...claim, leafHash: turned(claim.leafHash, bit) })),
        ...bits.map((bit) => ({ ...claim, root: turned(claim.root, bit) })),
        { ...claim, leafHash: claim.leafHash.subarray(1) },
        { ...claim, root: Buffer.concat([claim.root, Buffer.alloc(1)]) },
      ]
      for (let other = -1n; other <= size + 1n; other += 1n) if (other !== index) others.push({ ...claim, index: other })
      for (let other = -1n; other <= 48n; other += 1n) {
        if (other !== size) others.push({ ...claim, size: other, root: other < 0n ? claim.root : tree.root(0n, other) })
      }
      for (const other of others) if (verifyInclusion(other)) t.fail(`a changed proof of ${index} in ${size} verified`)
      tried += others.length
    }
  }
  t.ok(tried > 50_000)
})

t.test('a changed consistency proof never verifies', async (t) => {
  let tried = 0
  for (let second = 1n; second <= 33n; second += 1n) {
    for (let first = 1n; first <= second; first += 1n) {
      const claim = consistencyOf(tree, first, second)
      const bits = byteOf(second * 7n + first)
      const others: ConsistencyClaim[] = [
        ...otherProofs(claim.proof, bits).map((proof) => ({ ...claim, proof })),
        ...bits.map((bit) => ({ ...claim, firstRoot: turned(claim.firstRoot, bit) })),
        ...bits.map((bit) => ({ ...claim, secondRoot: turned(claim.secondRoot, bit) })),
        { ...claim, firstRoot: claim.firstRoot.subarray(1) },
        { ...claim, secondRoot: Buffer.alloc(0) },
      ]
      if (first !== second) others.push({ ...claim, firstSize: second, secondSize: first }, { ...claim, proof: [] })
      for (let other = 0n; other <= 48n; other += 1n) {
        if (other !== first) others.push({ ...claim, firstSize: other, firstRoot: tree.root(0n, other) })
        if (other !== second) others.push({ ...claim, secondSize: other, secondRoot: tree.root(0n, other) })
      }
      for (const other of others) if (verifyConsistency(other)) t.fail(`a changed proof of ${first} in ${second} verified`)
      tried += others.length
    }
  }
  t.ok(tried > 50_000)
})

/** On which side hashes join on the way from an entry to the root, by the letter of the RFC's recursion. */
const sidesOf = (index: bigint, size: bigint): string => {
  if (size === 1n) return ''
  let split = 1n
  while (split * 2n < size) split *= 2n
  return index < split ? `${sidesOf(index, split)}r` : `${sidesOf(index - split, size - split)}l`
}

t.test('with the same root another size is believed where the way up is the same, and nowhere else', async (t) => {
  for (let size = 1n; size <= 33n; size += 1n) {
    for (let index = 0n; index < size; index += 1n) {
      const claim = inclusionOf(tree, index, size)
      for (let other = index + 1n; other <= 80n; other += 1n) {
        const sameWay = sidesOf(index, other) === sidesOf(index, size)
        if (verifyInclusion({ ...claim, size: other }) !== sameWay) t.fail(`entry ${index} of ${size} as of ${other}`)
      }
    }
  }
})

t.test('a proof of another length is refused before anything is hashed', async (t) => {
  const claim = inclusionOf(tree, 5n, 300n)
  const consistency = consistencyOf(tree, 5n, 300n)
  let looks = 0
  const watched = (length: number): Uint8Array[] =>
    new Proxy(new Array<Uint8Array>(length).fill(emptyTree), {
      get: (hashes, name) => {
        if (name !== 'length') looks += 1
        return Reflect.get(hashes, name)
      },
    })
  for (const length of [0, 1, claim.proof.length - 1, claim.proof.length + 1, 64, 1_000]) {
    t.notOk(verifyInclusion({ ...claim, proof: watched(length) }))
  }
  for (const length of [0, 1, consistency.proof.length - 1, consistency.proof.length + 1, 64, 1_000]) {
    t.notOk(verifyConsistency({ ...consistency, proof: watched(length) }))
  }
  t.equal(looks, 0, 'no hash was looked at')
  t.notOk(verifyInclusion({ ...claim, proof: watched(claim.proof.length) }))
  t.not(looks, 0, 'as those of a proof of the right length are')
})

t.test('a proof of any length is refused at the cost of counting it', async (t) => {
  t.notOk(verifyInclusion({ ...inclusionOf(tree, 0n, 1n), proof: new Array<Uint8Array>(1_000_000).fill(emptyTree) }))
  t.notOk(verifyConsistency({ ...consistencyOf(tree, 1n, 1n), proof: new Array<Uint8Array>(1_000_000).fill(emptyTree) }))
})

t.test('of a tree without entries nothing is shown', async (t) => {
  const root = emptyTree
  t.notOk(verifyInclusion({ leafHash: root, index: 0n, size: 0n, proof: [], root }))
  t.notOk(verifyConsistency({ firstSize: 0n, secondSize: 0n, firstRoot: root, secondRoot: root, proof: [] }))
  t.notOk(verifyConsistency({ firstSize: 0n, secondSize: 5n, firstRoot: root, secondRoot: tree.root(0n, 5n), proof: [] }))
  t.notOk(verifyConsistency({ firstSize: 5n, secondSize: 0n, firstRoot: tree.root(0n, 5n), secondRoot: root, proof: [] }))
})

t.test('a size that no tree has is refused', async (t) => {
  for (const size of [-1n, 2n ** 64n, 2n ** 64n + 4n, 2n ** 100n]) {
    t.notOk(verifyInclusion({ ...inclusionOf(tree, 0n, 4n), size }))
    t.notOk(verifyConsistency({ ...consistencyOf(tree, 3n, 4n), secondSize: size }))
    t.notOk(verifyConsistency({ ...consistencyOf(tree, 3n, 4n), firstSize: size }))
  }
})

t.test('proofs of trees beyond 2^53 entries verify, and changed ones do not', async (t) => {
  const place = fc.bigInt({ min: 0n, max: 2n ** 64n })
  fc.assert(
    fc.property(fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }), place, place, fc.nat(255), (size, one, other, bit) => {
      const [index, first] = [one % size, (other % size) + 1n]
      const sparse = sparseTree([index, first - 1n, size - 1n])
      const inclusion = inclusionOf(sparse, index, size)
      t.ok(verifyInclusion(inclusion))
      t.equal(inclusionProofLength(index, size), inclusion.proof.length)
      for (const proof of otherProofs(inclusion.proof, [bit])) t.notOk(verifyInclusion({ ...inclusion, proof }))
      t.notOk(verifyInclusion({ ...inclusion, index: index ^ (1n << BigInt(bit % 53)) }), 'another place')
      const consistency = consistencyOf(sparse, first, size)
      t.ok(verifyConsistency(consistency))
      t.equal(consistencyProofLength(first, size), consistency.proof.length)
      for (const proof of otherProofs(consistency.proof, [bit])) t.notOk(verifyConsistency({ ...consistency, proof }))
    }),
    { numRuns: 20 },
  )
})
