import fc from 'fast-check'
import t from 'tap'
import { type Strip, stripsFrom } from '../../../services/audit/log/strip.ts'
import { hashesAt, type Tile, tileWidth } from '../../../services/audit/log/tile.ts'
import { appendLeaves, emptyEdge } from '../../../services/audit/log/tree-edge.ts'

const leavesOf = (count: number): Buffer => Buffer.concat(Array.from({ length: count }, (_, place) => Buffer.alloc(32, place % 251)))
const nameOf = ({ level, strip }: Strip): string => `${level}/${strip}`

/** What a table holds that takes each strip in place of the narrower one. */
const keep = (table: Map<string, Strip>, tiles: readonly Tile[], size: bigint): number => {
  const strips = tiles.flatMap((tile) => stripsFrom(tile, size))
  for (const strip of strips) {
    const before = table.get(nameOf(strip))
    if (before?.hashes.equals(strip.hashes.subarray(0, before.hashes.length)) === false) throw new Error('a strip only grows')
    table.set(nameOf(strip), strip)
  }
  return strips.length
}

t.test('however a tree grew, its strips are the tiles, and no strip is written that did not grow', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 8 }), (steps) => {
      const table = new Map<string, Strip>()
      const tiles = new Map<string, Tile>()
      let edge = emptyEdge
      for (const step of steps) {
        const grown = appendLeaves(edge, leavesOf(step))
        const written = keep(table, grown.tiles, edge.size)
        const growing = grown.tiles.reduce((sum, { level, index, hashes }) => {
          const first = Math.max(0, Number(hashesAt(edge.size, level) - index * BigInt(tileWidth)))
          return sum + Math.ceil(hashes.length / 1_024) - Math.floor(first / 32)
        }, 0)
        if (written !== growing) return false
        for (const tile of grown.tiles) tiles.set(`${tile.level}/${tile.index}`, tile)
        edge = grown.edge
      }
      return [...tiles.values()].every(({ level, index, hashes }) => {
        const strips = Array.from({ length: 8 }, (_, at) => table.get(nameOf({ level, strip: 8n * index + BigInt(at), hashes })))
        return Buffer.concat(strips.map((strip) => strip?.hashes ?? Buffer.alloc(0))).equals(hashes)
      })
    }),
    { numRuns: 100 },
  )
  t.end()
})
