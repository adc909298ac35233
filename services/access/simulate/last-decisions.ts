/** The last decisions of a clinic, newest first, with the questions made again. */
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
  readonly entries: Pick<Ledger, 'read'>
  readonly clock: Clock
}

export interface RecordedDecision {
  readonly entry: StoredEntry
  readonly event: DecidedEvent
  readonly question: RecordedQuestion
}

/** Revisions read at once. */
const pageRevisions = 1_000n
/** Sealed parts opened at once: each may be a look at the key store. */
const openTogether = 64

export type LastDecisions = (context: CallContext, writer: ClinicWriter, count: number) => Promise<readonly RecordedDecision[]>

/** Reads backwards from the head, whatever else stands in between, until there are enough or nothing is left. */
export const createLastDecisions = ({ ledger, entries, clock }: LastDecisionsOptions): LastDecisions => {
  const decidedIn = async (clinic: string, from: bigint, to: bigint): Promise<Omit<RecordedDecision, 'question'>[]> => {
    const found: Omit<RecordedDecision, 'question'>[] = []
    for await (const entry of entries.read(clinic, from, to)) {
      if (entry.type !== 'chartwarden.access.decided.v1') continue
      const event = decodeEntry(entry)
      if (event?.type === 'chartwarden.access.decided.v1') found.push({ entry, event })
    }
    return found.reverse()
  }

  return async (context, { clinic, vault }, count) => {
    const decisions: RecordedDecision[] = []
    let to = (await ledger.head(clinic))?.revision ?? -1n
    while (to >= 0n && decisions.length < count) {
      stillWanted(context, clock)
      const from = to < pageRevisions ? 0n : to - pageRevisions + 1n
      const found = (await decidedIn(clinic, from, to)).slice(0, count - decisions.length)
      for (let start = 0; start < found.length; start += openTogether) {
        stillWanted(context, clock)
        const together = found.slice(start, start + openTogether)
        decisions.push(
          ...(await Promise.all(together.map(async (one) => ({ ...one, question: await recordedQuestion(vault, one.entry, one.event) })))),
        )
      }
      to = from - 1n
    }
    return decisions
  }
}
