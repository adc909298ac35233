/** A ledger read from a C2SP tlog-tiles prefix: any such log with entry bundles, and a running service. */
import { bundlePath, hashesAt, tileLevels, tilePath, tileWidth, widthIn } from '../../tile.ts'
import { hashLength } from '../../tree-hash.ts'
import type { LedgerPart } from '../found.ts'

/** Fetches a resource below the prefix; undefined: there is none. `limit`: bytes that it may have. The caller may write to what it gets. Throws where nothing answers. */
export type FetchResource = (path: string, limit: number) => Promise<Buffer | undefined>

export interface TlogSourceOptions {
  readonly fetch: FetchResource
  /** Of the checkpoint that is checked. */
  readonly size: bigint
  /** Rows of 256 entries that are fetched ahead. Default 4. */
  readonly ahead?: number
}

/** A bundle of full width with every entry as long as it may be. */
const mostBundleBytes = tileWidth * (65_535 + 2)

async function* rowOf({ fetch, size }: TlogSourceOptions, index: bigint): AsyncGenerator<LedgerPart> {
  const width = widthIn(size, { level: 0, index })
  const [bundle, hashes] = await Promise.all([
    fetch(bundlePath(index, width), mostBundleBytes),
    fetch(tilePath({ level: 0, index }, width), tileWidth * hashLength),
  ])
  if (bundle !== undefined) yield { kind: 'bundle', bundle: { first: index * BigInt(tileWidth), most: width, bytes: bundle } }
  if (hashes !== undefined) yield { kind: 'tile', tile: { level: 0, index, hashes } }
}

const collected = async (parts: AsyncIterable<LedgerPart>): Promise<readonly LedgerPart[]> => {
  const all: LedgerPart[] = []
  for await (const part of parts) all.push(part)
  return all
}

/** Entries and tiles of the tree of that size, a few rows fetched ahead of the one that is read. */
export async function* readTlog(options: TlogSourceOptions): AsyncGenerator<LedgerPart> {
  const { fetch, size, ahead = 4 } = options
  const rows = (size + BigInt(tileWidth) - 1n) / BigInt(tileWidth)
  const waiting: Promise<readonly LedgerPart[]>[] = []
  const begin = (row: bigint): void => {
    if (row >= rows) return
    const parts = collected(rowOf(options, row))
    // Whoever waits for it hears it; if nobody does any more, nobody needs to.
    parts.catch(() => undefined)
    waiting.push(parts)
  }
  for (let row = 0n; row < BigInt(ahead); row += 1n) begin(row)
  for (let row = 0n; row < rows; row += 1n) {
    yield* (await waiting.shift()) ?? []
    begin(row + BigInt(ahead))
  }
  for (let level = 1; level < tileLevels && hashesAt(size, level) > 0n; level += 1) {
    for (let index = 0n; index * BigInt(tileWidth) < hashesAt(size, level); index += 1n) {
      const hashes = await fetch(tilePath({ level, index }, widthIn(size, { level, index })), tileWidth * hashLength)
      if (hashes !== undefined) yield { kind: 'tile', tile: { level, index, hashes } }
    }
  }
}
