import { LRUCache } from 'lru-cache'
import type { HashSource } from '../../audit/log/proofs.ts'
import type { PublishedLog, PublishedTree } from '../../audit/log/serve/published-log.ts'
import type { Tile } from '../../audit/log/tile.ts'

/** Tiles kept at once: those that the proofs of neighbouring entries share, at most 8 KiB each. */
const maxTiles = 256

/** Tiles of one published tree for many proofs: each is read once as long as its neighbourhood is asked about. */
export const keptTiles = (log: Pick<PublishedLog, 'tiles'>, tree: PublishedTree): HashSource => {
  const kept = new LRUCache<string, Tile>({ max: maxTiles })
  return {
    tiles: async (ids) => {
      const found = new Map(ids.map((id) => [id, kept.get(`${id.level}/${id.index}`)]))
      const missing = ids.filter((id) => found.get(id) === undefined)
      const read = missing.length === 0 ? [] : await log.tiles(tree, missing)
      for (const tile of read) kept.set(`${tile.level}/${tile.index}`, tile)
      return [...[...found.values()].filter((tile) => tile !== undefined), ...read]
    },
  }
}
