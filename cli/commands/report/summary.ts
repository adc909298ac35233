import { Command } from 'commander'
import {
  AccessKind,
  type StreamReportResponse,
  SummaryDimension,
  type SummaryRow,
  SummaryRowSchema,
  SummaryTotalsSchema,
} from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { type AccessFilterOptions, accessFilter, withAccessFilter } from '../../input/access-filter.ts'
import { enumCodes } from '../../input/enum-codes.ts'
import { parseRevision } from '../../input/parsers.ts'
import type { Column } from '../../output/column.ts'
import { count, subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { rowFormatOf } from '../../output/row-output.ts'
import type { Act } from '../../program.ts'
import { clinicFields, needsOf, optional } from '../../request.ts'
import type { Session } from '../../session.ts'
import { choicesOption } from './choices-option.ts'
import { type ReportItem, type ReportOptions, withReport, writeReport } from './report-output.ts'

interface SummaryOptions extends ReportOptions, AccessFilterOptions {
  readonly by?: readonly string[]
  readonly timeZone?: string
  readonly waitForRevision?: bigint
}

const dimensions = enumCodes(SummaryDimension)

const dimensionColumns: Readonly<Record<string, Column<SummaryRow>>> = {
  day: { name: 'day', value: (row) => row.day },
  subject: { name: 'subject', value: (row) => subjectText(row.subject) },
  'resource-type': { name: 'resource_type', value: (row) => row.resourceType },
  purpose: { name: 'purpose', value: (row) => row.purpose },
  kind: { name: 'kind', value: (row) => (AccessKind[row.kind] ?? '').toLowerCase() },
}

const countColumns: readonly Column<SummaryRow>[] = [
  { name: 'accesses', value: (row) => String(row.accesses) },
  { name: 'patients', value: (row) => String(row.patients) },
  { name: 'first', value: (row) => timeText(row.first) },
  { name: 'last', value: (row) => timeText(row.last) },
]

/** Rows, and the zone whose days they count: to people at once, to a program with the end. */
async function* withTotals(
  session: Session,
  options: SummaryOptions,
  stream: AsyncIterable<StreamReportResponse>,
): AsyncGenerator<ReportItem<SummaryRow>, void, undefined> {
  let summary = {}
  for await (const { item } of stream) {
    if (item.case === 'summary') yield { row: item.value }
    else if (item.case === 'summaryTotals') {
      summary = { totals: messageJson(SummaryTotalsSchema, item.value) }
      const { totalAccesses, timeZone } = item.value
      if (['table', 'csv'].includes(rowFormatOf(options, session.json)))
        await session.note(`${count(totalAccesses, 'access', 'accesses')} in all; days are those of ${timeZone}, times are UTC.`)
    } else if (item.case === 'end') {
      const { completeToRevision, parkedEntries, notes } = item.value
      yield { completeToRevision, parkedEntries, notes, summary }
    }
  }
}

export const summaryCommand = (act: Act): Command =>
  withAccessFilter(
    withReport(
      new Command('summary').description('How many accesses, of how many patients, by day, person, category, purpose and kind.'),
    ).addOption(choicesOption('--by <list>', 'a row for each combination of these', dimensions.names, 'one row in all')),
  )
    .option('--time-zone <name>', "IANA name of the zone whose days are counted (default: the clinic's)")
    .option('--wait-for-revision <number>', 'wait until the report is complete to this revision', parseRevision)
    .action(
      act(async (session, command) => {
        const options = command.opts<SummaryOptions>()
        const by = options.by ?? []
        const { reports, stream } = await session.connect(needsOf(options, 'report.read'))
        const request = {
          ...clinicFields(options),
          ...optional('waitForRevision', options.waitForRevision),
          report: {
            case: 'summary' as const,
            value: { filter: accessFilter(options), dimensions: by.map(dimensions.valueOf), timeZone: options.timeZone ?? '' },
          },
        }
        return writeReport(session, options, {
          columns: [...by.flatMap((name) => dimensionColumns[name] ?? []), ...countColumns],
          toJson: (row) => messageJson(SummaryRowSchema, row),
          items: withTotals(
            session,
            options,
            stream((signal) => reports.streamReport(request, { signal })),
          ),
        })
      }),
    )
