import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { consistencyProof, type HashSource, inclusionProof, rootAt } from '../../../services/audit/log/proofs.ts'
import { leafHash, nodeHash } from '../../../services/audit/log/tree-hash.ts'
import { fault } from '../../support/fault.ts'
import { type NaiveTree, naiveTreeOf, numberedEntries, sparseTree } from '../../support/naive-tree.ts'

const hexOf = (hashes: readonly Buffer[]): string[] => hashes.map((hash) => hash.toString('hex'))
const lineOf = (place: string, hashes: readonly Buffer[]): string => `${[place, ...hexOf(hashes)].join(' ')}\n`

/** `s = 0, or s = e, or s is a multiple of the smallest power of two that is not below e - s`. */
const isValid = (start: number, end: number): boolean => {
  let power = 1
  while (power < end - start) power *= 2
  return start % power === 0
}

t.test('roots over the eight reference leaves are those of Certificate Transparency', async (t) => {
  const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
  const roots = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ]
  const source = naiveTreeOf(leaves.map((leaf) => Buffer.from(leaf, 'hex'))).source(8n)
  for (const [size, root] of roots.entries()) t.equal((await rootAt(BigInt(size), source)).toString('hex'), root)
  const [first, second, third] = leaves.map((leaf) => leafHash(Buffer.from(leaf, 'hex'))) as [Buffer, Buffer, Buffer]
  const doubled = nodeHash(nodeHash(first, second), nodeHash(third, third))
  t.not(doubled.toString('hex'), roots[3], 'a tree that doubles its last leaf misses them')
})

/**
 * The accumulated digests of draft-ietf-plants-merkle-tree-certs, "Subtree Test Vectors", over 130 entries of one byte. What begins at the
 * first entry comes from the product, the rest from the naive tree.
 */
t.test('subtree hashes, inclusion and consistency proofs to size 130 have the digests of the subtree test vectors', async (t) => {
  const size = 130
  const tree = naiveTreeOf(Array.from({ length: size }, (_, index) => Buffer.of(index)))
  const source = tree.source(BigInt(size))
  const digests = { hashes: createHash('sha256'), inclusion: createHash('sha256'), consistency: createHash('sha256') }
  const cases = { hashes: 0, inclusion: 0, consistency: 0, product: 0 }
  const add = (kind: 'hashes' | 'inclusion' | 'consistency', line: string): void => {
    digests[kind].update(line)
    cases[kind] += 1
  }
  for (let end = 0; end <= size; end += 1) {
    for (let start = 0; start <= end; start += 1) {
      if (!isValid(start, end)) continue
      const [s, e] = [BigInt(start), BigInt(end)]
      add('hashes', lineOf(`[${start}, ${end})`, [start === 0 ? await rootAt(e, source) : tree.root(s, e)]))
      for (let index = s; index < e; index += 1n) {
        add(
          'inclusion',
          lineOf(`${index} [${start}, ${end})`, [...(start === 0 ? await inclusionProof(index, e, source) : tree.path(index, s, e))]),
        )
      }
    }
  }
  for (let n = 0; n <= size; n += 1) {
    for (let end = 0; end <= n; end += 1) {
      for (let start = 0; start <= end; start += 1) {
        if (!isValid(start, end)) continue
        const [s, e, all] = [BigInt(start), BigInt(end), BigInt(n)]
        const ours = start === 0 && end > 0
        cases.product += ours ? 1 : 0
        add(
          'consistency',
          lineOf(`[${start}, ${end}) ${n}`, [...(ours ? await consistencyProof(e, all, source) : tree.proof(s, e, 0n, all))]),
        )
      }
    }
  }
  t.same(cases, { hashes: 712, inclusion: 12_807, consistency: 42_893, product: (130 * 131) / 2 })
  t.equal(digests.hashes.digest('hex'), 'b82806ad4265bb151c1119c0f4db437bb4d1a1f887b3a7fba1cd4ebf552e3e81')
  t.equal(digests.inclusion.digest('hex'), 'ac2a8f989e44d99e399db448050ff5f19757df53cfb716aa81015d3955d8163f')
  t.equal(digests.consistency.digest('hex'), '10fa99b37bf9bf9ffa26b412fbd98bd75363256d0b75d61bc4538b9c9c5a0a74')
})

/** What the product makes of a tree, beside what the naive tree does. */
const compare = async (tree: NaiveTree, source: HashSource, first: bigint, index: bigint, size: bigint): Promise<string | undefined> => {
  const inclusion = hexOf(await inclusionProof(index, size, source)).join() === hexOf(tree.path(index, 0n, size)).join()
  const consistency = hexOf(await consistencyProof(first, size, source)).join() === hexOf(tree.proof(0n, first, 0n, size)).join()
  return inclusion && consistency ? undefined : `${index} or ${first} in ${size}`
}

t.test('for every size to 300 all proofs and roots are those of the naive tree, from the tiles of any size since', async (t) => {
  const tree = naiveTreeOf(numberedEntries(300))
  const largest = tree.source(300n)
  for (let size = 1n; size <= 300n; size += 1n) {
    const source = size % 2n === 0n ? largest : tree.source(size)
    t.ok((await rootAt(size, source)).equals(tree.root(0n, size)))
    for (let index = 0n; index < size; index += 1n) {
      const differs = await compare(tree, source, index + 1n, index, size)
      if (differs !== undefined) t.fail(differs)
    }
  }
})

/** Sizes around powers of two, and any. */
const largeSize = fc.oneof(
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
  fc.tuple(fc.integer({ min: 53, max: 63 }), fc.bigInt({ min: -300n, max: 300n })).map(([power, more]) => 2n ** BigInt(power) + more),
)

t.test('sizes and indices beyond 2^53 are exact', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      largeSize,
      fc.bigInt({ min: 0n, max: 2n ** 64n }),
      fc.bigInt({ min: 0n, max: 2n ** 64n }),
      async (size, one, other) => {
        const [index, first] = [one % size, (other % size) + 1n]
        const tree = sparseTree([index, first - 1n, size - 1n])
        const source = tree.source(size)
        t.equal(await compare(tree, source, first, index, size), undefined)
        t.ok((await rootAt(size, source)).equals(tree.root(0n, size)))
        t.equal(source.asked.length, 3, 'each in one round')
        t.ok(
          source.asked.every((ids) => ids.length <= 16 && new Set(ids.map(({ level, index }) => `${level}/${index}`)).size === ids.length),
        )
      },
    ),
    { numRuns: 60 },
  )
})

t.test('of a tree without entries there is a root and no proof', async (t) => {
  const source = naiveTreeOf([]).source(0n)
  t.equal((await rootAt(0n, source)).toString('hex'), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  await t.rejects(inclusionProof(0n, 0n, source), RangeError)
  await t.rejects(consistencyProof(0n, 0n, source), RangeError)
  t.same(source.asked, [])
})

t.test('what no tree has is refused before anything is read', async (t) => {
  const source = naiveTreeOf(numberedEntries(10)).source(10n)
  for (const [index, size] of [
    [10n, 10n],
    [11n, 10n],
    [-1n, 10n],
    [0n, -1n],
    [0n, 2n ** 64n],
  ] as const) {
    await t.rejects(inclusionProof(index, size, source), RangeError)
  }
  for (const [first, second] of [
    [0n, 10n],
    [-1n, 10n],
    [10n, 9n],
    [1n, 2n ** 64n],
  ] as const) {
    await t.rejects(consistencyProof(first, second, source), RangeError)
  }
  for (const size of [-1n, 2n ** 64n]) await t.rejects(rootAt(size, source), RangeError)
  t.same(source.asked, [])
})

t.test('a tree of one entry has empty proofs, and one that continues itself too, for which nothing is read', async (t) => {
  const source = naiveTreeOf(numberedEntries(300)).source(300n)
  t.same(await inclusionProof(0n, 1n, source), [])
  t.same(await consistencyProof(300n, 300n, source), [])
  t.same(source.asked, [])
})

t.test('a tile that is missing or too narrow is a fault, never another proof', async (t) => {
  const tree = naiveTreeOf(numberedEntries(300))
  const narrow = tree.source(299n)
  const without = (level: number): HashSource => ({
    tiles: async (ids) => await tree.source(300n).tiles(ids.filter((id) => id.level !== level)),
  })
  await t.rejects(rootAt(300n, narrow), fault('INTERNAL'))
  await t.rejects(inclusionProof(3n, 300n, narrow), fault('INTERNAL'))
  await t.rejects(consistencyProof(3n, 300n, narrow), fault('INTERNAL'))
  for (const level of [0, 1]) await t.rejects(inclusionProof(299n, 300n, without(level)), fault('INTERNAL'))
})
