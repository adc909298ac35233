import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { Command } from 'commander'
import { type GrantRow, GrantRowSchema } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { parseRevision, parseTime, parseTypedId, subjectRef, type TypedId } from '../../input/parsers.ts'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { clinicFields, needsOf, optional } from '../../request.ts'
import { type ReportOptions, withReport, writeReport } from './report-output.ts'
import { rowsOf } from './report-stream.ts'

interface GrantsOptions extends ReportOptions {
  readonly asOf?: Timestamp
  readonly subject?: TypedId
  readonly waitForRevision?: bigint
}

const columns: readonly Column<GrantRow>[] = [
  { name: 'subject', value: (row) => subjectText(row.subject) },
  { name: 'role', value: (row) => row.role },
  { name: 'from', value: (row) => timeText(row.from) },
  { name: 'until', value: (row) => timeText(row.until) },
  { name: 'grantor', value: (row) => subjectText(row.grantor) },
  { name: 'reason', value: (row) => row.reason },
  { name: 'revision', value: (row) => (row.entry === undefined ? '' : String(row.entry.revision)) },
  { name: 'grant_id', value: (row) => row.grantId, wide: true },
]

export const grantsCommand = (act: Act): Command =>
  withReport(new Command('grants').description('Who held which role at a moment.'))
    .option('--as-of <time>', 'the moment (default: now)', parseTime)
    .option('--subject <type:id>', 'one person', parseTypedId)
    .option('--wait-for-revision <number>', 'wait until the report is complete to this revision', parseRevision)
    .action(
      act(async (session, command) => {
        const options = command.opts<GrantsOptions>()
        const { reports, stream } = await session.connect(needsOf(options, 'report.read', 'audit.unseal'))
        const value = { ...optional('asOf', options.asOf), ...optional('subject', options.subject && subjectRef(options.subject)) }
        const request = {
          ...clinicFields(options),
          ...optional('waitForRevision', options.waitForRevision),
          report: { case: 'roleGrants' as const, value },
        }
        const items = rowsOf(
          stream((signal) => reports.streamReport(request, { signal })),
          'roleGrant',
        )
        return writeReport(session, options, { columns, toJson: (row) => messageJson(GrantRowSchema, row), items })
      }),
    )
