/**
 * One pass over a ledger and its tiles: every entry is hashed once, and what is needed to judge any checkpoint is kept, in memory that does
 * not grow with the ledger. Judging comes afterwards (judge.ts): only then it is known which of the two, entries or tiles, a signature proves.
 */
import { bundleLeafHashes } from '../entry-bundle.ts'
import { type Tile, tileLevels, tileWidth } from '../tile.ts'
import { hashLength, leafMessageHash } from '../tree-hash.ts'
import { type Alignment, createAlignment, type FoundMessage, noHash } from './alignment.ts'
import { bundleEntries, bundleMessages } from './bundle-entries.ts'
import { createEdgesAt, type EdgesAt, newRows, type OnTiles } from './edges-at.ts'
import { envelopeEnd } from './envelope-end.ts'
import type { Fault } from './fault.ts'
import type { FoundBundle, FoundEntry, LedgerPart } from './found.ts'
import { type KeyAdded, keyAddedOf, mayTellOfLog, type Restarted, restartedOf } from './log-events.ts'
import type { ReceiptLeaf } from './narrow.ts'
import { type ChangesState, columnFaults } from './plain-faults.ts'
import { createRowComparison, type RowComparison } from './row-comparison.ts'

export interface ObserveOptions {
  readonly clinic: string
  readonly parts: AsyncIterable<LedgerPart>
  /** Sizes of all checkpoints there are. */
  readonly sizes: readonly bigint[]
  /** Revisions whose leaf hash is wanted. */
  readonly revisions?: readonly bigint[]
  /** Knows the types of entries, for comparing columns. Default: none is known. */
  readonly changesState?: ChangesState
  /** Told after each part how many entries have been read. */
  readonly onProgress?: (entries: bigint) => void
}

export interface Observation {
  readonly clinic: string
  /** One more than the last revision found. */
  readonly size: bigint
  /** Entries found. */
  readonly entries: bigint
  readonly firstTime: string | undefined
  readonly lastTime: string | undefined
  /** The tree of the entries found, and that of the kept leaf hashes. */
  readonly found: EdgesAt
  readonly logged: EdgesAt
  /** The trees over the kept hashes of each level above the leaves: their leaves are these hashes. Level 0 is left out. */
  readonly above: readonly EdgesAt[]
  /** Kept hashes of a level against those that follow from the entries, and from the kept leaf hashes; by level, from 1 on. */
  readonly foundRows: readonly RowComparison[]
  readonly loggedRows: readonly RowComparison[]
  readonly alignment: Alignment
  readonly plain: readonly Fault[]
  readonly leaves: ReadonlyMap<bigint, ReceiptLeaf>
  readonly keysAdded: readonly KeyAdded[]
  readonly restarts: readonly Restarted[]
}

/** Entries or hashes that may be missing in a row before nothing is put in their places any more. */
const mostHoles = 65_536

/** Faults and events of each kind that are kept. */
const mostKept = 1000

const noHashText = noHash.toString('latin1')

const holes = (count: number): Buffer => Buffer.alloc(count * hashLength, noHash)

const ascending = (sizes: Iterable<bigint>): readonly bigint[] =>
  [...new Set(sizes)].filter((size) => size > 0n).sort((a, b) => (a < b ? -1 : 1))

/** The two trees. They are one as long as entries and tiles agree, so that an untouched ledger is hashed once. */
const createTrees = (sizes: readonly bigint[]) => {
  const levels = Array.from({ length: tileLevels }, (_, level) => level).slice(1)
  const foundRows = levels.map(() => createRowComparison())
  const expectIn =
    (rows: readonly RowComparison[]): OnTiles =>
    (before, tiles) => {
      for (const [at, row] of newRows(before, tiles).entries()) rows[at]?.expect(row)
    }
  const found = createEdgesAt(sizes, expectIn(foundRows))
  let parted: { readonly logged: EdgesAt; readonly rows: readonly RowComparison[] } | undefined
  let [entries, hashes] = [Buffer.alloc(0), Buffer.alloc(0)] as readonly [Buffer, Buffer]
  const partNow = (): NonNullable<typeof parted> => {
    const rows = foundRows.map((row) => row.fork())
    parted ??= { logged: found.fork(expectIn(rows)), rows }
    return parted
  }
  const settle = (ended: boolean): void => {
    if (parted === undefined) {
      const both = Math.min(entries.length, hashes.length)
      const same = entries.subarray(0, both)
      if (same.equals(hashes.subarray(0, both))) {
        if (both > 0) found.append(same)
        entries = entries.subarray(both)
        hashes = hashes.subarray(both)
        if (!ended && entries.length < mostHoles * hashLength && hashes.length < mostHoles * hashLength) return
      }
    }
    const { logged } = partNow()
    if (entries.length > 0) found.append(entries)
    if (hashes.length > 0) logged.append(hashes)
    ;[entries, hashes] = [Buffer.alloc(0), Buffer.alloc(0)]
  }
  return {
    found,
    foundRows,
    entry: (more: Buffer): void => {
      entries = entries.length === 0 ? more : Buffer.concat([entries, more])
      settle(false)
    },
    hash: (more: Buffer): void => {
      hashes = hashes.length === 0 ? more : Buffer.concat([hashes, more])
      settle(false)
    },
    keep: (level: number, row: Buffer): void => {
      foundRows[level - 1]?.keep(row)
      parted?.rows[level - 1]?.keep(row)
    },
    end: () => {
      settle(true)
      return partNow()
    },
  }
}

/** The kept hashes of each level as one row, holes where a tile is missing. */
const createTileRows = (take: (level: number, hashes: Buffer) => void) => {
  const next = new Map<number, bigint>()
  return ({ level, index, hashes }: Tile): void => {
    const expected = next.get(level) ?? 0n
    const start = index * BigInt(tileWidth)
    const gap = start - expected
    if (gap < 0n || gap > BigInt(mostHoles) || level < 0 || level >= tileLevels) return
    const whole = hashes.subarray(0, Math.min(tileWidth, Math.floor(hashes.length / hashLength)) * hashLength)
    if (gap > 0n) take(level, holes(Number(gap)))
    if (whole.length > 0) take(level, whole)
    next.set(level, start + BigInt(whole.length / hashLength))
  }
}

export const observe = async (options: ObserveOptions): Promise<Observation> => {
  const { clinic, parts, changesState = () => undefined, onProgress } = options
  const sizes = ascending(options.sizes)
  const wanted = new Set(options.revisions)
  const trees = createTrees(sizes)
  const above = Array.from({ length: tileLevels - 1 }, (_, at) =>
    createEdgesAt(ascending(sizes.map((size) => size >> BigInt(8 * (at + 1))))),
  )
  const alignment = createAlignment()
  const plain: Fault[] = []
  const leaves = new Map<bigint, ReceiptLeaf>()
  const keysAdded: KeyAdded[] = []
  const restarts: Restarted[] = []
  let [size, entries, logged] = [0n, 0n, 0n]
  let firstTime: string | undefined
  let last: () => FoundMessage = () => undefined
  let broken = false

  const note = (fault: Fault): void => {
    if (plain.length < mostKept) plain.push(fault)
  }
  const watch = (place: bigint, leaf: ReceiptLeaf): void => {
    if (wanted.has(place)) leaves.set(place, { ...leaves.get(place), ...leaf })
  }
  const takeEvents = ({ revision, message }: FoundEntry): void => {
    const bytes = message.subarray(1)
    const added = keyAddedOf(revision, bytes)
    if (added !== undefined && keysAdded.length < mostKept) keysAdded.push(added)
    const restart = restartedOf(revision, bytes)
    if (restart !== undefined && restarts.length < mostKept) restarts.push(restart)
  }

  const takeEntries = (batch: readonly FoundEntry[]): void => {
    let [hashes, taken] = ['', 0]
    const messages: FoundMessage[] = []
    for (const entry of broken ? [] : batch) {
      const { revision, message } = entry
      if (revision < size) {
        note({ kind: 'entry_inserted', clinic, revision, lastRevision: revision, detail: 'There is more than one entry of this revision.' })
        continue
      }
      if (revision > size) {
        const lastRevision = revision - 1n
        const detail = 'The numbers of the entries leave it out.'
        note({ kind: 'entry_missing', clinic, revision: size, lastRevision, time: undefined, detail })
        broken = revision - size > BigInt(mostHoles)
        if (broken) break
        const missing = Number(revision - size)
        hashes += noHashText.repeat(missing)
        for (let hole = 0; hole < missing; hole += 1) messages.push(undefined)
      }
      const hash = leafMessageHash(message)
      hashes += hash
      messages.push(message)
      taken += 1
      if (entries === 0n && taken === 1) firstTime = envelopeEnd(message)?.time
      last = () => message
      size = revision + 1n
      if (entry.columns !== undefined) for (const fault of columnFaults(clinic, entry, changesState)) note(fault)
      if (wanted.size > 0 && wanted.has(revision)) {
        watch(revision, { found: Buffer.from(hash, 'latin1'), time: envelopeEnd(message)?.time })
      }
      if (mayTellOfLog(message, message.length)) takeEvents(entry)
    }
    entries += BigInt(taken)
    if (hashes === '') return
    const row = Buffer.from(hashes, 'latin1')
    trees.entry(row)
    alignment.found(row, messages)
  }

  /** What `takeEntries` does with the entries of a bundle, without taking them out of it. */
  const takeBundle = (bundle: FoundBundle): void => {
    if (broken || bundle.first !== size || wanted.size > 0) return takeEntries(bundleEntries(bundle))
    const { bytes, most } = bundle
    const telling: number[] = []
    let count = 0
    const hashes = bundleLeafHashes(bytes, (end) => {
      if (mayTellOfLog(bytes, end)) telling.push(count)
      count += 1
    })
    const taken = Math.min(count, most)
    if (hashes === undefined || taken === 0) return
    const messages = bundleMessages(bytes, taken)
    const messageAt = (place: number): Uint8Array => messages.at(place) ?? new Uint8Array()
    if (entries === 0n) firstTime = envelopeEnd(messageAt(0))?.time
    last = () => messages.at(taken - 1)
    for (const place of telling) if (place < taken) takeEvents({ revision: size + BigInt(place), message: messageAt(place) })
    size += BigInt(taken)
    entries += BigInt(taken)
    const row = hashes.subarray(0, taken * hashLength)
    trees.entry(row)
    alignment.found(row, messages)
  }

  const takeTile = createTileRows((level, hashes) => {
    if (level > 0) {
      trees.keep(level, hashes)
      above[level - 1]?.append(hashes)
      return
    }
    for (const place of wanted) {
      const at = place - logged
      if (at < 0n || at >= BigInt(hashes.length / hashLength)) continue
      watch(place, { logged: hashes.subarray(Number(at) * hashLength, (Number(at) + 1) * hashLength) })
    }
    logged += BigInt(hashes.length / hashLength)
    trees.hash(hashes)
    alignment.logged(hashes)
  })

  for await (const part of parts) {
    if (part.kind === 'tile') takeTile(part.tile)
    else if (part.kind === 'bundle') takeBundle(part.bundle)
    else takeEntries(part.entries)
    onProgress?.(entries)
  }
  const { logged: loggedTree, rows } = trees.end()
  const lastMessage = last()
  return {
    clinic,
    size,
    entries,
    firstTime,
    lastTime: lastMessage && envelopeEnd(lastMessage)?.time,
    found: trees.found,
    logged: loggedTree,
    above,
    foundRows: trees.foundRows,
    loggedRows: rows,
    alignment: alignment.end(),
    plain,
    leaves,
    keysAdded,
    restarts,
  }
}
