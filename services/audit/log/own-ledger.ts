/** A ledger of this installation and its log, read by the installation itself as a stranger would read them: nothing in them is believed. */
import type { Wanted } from '../../kernel/clinic-gate.ts'
import type { ClinicRows } from '../clinic-entries.ts'
import type { LogReader, LogState } from './log-store.ts'
import { hashesAt, type Tile, type TileId, tileLevels, tileWidth, widthIn } from './tile.ts'
import { hashLength, leafMessage } from './tree-hash.ts'
import type { LedgerPart } from './verify/found.ts'

export interface OwnLedgerOptions {
  readonly clinic: string
  readonly rows: ClinicRows['rows']
  readonly reader: Pick<LogReader, 'tiles'>
  /** Undefined: there is no log of it. */
  readonly log: LogState | undefined
  /** Entries that there are by other accounts; only for saying how much is left. */
  readonly total: bigint
  /** Called after so many entries, of so many; what it answers is waited for, and what it throws ends the reading. */
  readonly passed: (done: bigint, total: bigint) => Promise<void>
  readonly wanted: Wanted
}

/** Entries read at once: some full tiles of them. */
const pageEntries = 4 * tileWidth

/** Entries that one tile of a level stands for. */
const entriesOf = (level: number): bigint => 1n << BigInt(8 * (level + 1))

/** Tiles of a log that end behind `from` entries and not behind `to`; all that are left, partial ones too, where `to` is undefined. */
function* tilesBetween(size: bigint, from: bigint, to: bigint | undefined): Generator<TileId> {
  for (let level = 0; level < tileLevels; level += 1) {
    const [each, hashes] = [entriesOf(level), hashesAt(size, level)]
    if (hashes === 0n) return
    const count = (hashes + BigInt(tileWidth) - 1n) / BigInt(tileWidth)
    const end = to === undefined ? count : to / each
    for (let index = from / each; index < end && index < count; index += 1n) yield { level, index }
  }
}

/** Without what has been integrated since: those entries may not have been read. */
const asOf = (size: bigint, { level, index, hashes }: Tile): Tile => ({
  level,
  index,
  hashes: hashes.subarray(0, widthIn(size, { level, index }) * hashLength),
})

/** Tiles asked for at once. */
const mostTiles = 256

export async function* readOwnLedger(options: OwnLedgerOptions): AsyncGenerator<LedgerPart> {
  const { clinic, rows, reader, log, total, passed, wanted } = options

  const size = log?.size ?? 0n

  async function* tiles(from: bigint, to: bigint | undefined): AsyncGenerator<LedgerPart> {
    let asked: TileId[] = []
    const fetch = async (): Promise<readonly LedgerPart[]> => {
      const ids = asked
      asked = []
      const found = ids.length === 0 ? [] : await reader.tiles(clinic, ids, log?.generation)
      // A tile that comes before an earlier one would look as if that one were missing.
      const order = (id: TileId) => ids.findIndex(({ level, index }) => level === id.level && index === id.index)
      return [...found].sort((one, other) => order(one) - order(other)).map((tile) => ({ kind: 'tile', tile: asOf(size, tile) }))
    }
    for (const id of tilesBetween(size, from, to)) {
      asked.push(id)
      if (asked.length === mostTiles) yield* await fetch()
    }
    yield* await fetch()
  }

  let next = 0n
  let done = 0n
  for (;;) {
    const page = await rows(clinic, next, pageEntries, wanted)
    if (page.length > 0) {
      yield {
        kind: 'entries',
        entries: page.map(({ revision, bytes, id, type, stateChanging, requestDigest }) => ({
          revision,
          message: leafMessage(bytes),
          columns: { id, type, stateChanging, requestDigest },
        })),
      }
    }
    const reached = (page.at(-1)?.revision ?? next - 1n) + 1n
    const last = page.length < pageEntries
    yield* tiles(next, last ? undefined : reached)
    next = reached
    done += BigInt(page.length)
    await passed(done, total > done ? total : done)
    if (last) return
  }
}
