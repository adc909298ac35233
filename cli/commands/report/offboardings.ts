import { Command } from 'commander'
import { type OffboardingRow, OffboardingRowSchema } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { parseTypedId, subjectRef, type TypedId } from '../../input/parsers.ts'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { clinicFields, needsOf, optional } from '../../request.ts'
import { everyPage, type ReportOptions, withReport, writeReport } from './report-output.ts'

interface OffboardingsOptions extends ReportOptions {
  readonly subject?: TypedId
}

const columns: readonly Column<OffboardingRow>[] = [
  { name: 'subject', value: (row) => subjectText(row.subject) },
  { name: 'effective', value: (row) => timeText(row.effective) },
  { name: 'decided_by', value: (row) => subjectText(row.decidedBy) },
  { name: 'reason', value: (row) => row.reason },
  { name: 'grants_ended', value: (row) => row.grantsEnded.map((grant) => grant.role).join(', ') },
  { name: 'attempts_after_exit', value: (row) => String(row.attemptsAfterExit) },
  { name: 'last_attempt', value: (row) => timeText(row.lastAttempt) },
  { name: 'unknown_subject', value: (row) => (row.unknownSubject ? 'yes' : '') },
  { name: 'reinstated_at', value: (row) => timeText(row.reinstatedAt), wide: true },
  { name: 'revision', value: (row) => (row.entry === undefined ? '' : String(row.entry.revision)) },
  { name: 'entry_id', value: (row) => row.entry?.id ?? '', wide: true },
]

export const offboardingsCommand = (act: Act): Command =>
  withReport(new Command('offboardings').description('Who left, what ended, and what was tried afterwards, newest first.'))
    .option('--subject <type:id>', 'one person', parseTypedId)
    .action(
      act(async (session, command) => {
        const options = command.opts<OffboardingsOptions>()
        const { reports } = await session.connect(needsOf(options, 'report.read', 'audit.unseal'))
        const items = everyPage<OffboardingRow>(async (pageToken) => {
          const page = await reports.offboardings({
            ...clinicFields(options),
            ...optional('subject', options.subject && subjectRef(options.subject)),
            pageSize: 1000,
            pageToken,
          })
          return { rows: page.offboardings, nextPageToken: page.nextPageToken, completeToRevision: page.completeToRevision }
        })
        return writeReport(session, options, { columns, toJson: (row) => messageJson(OffboardingRowSchema, row), items })
      }),
    )
