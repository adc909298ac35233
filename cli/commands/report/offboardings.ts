import { Command } from 'commander'
import { type OffboardingRow, OffboardingRowSchema } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { parseRevision, parseTypedId, subjectRef, type TypedId } from '../../input/parsers.ts'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { clinicFields, needsOf, optional } from '../../request.ts'
import { type ReportOptions, withReport, writeReport } from './report-output.ts'
import { rowsOf } from './report-stream.ts'

interface OffboardingsOptions extends ReportOptions {
  readonly subject?: TypedId
  readonly waitForRevision?: bigint
}

const columns: readonly Column<OffboardingRow>[] = [
  { name: 'subject', value: (row) => subjectText(row.subject) },
  { name: 'effective', value: (row) => timeText(row.effective) },
  { name: 'recorded_at', value: (row) => timeText(row.entry?.time) },
  { name: 'decided_by', value: (row) => subjectText(row.decidedBy) },
  { name: 'reason', value: (row) => row.reason },
  { name: 'grants_ended', value: (row) => row.grantsEnded.map((grant) => grant.role).join(', ') },
  { name: 'accesses_between', value: (row) => String(row.accessesBetween) },
  { name: 'attempts_after_exit', value: (row) => String(row.attemptsAfterExit) },
  { name: 'last_attempt', value: (row) => timeText(row.lastAttempt) },
  { name: 'performed_after_exit', value: (row) => String(row.performedAfterExit) },
  { name: 'unknown_subject', value: (row) => (row.unknownSubject ? 'yes' : '') },
  { name: 'reinstated_at', value: (row) => timeText(row.reinstatedAt), wide: true },
  { name: 'caller', value: (row) => row.caller, wide: true },
  { name: 'revision', value: (row) => (row.entry === undefined ? '' : String(row.entry.revision)) },
  { name: 'entry_id', value: (row) => row.entry?.id ?? '', wide: true },
]

export const offboardingsCommand = (act: Act): Command =>
  withReport(new Command('offboardings').description('Who left, what ended, and what was tried afterwards, newest first.'))
    .option('--subject <type:id>', 'one person', parseTypedId)
    .option('--wait-for-revision <number>', 'wait until the report is complete to this revision', parseRevision)
    .action(
      act(async (session, command) => {
        const options = command.opts<OffboardingsOptions>()
        const { reports, stream } = await session.connect(needsOf(options, 'report.read', 'audit.unseal'))
        const value = optional('subject', options.subject && subjectRef(options.subject))
        const request = {
          ...clinicFields(options),
          ...optional('waitForRevision', options.waitForRevision),
          report: { case: 'offboardings' as const, value },
        }
        const items = rowsOf(
          stream((signal) => reports.streamReport(request, { signal })),
          'offboarding',
        )
        return writeReport(session, options, { columns, toJson: (row) => messageJson(OffboardingRowSchema, row), items })
      }),
    )
