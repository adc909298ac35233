import type { JsonValue } from '@bufbuild/protobuf'
import type { Command } from 'commander'
import type { Outcome } from '../../exit-codes.ts'
import { type ClinicOptions, withClinic } from '../../input/common-options.ts'
import type { Column } from '../../output/column.ts'
import { count } from '../../output/describe.ts'
import { tellIncomplete } from '../../output/incomplete.ts'
import { openRowOutput, type RowOutputOptions, withRowOutput } from '../../output/row-output.ts'
import type { Session } from '../../session.ts'

export interface ReportOptions extends ClinicOptions, RowOutputOptions {}

/** `--clinic`, `--on-behalf-of`, and where the rows go and how. */
export const withReport = (command: Command): Command =>
  withRowOutput(
    withClinic(command),
    'table for people; csv for spreadsheets, formulas neutralised by an apostrophe; ndjson, a row a line and, only when the report is whole, a last line {"end":{"complete_to_revision":"…","rows":…}}. With table and csv, stderr says to which revision it is complete.',
  )

/**
 * What a report yields: its rows, and at last the revision it is complete to, with what else a program is told at the end. A source that
 * ends without it was cut.
 */
export type ReportItem<Row> =
  | { readonly row: Row }
  | { readonly completeToRevision: bigint; readonly summary?: Readonly<Record<string, JsonValue>> }

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
  const output = await openRowOutput<Row>(session, options, { columns, toJson })
  const progress = output.progress('Rows')
  let rows = 0
  let completeTo: bigint | undefined
  let summary: Readonly<Record<string, JsonValue>> = {}
  try {
    for await (const item of items) {
      if ('row' in item) {
        await output.write(item.row)
        rows += 1
        progress.advance(1)
      } else {
        completeTo = item.completeToRevision
        summary = item.summary ?? {}
      }
    }
  } catch (thrown) {
    await output.abandon()
    throw thrown
  } finally {
    progress.stop()
  }
  if (completeTo === undefined) await output.cut({ complete_to_revision: null })
  else await output.complete({ complete_to_revision: String(completeTo), ...summary })
  if (completeTo === undefined) return tellIncomplete(session, `The report was cut after ${count(rows, 'row')}; run it again.`)
  if (!session.json) await session.note(`${count(rows, 'row')}, complete to revision ${completeTo}.`)
  return 'ok'
}
