/** Where tiles of hashes stand (C2SP tlog-tiles v0.1.0). Level 0 holds leaf hashes; each hash above is the root of one full tile below. */
import { hashLength } from './tree-hash.ts'
import { maxUint64 } from './uint64.ts'

/** Hashes of a full tile, and entries of a full bundle. */
export const tileWidth = 256

/** Levels that a tree of 2^64 entries has. */
export const tileLevels = 8

export interface TileId {
  readonly level: number
  readonly index: bigint
}

/** A tile, full or not yet: its hashes one behind the other. */
export interface Tile extends TileId {
  readonly hashes: Buffer
}

/** What a path of the log names: a tile of hashes, or the bundle of the entries below a tile of level 0. */
export type TilePath =
  | ({ readonly kind: 'hashes'; readonly width: number } & TileId)
  | { readonly kind: 'entries'; readonly index: bigint; readonly width: number }

/** Hashes in a tile. */
export const widthOf = ({ hashes }: Pick<Tile, 'hashes'>): number => hashes.length / hashLength

/** Hashes of that level in a tree of that size. */
export const hashesAt = (size: bigint, level: number): bigint => size >> BigInt(8 * level)

/** Width that a tile has in a tree of that size; 0: it has no such tile. */
export const widthIn = (size: bigint, { level, index }: TileId): number => {
  const hashes = hashesAt(size, level) - index * BigInt(tileWidth)
  return hashes <= 0n ? 0 : hashes >= BigInt(tileWidth) ? tileWidth : Number(hashes)
}

const digitGroups = (index: bigint): string => {
  const digits = index.toString()
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) ?? []
  return groups.map((group, place) => (place < groups.length - 1 ? `x${group}` : group)).join('/')
}

const pathOf = (level: number | 'entries', index: bigint, width: number): string =>
  `tile/${level}/${digitGroups(index)}${width === tileWidth ? '' : `.p/${width}`}`

/** Path of a tile below the log's address, such as `tile/0/x001/067.p/12`; a full tile's has no width. */
export const tilePath = ({ level, index }: TileId, width: number): string => pathOf(level, index, width)

/** Path of the bundle of entries `256 · index` and on, such as `tile/entries/005`. */
export const bundlePath = (index: bigint, width: number): string => pathOf('entries', index, width)

const pathPattern = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d{1,3}))?$/

/** What a path names; undefined unless it is written exactly as `tilePath` and `bundlePath` write it. */
export const parseTilePath = (text: string): TilePath | undefined => {
  const [, level, groups = '', partial] = text.length > 64 ? [] : (pathPattern.exec(text) ?? [])
  if (level === undefined) return undefined
  const index = BigInt(groups.replaceAll(/[x/]/g, ''))
  const width = partial === undefined ? tileWidth : Number(partial)
  if (width < 1 || width > tileWidth || index > maxUint64) return undefined
  if (level === 'entries') return bundlePath(index, width) === text ? { kind: 'entries', index, width } : undefined
  const id = { level: Number(level), index }
  return id.level < 64 && tilePath(id, width) === text ? { kind: 'hashes', ...id, width } : undefined
}
