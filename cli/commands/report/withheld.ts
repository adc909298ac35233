import { tellNotes } from '../../output/notes.ts'
import type { Session } from '../../session.ts'
import type { ReportItem } from './report-output.ts'

export interface Withholding<Row> {
  /** A text that no row is without: one that was erased says so. */
  readonly textOf: (row: Row) => string
  /** What is said where it was withheld. */
  readonly note: string
}

/** Rows as they come; at the end it is said whether texts were withheld, which otherwise look like empty ones. */
export async function* noticingWithheld<Row>(
  session: Session,
  items: AsyncIterable<ReportItem<Row>>,
  { textOf, note }: Withholding<Row>,
): AsyncGenerator<ReportItem<Row>, void, undefined> {
  let withheld = false
  for await (const item of items) {
    if ('row' in item && textOf(item.row) === '') withheld = true
    yield item
  }
  if (withheld) await tellNotes(session, [note])
}
