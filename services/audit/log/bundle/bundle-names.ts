/** Names of the files in a bundle. There are no others. */
import { bundlePath, parseTilePath, type TileId, tilePath } from '../tile.ts'

export const fileNames = {
  readme: 'README.txt',
  manifest: 'manifest.json',
  checkpoint: 'checkpoint',
  verifierKeys: 'log.vkeys',
  /** Of a whole ledger: where readers of tlog-tiles look for it. */
  logCheckpoint: 'log/checkpoint',
  indexTable: 'index.csv',
  indexPage: 'index.html',
  keys: 'keys.age',
} as const

export const entryName = (revision: bigint): string => `entries/${revision}.json`
export const receiptName = (revision: bigint): string => `proofs/${revision}.tlog-proof`
export const openedName = (revision: bigint): string => `opened-not-proven/${revision}.json`
export const entriesName = (index: bigint, width: number): string => `log/${bundlePath(index, width)}`
export const tileName = (id: TileId, width: number): string => `log/${tilePath(id, width)}`
/** Of a whole ledger: the opened parts of the entries of one bundle, a line each. */
export const openedBundleName = (index: bigint): string => `opened-not-proven/entries-${index}.ndjson`

/** What a file with one of the names above is. */
export type NamedFile =
  | { readonly kind: 'entry' | 'receipt' | 'opened'; readonly revision: bigint }
  | { readonly kind: 'entries'; readonly index: bigint; readonly width: number }
  | { readonly kind: 'tile'; readonly id: TileId; readonly width: number }
  | { readonly kind: 'opened_bundle'; readonly index: bigint }

const numbered = [
  { kind: 'entry', pattern: /^entries\/(0|[1-9]\d{0,19})\.json$/ },
  { kind: 'receipt', pattern: /^proofs\/(0|[1-9]\d{0,19})\.tlog-proof$/ },
  { kind: 'opened', pattern: /^opened-not-proven\/(0|[1-9]\d{0,19})\.json$/ },
] as const

export const parseName = (name: string): NamedFile | undefined => {
  for (const { kind, pattern } of numbered) {
    const [, revision] = pattern.exec(name) ?? []
    if (revision !== undefined) return { kind, revision: BigInt(revision) }
  }
  const [, index] = /^opened-not-proven\/entries-(0|[1-9]\d{0,19})\.ndjson$/.exec(name) ?? []
  if (index !== undefined) return { kind: 'opened_bundle', index: BigInt(index) }
  const path = name.startsWith('log/') ? parseTilePath(name.slice('log/'.length)) : undefined
  if (path === undefined) return undefined
  if (path.kind === 'entries') return { kind: 'entries', index: path.index, width: path.width }
  return { kind: 'tile', id: { level: path.level, index: path.index }, width: path.width }
}
