/** Entries out of their streams, each held against what is known of it. */
import { ChartwardenError } from '../../../kernel/errors.ts'
import type { StoredEntry } from '../../ledger.ts'
import { gap } from '../postgres/entry-rows.ts'
import { entryOf } from './entry-event.ts'
import type { LedgerIndex } from './ledger-index.ts'
import type { StreamNames } from './stream-names.ts'
import type { KurrentStreams, StreamEvent } from './streams.ts'

export interface StreamReaderOptions {
  readonly streams: Pick<KurrentStreams, 'read' | 'readAnew'>
  readonly index: Pick<LedgerIndex, 'head'>
  readonly names: StreamNames
  /** Entries fetched at once. */
  readonly pageEntries: number
}

export interface StreamReader {
  /** As `page`, with whatever revisions there are. */
  found(clinic: string, from: bigint, most: number): Promise<readonly StoredEntry[]>
  /** At most `most` entries from a revision on, in order and without a gap. Throws LEDGER_UNAVAILABLE, and INTERNAL for what is no entry. */
  page(clinic: string, from: bigint, most: number): Promise<readonly StoredEntry[]>
  /** As `page`, by a connection of its own: before an entry that is missing is called lost. */
  pageAnew(clinic: string, from: bigint, most: number): Promise<readonly StoredEntry[]>
  /** Throws LEDGER_REGRESSED if the index has entries from this revision on, where the stream was found to have none. */
  requireEnd(clinic: string, from: bigint): Promise<void>
  /** Entries `from` to `to`, both inclusive, in order; stops where the ledger does. Throws LEDGER_REGRESSED if the stream stops before. */
  read(clinic: string, from: bigint, to: bigint): AsyncGenerator<StoredEntry>
  /** The entries of these revisions, which are in ascending order and all there: one that is not throws LEDGER_REGRESSED. */
  at(clinic: string, revisions: readonly bigint[]): AsyncGenerator<StoredEntry>
}

/** Entries between two wanted ones that are rather read along than skipped by another call. */
const skippedAtMost = 32n

/** The wanted revisions in ranges, each of `most` entries at most. */
const rangesOf = (revisions: readonly bigint[], most: number): readonly (readonly bigint[])[] => {
  const ranges: bigint[][] = []
  for (const revision of revisions) {
    const range = ranges.at(-1)
    const [first, last] = [range?.[0], range?.at(-1)]
    const near = last !== undefined && revision - last <= skippedAtMost
    if (range !== undefined && first !== undefined && near && revision - first < BigInt(most)) range.push(revision)
    else ranges.push([revision])
  }
  return ranges
}

const regressed = (revision: bigint): ChartwardenError =>
  new ChartwardenError('LEDGER_REGRESSED', { cause: new Error(`revision ${revision} is not there any more`) })

/** Ranges that are fetched ahead of the one being read. */
const ahead = 4

export interface InPages {
  readonly pageEntries: number
  readonly fetch: (from: bigint, most: number) => Promise<readonly StoredEntry[]>
  /** Told from where on there was nothing more, if that was before the end of what was asked for; may throw. */
  readonly ended: (from: bigint) => Promise<void>
}

/** Entries `from` to `to`, both inclusive, in pages; ends where a page is short. */
export async function* inPages(from: bigint, to: bigint, { pageEntries, fetch, ended }: InPages): AsyncGenerator<StoredEntry> {
  let next = from < 0n ? 0n : from
  while (next <= to) {
    const left = to - next + 1n
    const most = left < BigInt(pageEntries) ? Number(left) : pageEntries
    const entries = await fetch(next, most)
    yield* entries
    next += BigInt(entries.length)
    if (entries.length < most) return ended(next)
  }
}

export const createStreamReader = ({ streams, index, names, pageEntries }: StreamReaderOptions): StreamReader => {
  const entriesOf = (clinic: string, events: readonly StreamEvent[]): readonly StoredEntry[] => {
    const stream = names.streamOf(clinic)
    return events.map((event) => {
      if (event.stream !== stream)
        throw new ChartwardenError('INTERNAL', { cause: new Error("an event of another stream than the clinic's") })
      return entryOf(event, clinic)
    })
  }

  const found = async (clinic: string, from: bigint, most: number): Promise<readonly StoredEntry[]> =>
    entriesOf(clinic, await streams.read(names.streamOf(clinic), from, most))

  const whole = (entries: readonly StoredEntry[], from: bigint): readonly StoredEntry[] => {
    for (const [at, { revision }] of entries.entries())
      if (revision !== from + BigInt(at)) throw gap('revision', from + BigInt(at), revision)
    return entries
  }

  const page: StreamReader['page'] = async (clinic, from, most) => whole(await found(clinic, from, most), from)

  const pageAnew: StreamReader['pageAnew'] = async (clinic, from, most) =>
    whole(entriesOf(clinic, await streams.readAnew(names.streamOf(clinic), from, most)), from)

  const requireEnd = async (clinic: string, from: bigint): Promise<void> => {
    const head = await index.head(clinic)
    // Entries may have come since the stream was found to end there.
    if (head === undefined || head.revision < from) return
    const stream = names.streamOf(clinic)
    if ((await streams.read(stream, from, 1)).length > 0) return
    if ((await streams.readAnew(stream, from, 1)).length === 0) throw regressed(from)
    throw new ChartwardenError('LEDGER_UNAVAILABLE', {
      cause: new Error(`revision ${from} was read from an old leader, which does not have it`),
    })
  }

  return {
    found,
    page,
    pageAnew,
    requireEnd,
    read: (clinic, from, to) =>
      inPages(from, to, { pageEntries, fetch: (next, most) => page(clinic, next, most), ended: (next) => requireEnd(clinic, next) }),
    async *at(clinic, revisions) {
      const ranges = rangesOf(revisions, pageEntries)
      const fetch = (range: readonly bigint[]): Promise<readonly StoredEntry[]> => {
        const first = range[0] ?? 0n
        const fetched = page(clinic, first, Number((range.at(-1) ?? first) - first) + 1)
        fetched.catch(() => {})
        return fetched
      }
      const fetched = ranges.slice(0, ahead).map(fetch)
      for (const [index, range] of ranges.entries()) {
        const next = ranges[index + ahead]
        const entries = await (fetched.shift() as Promise<readonly StoredEntry[]>)
        if (next !== undefined) fetched.push(fetch(next))
        for (const revision of range) {
          const entry = entries[Number(revision - (range[0] ?? 0n))] ?? (await pageAnew(clinic, revision, 1))[0]
          if (entry === undefined) throw regressed(revision)
          yield entry
        }
      }
    },
  }
}
