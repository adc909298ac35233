import { Command } from 'commander'
import {
  AccessKind,
  SummaryDimension,
  type SummaryRow,
  SummaryRowSchema,
} from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { type AccessFilterOptions, accessFilter, withAccessFilter } from '../../input/access-filter.ts'
import { enumCodes } from '../../input/enum-codes.ts'
import { parseRevision } from '../../input/parsers.ts'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { clinicFields, needsOf, optional } from '../../request.ts'
import { choicesOption } from './choices-option.ts'
import { type ReportOptions, withReport, writeReport } from './report-output.ts'
import { rowsOf } from './report-stream.ts'

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
          items: rowsOf(
            stream((signal) => reports.streamReport(request, { signal })),
            'summary',
          ),
        })
      }),
    )
