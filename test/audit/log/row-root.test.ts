import t from 'tap'
import { rowRoot } from '../../../services/audit/log/row-root.ts'
import { naiveTreeOf, numberedEntries } from '../../support/naive-tree.ts'

t.test('the root over a row is that of the naive tree for every length of a tile, and the row stays as it was', async (t) => {
  const tree = naiveTreeOf(numberedEntries(256))
  const row = tree.tile({ level: 0, index: 0n }, 256n).hashes
  const before = Buffer.from(row)
  for (let width = 1; width <= 256; width += 1) {
    if (!rowRoot(row.subarray(0, width * 32)).equals(tree.root(0n, BigInt(width)))) t.fail(`another root over ${width} hashes`)
  }
  t.ok(row.equals(before))
})

t.test('what is no tile has no root', async (t) => {
  for (const bytes of [0, 31, 33, 256 * 32 + 1, 257 * 32]) t.throws(() => rowRoot(Buffer.alloc(bytes)), RangeError)
})
