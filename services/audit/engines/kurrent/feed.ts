/**
 * The feed in the order of the index: gapless positions and leaf hashes come from there, entries from their streams. An entry that does not have
 * the leaf hash it was indexed with is not handed on.
 */
import { ChartwardenError } from '../../../kernel/errors.ts'
import type { FeedBatch, LeafFeed, LedgerFeed, Position, StoredEntry } from '../../ledger.ts'
import { leafHash } from '../../log/tree-hash.ts'
import { nextPage, type PageSource } from '../next-page.ts'
import { numberOf, positionOf } from '../position.ts'
import { gap } from '../postgres/entry-rows.ts'
import { leafRuns } from '../postgres/leaf-rows.ts'
import type { FeedRow, LedgerIndex } from './ledger-index.ts'
import type { StreamReader } from './stream-reader.ts'

export interface FeedOptions {
  readonly index: Pick<LedgerIndex, 'after' | 'leavesAfter' | 'leavesOf' | 'end'>
  readonly reader: Pick<StreamReader, 'at'>
  readonly changes: PageSource['changes']
  readonly pollMs: number
  readonly pageEntries: number
  /** Called whenever somebody begins to read. */
  readonly begin: () => void
  readonly closing: AbortSignal
}

/** How long the feed is; also for who has the database and not the streams. */
export const createFeedEnd = (index: Pick<LedgerIndex, 'end'>): Pick<LedgerFeed, 'end' | 'distance'> => ({
  async end(): Promise<Position | undefined> {
    const end = await index.end()
    return end === 0n ? undefined : positionOf(end)
  },
  distance: (from, to) => numberOf(to) - numberOf(from),
})

/** Clinics whose entries are fetched at once. */
const clinicsAtOnce = 8

export const createFeed = (options: FeedOptions): LedgerFeed & LeafFeed => {
  const { index, reader, changes, pollMs, pageEntries, begin, closing } = options
  const pages: PageSource = { changes, pollMs, end: () => index.end() }

  const entriesOf = async (clinic: string, rows: readonly FeedRow[]): Promise<readonly StoredEntry[]> => {
    const entries: StoredEntry[] = []
    for await (const entry of reader.at(
      clinic,
      rows.map(({ revision }) => BigInt(revision)),
    )) {
      if (!rows[entries.length]?.leaf_hash.equals(leafHash(entry.bytes))) {
        throw new ChartwardenError('INTERNAL', {
          cause: new Error(`revision ${entry.revision} of a stream is not the entry that was indexed`),
        })
      }
      entries.push(entry)
    }
    return entries
  }

  /** The rows' entries, in their order. */
  const fetched = async (rows: readonly FeedRow[]): Promise<readonly StoredEntry[]> => {
    const byClinic = [...Map.groupBy(rows, ({ clinic }) => clinic)]
    const entries = new Map<string, Iterator<StoredEntry>>()
    for (let at = 0; at < byClinic.length; at += clinicsAtOnce) {
      const some = byClinic.slice(at, at + clinicsAtOnce)
      const read = await Promise.all(some.map(([clinic, own]) => entriesOf(clinic, own)))
      for (const [n, [clinic]] of some.entries()) entries.set(clinic, (read[n] as readonly StoredEntry[])[Symbol.iterator]())
    }
    return rows.map(({ clinic }) => entries.get(clinic)?.next().value as StoredEntry)
  }

  return {
    async *subscribe(from, signal): AsyncGenerator<FeedBatch> {
      const stop = AbortSignal.any([signal, closing])
      let last = numberOf(from)
      begin()
      for (;;) {
        const rows = await nextPage(pages, last, stop, () => index.after(last, pageEntries))
        if (rows === undefined || stop.aborted) return
        for (const { position } of rows) {
          if (BigInt(position) !== last + 1n) throw gap('position', last + 1n, BigInt(position))
          last += 1n
        }
        yield { entries: await fetched(rows), position: positionOf(last) }
      }
    },
    async *leaves(from, most, signal) {
      const stop = AbortSignal.any([signal, closing])
      let last = numberOf(from)
      begin()
      for (;;) {
        const rows = await nextPage(pages, last, stop, () => index.leavesAfter(last, most))
        if (rows === undefined || stop.aborted) return
        const { runs, end } = leafRuns(rows, last)
        const entries = Number(end - last)
        last = end
        yield { runs, entries, position: positionOf(end) }
      }
    },
    async leafHashes(clinic, from, most) {
      const row = await index.leavesOf(clinic, from, most)
      if (row === undefined) return Buffer.alloc(0)
      if (BigInt(row.first) !== from) throw gap('revision', from, BigInt(row.first))
      return row.hashes
    },
    ...createFeedEnd(index),
  }
}
