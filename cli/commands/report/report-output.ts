import { type Command, Option } from 'commander'
import type { Outcome } from '../../exit-codes.ts'
import { type ClinicOptions, withClinic } from '../../input/common-options.ts'
import type { Column } from '../../output/column.ts'
import { count } from '../../output/describe.ts'
import { tellIncomplete } from '../../output/incomplete.ts'
import { createProgress } from '../../output/progress.ts'
import { createRowWriter, type RowFormat } from '../../output/row-writer.ts'
import type { Session } from '../../session.ts'

export interface ReportOptions extends ClinicOptions {
  readonly format: Exclude<RowFormat, 'json'>
}

/** `--clinic`, `--on-behalf-of` and `--format`. */
export const withReport = (command: Command): Command =>
  withClinic(command).addOption(
    new Option(
      '--format <format>',
      'table for people; csv for spreadsheets, formulas neutralised by an apostrophe; ndjson, a row a line and, only when the report is whole, a last line {"end":{"complete_to_revision":"…","rows":…}}. With table and csv, stderr says to which revision it is complete.',
    )
      .choices(['table', 'csv', 'ndjson'])
      .default('table'),
  )

/** What a report yields: its rows, and at last the revision it is complete to. A source that ends without it was cut. */
export type ReportItem<Row> = { readonly row: Row } | { readonly completeToRevision: bigint }

export interface WriteReportOptions<Row> {
  readonly columns: readonly Column<Row>[]
  readonly toJson: (row: Row) => unknown
  readonly items: AsyncIterable<ReportItem<Row>>
}

/** Writes every row as it comes, then says on stderr how many there were and to which revision they are complete. */
export const writeReport = async <Row>(
  session: Session,
  options: ReportOptions,
  { columns, toJson, items }: WriteReportOptions<Row>,
): Promise<Outcome> => {
  const writer = createRowWriter<Row>({ format: session.json ? 'json' : options.format, columns, toJson, out: session.io.out })
  const progress = createProgress({ io: session.io, title: 'Rows', afterMs: 1000, printsRows: true })
  let rows = 0
  let completeTo: bigint | undefined
  try {
    for await (const item of items) {
      if ('row' in item) {
        await writer.write(item.row)
        rows += 1
        progress.advance(1)
      } else completeTo = item.completeToRevision
    }
  } finally {
    progress.stop()
  }
  if (completeTo !== undefined) await writer.end({ complete_to_revision: String(completeTo) })
  else await writer.end(session.json ? { complete_to_revision: null } : undefined)
  if (completeTo === undefined) return tellIncomplete(session, `The report was cut after ${count(rows, 'row')}; run it again.`)
  if (!session.json) await session.note(`${count(rows, 'row')}, complete to revision ${completeTo}.`)
  return 'ok'
}

/** Follows page tokens to the end. */
export async function* everyPage<Row>(
  fetch: (
    pageToken: string,
  ) => Promise<{ readonly rows: readonly Row[]; readonly nextPageToken: string; readonly completeToRevision: bigint }>,
): AsyncGenerator<ReportItem<Row>, void, undefined> {
  let pageToken = ''
  // Later pages may be complete to a later revision; the whole is complete to the first page's.
  let completeToRevision: bigint | undefined
  do {
    const page = await fetch(pageToken)
    for (const row of page.rows) yield { row }
    pageToken = page.nextPageToken
    completeToRevision ??= page.completeToRevision
  } while (pageToken !== '')
  yield { completeToRevision }
}
