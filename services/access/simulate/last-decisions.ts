/** The last decisions of a clinic, newest first, with the questions made again. */
import type { ClinicEntries } from '../../audit/clinic-entries.ts'
import type { Ledger, StoredEntry } from '../../audit/ledger.ts'
import type { CallContext } from '../../kernel/caller.ts'
import type { Clock } from '../../kernel/clock.ts'
import type { ClinicWriter } from '../clinic-writer.ts'
import { decodeEntry } from '../event-codec.ts'
import { stillWanted } from '../pinned-reading.ts'
import { type DecidedEvent, type RecordedQuestion, recordedQuestion } from './recorded-question.ts'

export interface LastDecisionsOptions {
  readonly ledger: Pick<Ledger, 'head'>
  /** Shows entries, one clinic at a time. */
  readonly entries: Pick<ClinicEntries, 'read'>
  readonly clock: Clock
  /** Entries searched where few decisions are asked for. Defaults to 10,000. */
  readonly searchedAtLeast?: number
}

export interface RecordedDecision {
  readonly entry: StoredEntry
  readonly question: RecordedQuestion
}

/** Revisions read at once. */
const pageRevisions = 1_000n
/** Entries searched for each decision asked for: a ledger may hold millions that decide nothing. */
const searchedForEach = 50
/** Sealed parts opened at once: each may be a look at the key store. */
const openTogether = 64

/** Ends with one that is `not_searched`, at the oldest entry looked at, where more were asked for and older entries were left alone. */
export type LastDecisions = (context: CallContext, writer: ClinicWriter, count: number) => Promise<readonly RecordedDecision[]>

interface Found {
  readonly entry: StoredEntry
  readonly event: DecidedEvent
}

/** Reads backwards from the head, whatever else stands in between, until there are enough, nothing is left or it was searched far enough. */
export const createLastDecisions = ({ ledger, entries, clock, searchedAtLeast = 10_000 }: LastDecisionsOptions): LastDecisions => {
  const decidedIn = async (
    context: CallContext,
    clinic: string,
    from: bigint,
    to: bigint,
  ): Promise<{ oldest: StoredEntry | undefined; found: Found[] }> => {
    const found: Found[] = []
    let oldest: StoredEntry | undefined
    for await (const entry of entries.read(clinic, from, to, context)) {
      oldest ??= entry
      if (entry.type !== 'chartwarden.access.decided.v1') continue
      const event = decodeEntry(entry)
      if (event?.type === 'chartwarden.access.decided.v1') found.push({ entry, event })
    }
    return { oldest, found: found.reverse() }
  }

  return async (context, { clinic, vault }, count) => {
    const decisions: RecordedDecision[] = []
    let to = (await ledger.head(clinic))?.revision ?? -1n
    const searchTo = to - BigInt(Math.max(searchedAtLeast, searchedForEach * count))
    let oldest: StoredEntry | undefined
    while (to >= 0n && to > searchTo && decisions.length < count) {
      stillWanted(context, clock)
      const from = to < pageRevisions ? 0n : to - pageRevisions + 1n
      const page = await decidedIn(context, clinic, from, to)
      oldest = page.oldest
      const found = page.found.slice(0, count - decisions.length)
      for (let start = 0; start < found.length; start += openTogether) {
        stillWanted(context, clock)
        const together = found.slice(start, start + openTogether)
        decisions.push(
          ...(await Promise.all(
            together.map(async ({ entry, event }) => ({ entry, question: await recordedQuestion(vault, entry, event) })),
          )),
        )
      }
      to = from - 1n
    }
    if (to >= 0n && decisions.length < count && oldest !== undefined) {
      decisions.push({ entry: oldest, question: { kind: 'not_simulated', reason: 'not_searched' } })
    }
    return decisions
  }
}
