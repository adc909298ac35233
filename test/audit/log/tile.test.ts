import fc from 'fast-check'
import t from 'tap'
import { bundlePath, hashesAt, parseTilePath, tilePath, widthIn } from '../../../services/audit/log/tile.ts'

t.test('paths of tiles and bundles are those of tlog-tiles', async (t) => {
  t.equal(tilePath({ level: 0, index: 5n }, 256), 'tile/0/005')
  t.equal(tilePath({ level: 0, index: 1_000n }, 256), 'tile/0/x001/000')
  t.equal(tilePath({ level: 2, index: 1_234_067n }, 256), 'tile/2/x001/x234/067')
  t.equal(tilePath({ level: 0, index: 1_067n }, 12), 'tile/0/x001/067.p/12')
  t.equal(tilePath({ level: 1, index: 0n }, 1), 'tile/1/000.p/1')
  t.equal(bundlePath(0n, 256), 'tile/entries/000')
  t.equal(bundlePath(1_234_067n, 255), 'tile/entries/x001/x234/067.p/255')
  t.equal(tilePath({ level: 0, index: 2n ** 56n - 1n }, 256), 'tile/0/x072/x057/x594/x037/x927/935', 'the last one of 2^64 entries')
})

t.test('a path that was written is read back', async (t) => {
  const width = fc.integer({ min: 1, max: 256 })
  const index = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 63 }), index, width, (level, index, width) => {
      t.same(parseTilePath(tilePath({ level, index }, width)), { kind: 'hashes', level, index, width })
      t.same(parseTilePath(bundlePath(index, width)), { kind: 'entries', index, width })
    }),
  )
})

t.test('a path written in any other way names nothing', async (t) => {
  const strange = [
    '',
    'tile',
    'tile/',
    'tile/0',
    'tile/0/',
    'tile/0/5',
    'tile/0/05',
    'tile/0/0005',
    'tile/0/x005',
    'tile/0/x000/005',
    'tile/0/000/005',
    'tile/0/x001/x000',
    'tile/0/x1/000',
    'tile/0/X001/000',
    'tile/0/005.p',
    'tile/0/005.p/',
    'tile/0/005.p/0',
    'tile/0/005.p/01',
    'tile/0/005.p/256',
    'tile/0/005.p/257',
    'tile/0/005.p/-1',
    'tile/0/005.p/1.0',
    'tile/0/005.p/1/',
    'tile/0/005/',
    'tile/0//005',
    'tile/00/005',
    'tile/01/005',
    'tile/64/005',
    'tile/-1/005',
    'tile/entries/5',
    'tile/entries/005.p/0',
    'tile/entries/005.p/01',
    'tile/entries/005.p/256',
    'tile/entries/x000/005',
    'tile/entry/005',
    'tile/ENTRIES/005',
    '/tile/0/005',
    'tile/0/005\n',
    ' tile/0/005',
    'tile/0/٠٠٥',
    'tile/0/../005',
    'tile/0/%30%305',
    'tile/0/x018/x446/x744/x073/x709/x551/616',
    `tile/0/${'x999/'.repeat(10)}999`,
    `tile/0/${'x001/'.repeat(100_000)}000`,
  ]
  for (const path of strange) t.equal(parseTilePath(path), undefined, path.slice(0, 60))
  t.match(parseTilePath('tile/0/x018/x446/x744/x073/x709/x551/615'), { index: 2n ** 64n - 1n })
})

t.test('tiles of a size are those of tlog-tiles', async (t) => {
  const shapeOf = (size: bigint) => {
    const shape: [number, bigint, number][] = []
    for (let level = 0; hashesAt(size, level) > 0n; level += 1) {
      const full = hashesAt(size, level) / 256n
      shape.push([level, full, widthIn(size, { level, index: full })])
    }
    return shape
  }
  t.same(shapeOf(0n), [])
  t.same(shapeOf(70_000n), [
    [0, 273n, 112],
    [1, 1n, 17],
    [2, 0n, 1],
  ])
  t.same(shapeOf(256n), [
    [0, 1n, 0],
    [1, 0n, 1],
  ])
  t.equal(widthIn(256n, { level: 0, index: 0n }), 256)
  t.equal(widthIn(255n, { level: 0, index: 0n }), 255)
  t.equal(widthIn(255n, { level: 1, index: 0n }), 0)
  t.equal(widthIn(2n ** 64n - 1n, { level: 7, index: 0n }), 255)
  t.equal(widthIn(2n ** 64n - 1n, { level: 0, index: 2n ** 56n - 1n }), 255)
  t.equal(widthIn(2n ** 53n + 1n, { level: 0, index: 2n ** 45n }), 1)
})
