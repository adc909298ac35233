import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { Command } from 'commander'
import { type GrantRow, GrantRowSchema } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { parseTime, parseTypedId, subjectRef, type TypedId } from '../../input/parsers.ts'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { clinicFields, needsOf, optional } from '../../request.ts'
import { everyPage, type ReportOptions, withReport, writeReport } from './report-output.ts'

interface GrantsOptions extends ReportOptions {
  readonly asOf?: Timestamp
  readonly subject?: TypedId
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
    .action(
      act(async (session, command) => {
        const options = command.opts<GrantsOptions>()
        const { reports } = await session.connect(needsOf(options, 'report.read', 'audit.unseal'))
        const items = everyPage<GrantRow>(async (pageToken) => {
          const page = await reports.roleGrants({
            ...clinicFields(options),
            ...optional('asOf', options.asOf),
            ...optional('subject', options.subject && subjectRef(options.subject)),
            pageSize: 1000,
            pageToken,
          })
          return { rows: page.grants, nextPageToken: page.nextPageToken, completeToRevision: page.completeToRevision }
        })
        return writeReport(session, options, { columns, toJson: (row) => messageJson(GrantRowSchema, row), items })
      }),
    )
