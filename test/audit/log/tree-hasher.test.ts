import fc from 'fast-check'
import t from 'tap'
import { formatBundle } from '../../../services/audit/log/entry-bundle.ts'
import { type Tile, widthOf } from '../../../services/audit/log/tile.ts'
import { emptyRoot } from '../../../services/audit/log/tree-hash.ts'
import { createTreeHasher } from '../../../services/audit/log/tree-hasher.ts'
import { naiveLeaf, naiveTreeOf, numberedEntries } from '../../support/naive-tree.ts'

t.test('for every size to 600 root and edge are those of the naive tree, whenever they are asked for', async (t) => {
  const entries = numberedEntries(600)
  const tree = naiveTreeOf(entries)
  const asked = createTreeHasher()
  t.ok(asked.root().equals(emptyRoot()))
  const once = createTreeHasher()
  for (const [place, entry] of entries.entries()) {
    asked.append(entry)
    once.append(entry)
    const size = BigInt(place + 1)
    t.equal(once.size, size)
    if (!asked.root().equals(tree.root(0n, size))) t.fail(`another root at ${size}`)
    const [leaves] = asked.edge().levels
    if (!leaves?.equals(Buffer.concat(entries.slice((place + 1) & ~255, place + 1).map(naiveLeaf)))) t.fail(`other leaves at ${size}`)
  }
  t.ok(once.root().equals(tree.root(0n, 600n)), 'or never, but for the last time')
})

t.test('each full tile is told once, in the order they fill, wherever the tree went on from', async (t) => {
  const entries = numberedEntries(70_000)
  const tree = naiveTreeOf(entries)
  const tell = (stops: readonly number[]): string[] => {
    const told: Tile[] = []
    let hasher = createTreeHasher({ onTile: (tile) => told.push(tile) })
    let from = 0
    for (const stop of [...stops, entries.length]) {
      for (const entry of entries.slice(from, stop)) hasher.append(entry)
      from = stop
      hasher = createTreeHasher({ from: hasher.edge(), onTile: (tile) => told.push(tile) })
      t.equal(hasher.size, BigInt(stop))
    }
    t.ok(hasher.root().equals(tree.root(0n, BigInt(entries.length))))
    for (const tile of told) {
      if (widthOf(tile) !== 256) t.fail('a tile that is not full')
      if (!tile.hashes.equals(tree.tile(tile, 70_000n).hashes)) t.fail(`another tile ${tile.level}/${tile.index}`)
    }
    return told.map(({ level, index }) => `${level}/${index}`)
  }
  const expected = Array.from({ length: 273 }, (_, index) => [`0/${index}`, ...(index === 255 ? ['1/0'] : [])]).flat()
  t.same(tell([]), expected)
  t.same(tell([1, 255, 256, 257, 300, 65_535, 65_536, 65_537]), expected)
})

t.test('entries of any length are taken, and nothing of their bytes is kept', async (t) => {
  const shared = Buffer.alloc(70_000)
  const lengths = [0, 1, 54, 55, 56, 63, 64, 600, 4_094, 4_095, 4_096, 4_097, 65_535, 65_536, 70_000]
  const entries = lengths.map((length, place) => Buffer.alloc(length, place + 1))
  const hasher = createTreeHasher()
  for (const entry of entries) {
    entry.copy(shared)
    hasher.append(shared.subarray(0, entry.length))
    shared.fill(0xaa)
  }
  t.ok(hasher.root().equals(naiveTreeOf(entries).root(0n, BigInt(entries.length))))
})

t.test('bundles and single entries make one tree, in any order of them', async (t) => {
  const entries = numberedEntries(1_000)
  const tree = naiveTreeOf(entries)
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(400)), { maxLength: 8 }), (steps) => {
      const told: string[] = []
      const hasher = createTreeHasher({ onTile: ({ level, index }) => told.push(`${level}/${index}`) })
      let size = 0
      for (const [bundled, count] of steps) {
        const next = entries.slice(size, size + count)
        if (bundled) t.ok(hasher.appendBundle(formatBundle(next)))
        else for (const entry of next) hasher.append(entry)
        size += next.length
      }
      t.equal(hasher.size, BigInt(size))
      t.ok(hasher.root().equals(tree.root(0n, BigInt(size))))
      t.same(
        told,
        Array.from({ length: Math.floor(size / 256) }, (_, index) => `0/${index}`),
      )
    }),
  )
})

t.test('of a bundle that is cut nothing is taken', async (t) => {
  const hasher = createTreeHasher()
  hasher.append(Buffer.from('first'))
  const root = hasher.root()
  t.notOk(hasher.appendBundle(formatBundle([Buffer.from('one'), Buffer.from('two')]).subarray(0, -1)))
  t.equal(hasher.size, 1n)
  t.ok(hasher.root().equals(root))
})

t.test('roots are those of the naive tree for random entries', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 90 }), { minLength: 1, maxLength: 520 }), (entries) => {
      const hasher = createTreeHasher()
      for (const entry of entries) hasher.append(entry)
      t.ok(hasher.root().equals(naiveTreeOf(entries).root(0n, BigInt(entries.length))))
    }),
    { numRuns: 50 },
  )
})
