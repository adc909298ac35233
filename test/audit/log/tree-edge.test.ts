import t from 'tap'
import { type Tile, type TileId, widthIn, widthOf } from '../../../services/audit/log/tile.ts'
import { appendLeaves, edgeOf, edgeRoot, emptyEdge, type TreeEdge } from '../../../services/audit/log/tree-edge.ts'
import { emptyRoot } from '../../../services/audit/log/tree-hash.ts'
import { naiveTreeOf, numberedEntries, sparseTree } from '../../support/naive-tree.ts'

const count = 70_000
const tree = naiveTreeOf(numberedEntries(count))
const leaves = Buffer.concat(Array.from({ length: Math.ceil(count / 256) }, (_, index) => leafTile(index).hashes))

function leafTile(index: number): Tile {
  return tree.tile({ level: 0, index: BigInt(index) }, BigInt(count))
}

const leavesOf = (from: number, to: number): Buffer => leaves.subarray(from * 32, to * 32)
const keyOf = ({ level, index }: TileId): string => `${level}/${index}`

/** Tiles as a store keeps them: the widest of each place. */
const keep = (kept: Map<string, Tile>, tiles: readonly Tile[]): void => {
  for (const tile of tiles) kept.set(keyOf(tile), tile)
}

/** Grows a tree by steps of these sizes; what `tiles` says at the end, and all that was ever handed out. */
const grow = (sizes: readonly number[]) => {
  const kept = new Map<string, Tile>()
  let edge: TreeEdge = emptyEdge
  let handedOut = 0
  for (const size of sizes) {
    const grown = appendLeaves(edge, leavesOf(Number(edge.size), size))
    keep(kept, grown.tiles)
    handedOut += grown.tiles.length
    edge = grown.edge
  }
  return { edge, kept, handedOut }
}

/** Every tile that a tree of this size has, by the naive tree. */
const tilesOf = (size: number): Tile[] => {
  const tiles: Tile[] = []
  for (let level = 0; size >= 256 ** level; level += 1) {
    for (let index = 0n; ; index += 1n) {
      const tile = tree.tile({ level, index }, BigInt(size))
      if (tile.hashes.length === 0) break
      tiles.push(tile)
    }
  }
  return tiles
}

const edgeTiles = (size: number): Tile[] => tilesOf(size).filter((tile) => widthOf(tile) < 256)

t.test('the tree without entries has the root of nothing, no levels and no tiles', async (t) => {
  t.ok(edgeRoot(emptyEdge).equals(emptyRoot()))
  t.same(appendLeaves(emptyEdge, Buffer.alloc(0)), { edge: emptyEdge, tiles: [] })
  t.same(edgeOf(0n, []), emptyEdge)
})

t.test('for every size to 300, grown leaf by leaf or at once, tiles and root are those of the naive tree', async (t) => {
  const kept = new Map<string, Tile>()
  let edge: TreeEdge = emptyEdge
  for (let size = 1; size <= 300; size += 1) {
    const grown = appendLeaves(edge, leavesOf(size - 1, size))
    keep(kept, grown.tiles)
    edge = grown.edge
    const expected = tree.root(0n, BigInt(size))
    const atOnce = grow([size])
    if (!edgeRoot(edge).equals(expected)) t.fail(`another root at ${size}`)
    if (!edgeRoot(atOnce.edge).equals(expected)) t.fail(`another root at ${size}, at once`)
    t.strictSame(sorted(kept), sorted(tilesOf(size)), `tiles at ${size}`)
    t.strictSame(sorted(atOnce.kept), sorted(tilesOf(size)), `tiles at ${size}, at once`)
    t.equal(atOnce.handedOut, tilesOf(size).length, 'each once')
  }
})

function sorted(tiles: ReadonlyMap<string, Tile> | readonly Tile[]): string[] {
  return [...tiles.values()].map((tile) => `${keyOf(tile)} ${tile.hashes.toString('base64')}`).sort()
}

t.test('tiles are those of the naive tree where levels begin and end', async (t) => {
  for (const size of [255, 256, 257, 511, 512, 513, 65_279, 65_280, 65_281, 65_535, 65_536, 65_537, 70_000]) {
    const byOne = [size - 2, size - 1, size]
    for (const sizes of [[size], byOne]) {
      const { edge, kept } = grow(sizes)
      t.ok(edgeRoot(edge).equals(tree.root(0n, BigInt(size))), `root at ${size}`)
      t.strictSame(sorted(kept), sorted(tilesOf(size)), `tiles at ${size}`)
      t.same(
        edge.levels.map((level) => level.length / 32),
        edge.levels.map((_, level) => Math.floor(size / 256 ** level) % 256),
      )
    }
  }
})

t.test('only tiles that are new or wider are handed out', async (t) => {
  const before = grow([65_535]).edge
  const places = (from: TreeEdge, to: number) =>
    appendLeaves(from, leavesOf(Number(from.size), to)).tiles.map((tile) => `${keyOf(tile)} ${widthOf(tile)}`)
  t.same(places(before, 65_535), [])
  t.same(places(before, 65_536), ['0/255 256', '1/0 256', '2/0 1'])
  t.same(places(before, 65_537), ['0/255 256', '0/256 1', '1/0 256', '2/0 1'])
  t.same(places(grow([65_537]).edge, 65_538), ['0/256 2'])
})

t.test('a tree goes on from its tiles at every size', async (t) => {
  const end = 66_000
  const stops = [...Array.from({ length: 520 }, (_, place) => place), 65_279, 65_280, 65_281, 65_535, 65_536, 65_537, 65_791, 65_792]
  const expected = tree.root(0n, BigInt(end))
  for (const size of stops) {
    const edge = edgeOf(BigInt(size), edgeTiles(size))
    if (edge === undefined) t.fail(`no edge at ${size}`)
    else if (!edgeRoot(edge).equals(tree.root(0n, BigInt(size)))) t.fail(`another root at ${size}`)
    else if (size % 32 === 0 || size > 65_000) {
      const { edge: grown, tiles } = appendLeaves(edge, leavesOf(size, end))
      t.ok(edgeRoot(grown).equals(expected), `from ${size} to ${end}`)
      const wider = tilesOf(end).filter((tile) => widthIn(BigInt(size), tile) < widthOf(tile))
      t.strictSame(sorted(tiles), sorted(wider))
    }
  }
})

t.test('an edge is found in the tiles of a tree that has grown since', async (t) => {
  const later = edgeTiles(300)
  t.ok(edgeRoot(edgeOf(300n, later) ?? emptyEdge).equals(tree.root(0n, 300n)))
  t.ok(edgeRoot(edgeOf(257n, later) ?? emptyEdge).equals(tree.root(0n, 257n)))
  t.equal(edgeOf(301n, later), undefined, 'but not in those of one that is smaller')
})

t.test('tiles that do not make the edge of the size are refused', async (t) => {
  const [leavesTile, upper] = edgeTiles(300) as [Tile, Tile]
  t.not(edgeOf(300n, [upper, leavesTile]), undefined, 'their order does not matter')
  const refused: Record<string, readonly Tile[]> = {
    'one is missing': [leavesTile],
    'all are missing': [],
    'one is too narrow': [{ ...leavesTile, hashes: leavesTile.hashes.subarray(32) }, upper],
    'one ends within a hash': [{ ...leavesTile, hashes: leavesTile.hashes.subarray(0, -1) }, upper],
    'one is of another place': [{ ...leavesTile, index: 0n }, upper],
    'one is of another level': [{ ...leavesTile, level: 1 }, upper],
    'one has no place': [leavesTile, upper, { level: 2, index: 0n, hashes: upper.hashes }],
    'one comes twice': [leavesTile, leavesTile, upper],
  }
  for (const [what, tiles] of Object.entries(refused)) t.equal(edgeOf(300n, tiles), undefined, what)
  t.equal(edgeOf(-1n, []), undefined)
  t.equal(edgeOf(2n ** 64n, []), undefined)
  t.equal(edgeOf(0n, [upper]), undefined)
})

t.test('a tree beyond 2^53 entries goes on, and ends below 2^64', async (t) => {
  for (const size of [2n ** 53n - 3n, 2n ** 53n + 1n, 2n ** 56n - 2n, 2n ** 63n + 65_534n, 2n ** 64n - 6n]) {
    const added = Array.from({ length: 5 }, (_, place) => size + BigInt(place))
    const sparse = sparseTree(added)
    const partial = Array.from({ length: 8 }, (_, level) => sparse.tile({ level, index: size >> BigInt(8 * level + 8) }, size))
    const edge = edgeOf(
      size,
      partial.filter(({ hashes }) => hashes.length > 0),
    )
    if (edge === undefined) throw new Error(`no edge at ${size}`)
    t.ok(edgeRoot(edge).equals(sparse.root(0n, size)), `root at ${size}`)
    const { edge: grown, tiles } = appendLeaves(edge, sparseLeaves(sparse, added))
    t.ok(edgeRoot(grown).equals(sparse.root(0n, size + 5n)), `root at ${size} and 5`)
    for (const tile of tiles) t.ok(sparse.tile(tile, size + 5n).hashes.equals(tile.hashes), keyOf(tile))
  }
  const full = { size: 2n ** 64n - 1n, levels: Array.from({ length: 8 }, () => Buffer.alloc(255 * 32)) }
  t.throws(() => appendLeaves(full, Buffer.alloc(32)), RangeError)
})

function sparseLeaves(sparse: ReturnType<typeof sparseTree>, indices: readonly bigint[]): Buffer {
  return Buffer.concat(indices.map((index) => sparse.root(index, index + 1n)))
}

t.test('an edge stays as it was when a tree goes on from it, and hashes keep nothing of the bytes they came in', async (t) => {
  const incoming = Buffer.from(leavesOf(0, 300))
  const { edge } = appendLeaves(emptyEdge, incoming)
  const root = edgeRoot(edge)
  appendLeaves(edge, leavesOf(300, 600))
  incoming.fill(0)
  t.ok(edgeRoot(edge).equals(root))
  t.throws(() => appendLeaves(edge, Buffer.alloc(33)), RangeError, 'half a hash is none')
})
