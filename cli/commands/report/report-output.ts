import type { JsonValue } from '@bufbuild/protobuf'
import type { Command } from 'commander'
import type { Outcome } from '../../exit-codes.ts'
import { type ClinicOptions, withClinic } from '../../input/common-options.ts'
import type { Column } from '../../output/column.ts'
import { count } from '../../output/describe.ts'
import { tellIncomplete } from '../../output/incomplete.ts'
import { tellNotes } from '../../output/notes.ts'
import { printable } from '../../output/printable.ts'
import { openRowOutput, type RowOutputOptions, rowFormatOf, withRowOutput } from '../../output/row-output.ts'
import { withOptionNames } from '../../request.ts'
import type { Session } from '../../session.ts'
import { reportOption } from './report-options.ts'

export interface ReportOptions extends ClinicOptions, RowOutputOptions {
  readonly details?: true
}

/** `--clinic`, `--on-behalf-of`, and where the rows go and how. */
export const withReport = (command: Command): Command =>
  withRowOutput(
    withClinic(command),
    'table for people; csv for spreadsheets, formulas neutralised by an apostrophe; ndjson, a row a line and, only when the report is whole, a last line {"end":{"complete_to_revision":"…","parked_entries":"…","rows":…}}. With table and csv, stderr says to which revision it is complete.',
  ).option('--details', 'every column, also those that tables leave out')

/**
 * What a report yields: its rows, and at last the revision it is complete to, with what else a program is told at the end. A source that
 * ends without it was cut.
 */
export type ReportItem<Row> =
  | { readonly row: Row }
  | {
      readonly completeToRevision: bigint
      readonly parkedEntries?: bigint
      readonly notes?: readonly string[]
      readonly summary?: Readonly<Record<string, JsonValue>>
    }

export interface WriteReportOptions<Row> {
  readonly columns: readonly Column<Row>[]
  readonly toJson: (row: Row) => unknown
  readonly items: AsyncIterable<ReportItem<Row>>
  /** What people are told before the rows: above a table on stdout, else on stderr. */
  readonly head?: readonly string[]
}

/** What people are told where entries of the clinic are not in what they read. */
export const parkedText = (parked: bigint): string =>
  `${count(parked, 'entry', 'entries')} of this clinic could not be read into this report: rows may be missing; see chartwarden projections status.`

const tellHead = async (session: Session, options: ReportOptions, head: readonly string[]): Promise<void> => {
  const format = rowFormatOf(options, session.json)
  if (format === 'table' && options.output === undefined && head.length > 0) await session.print(`${head.map(printable).join('\n')}\n\n`)
  else if (format === 'table' || format === 'csv') for (const line of head) await session.note(printable(line))
}

/** Writes every row as it comes, then says on stderr how many there were and to which revision they are complete. */
export const writeReport = async <Row>(
  session: Session,
  options: ReportOptions,
  { columns, toJson, items, head = [] }: WriteReportOptions<Row>,
): Promise<Outcome> => {
  const output = await openRowOutput<Row>(session, options, {
    columns: options.details ? columns.map(({ wide, ...column }) => column) : columns,
    toJson,
  })
  const progress = output.progress('Rows')
  let rows = 0
  let completeTo: bigint | undefined
  let parked = 0n
  let notes: readonly string[] = []
  let summary: Readonly<Record<string, JsonValue>> = {}
  try {
    let begun = false
    for await (const item of items) {
      if (!begun) await tellHead(session, options, head)
      begun = true
      if ('row' in item) {
        await output.write(item.row)
        rows += 1
        progress.advance(1)
      } else {
        completeTo = item.completeToRevision
        parked = item.parkedEntries ?? 0n
        notes = item.notes ?? []
        summary = item.summary ?? {}
      }
    }
  } catch (thrown) {
    await output.abandon()
    throw withOptionNames(thrown, reportOption)
  } finally {
    progress.stop()
  }
  if (completeTo === undefined) await output.cut({ complete_to_revision: null })
  else
    await output.complete({
      complete_to_revision: String(completeTo),
      parked_entries: String(parked),
      ...(notes.length === 0 ? {} : { notes: [...notes] }),
      ...summary,
    })
  if (completeTo === undefined) return tellIncomplete(session, `The report was cut after ${count(rows, 'row')}; run it again.`)
  if (!session.json) await session.note(`${count(rows, 'row')}, complete to revision ${completeTo}.`)
  if (parked > 0n) await session.note(parkedText(parked))
  await tellNotes(session, notes)
  return 'ok'
}
