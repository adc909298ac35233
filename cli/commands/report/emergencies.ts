import { Command } from 'commander'
import {
  type EmergencyReviewRow,
  EmergencyReviewRowSchema,
  ReviewState,
} from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { enumCodes } from '../../input/enum-codes.ts'
import { parseTypedId, subjectRef, type TypedId } from '../../input/parsers.ts'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { optional } from '../../request.ts'
import { choicesOption } from './choices-option.ts'
import { type PeriodOptions, periodFields, withPeriod } from './period-options.ts'
import { type ReportOptions, withReport, writeReport } from './report-output.ts'
import { reportRows } from './report-stream.ts'
import { noticingWithheld, type Withholding } from './withheld.ts'

interface EmergenciesOptions extends ReportOptions, PeriodOptions {
  readonly subject?: TypedId
  readonly patient?: string
  readonly state?: readonly string[]
}

const states = enumCodes(ReviewState)

const columns: readonly Column<EmergencyReviewRow>[] = [
  { name: 'opened_at', value: (row) => timeText(row.openedAt) },
  { name: 'subject', value: (row) => subjectText(row.subject) },
  { name: 'patient_id', value: (row) => row.patientId },
  { name: 'purpose', value: (row) => row.purpose },
  { name: 'reason', value: (row) => row.reason },
  { name: 'accesses', value: (row) => String(row.accesses) },
  { name: 'until', value: (row) => timeText(row.until), wide: true },
  { name: 'closed_at', value: (row) => timeText(row.closedAt), wide: true },
  { name: 'closed_by_cause', value: (row) => row.closedByCause },
  { name: 'review', value: (row) => states.nameOf(row.state) },
  { name: 'review_due', value: (row) => timeText(row.reviewDue) },
  { name: 'reviewer', value: (row) => subjectText(row.reviewer) },
  { name: 'outcome', value: (row) => row.outcome },
  { name: 'note', value: (row) => row.note },
  { name: 'reviewed_at', value: (row) => timeText(row.reviewedAt), wide: true },
  { name: 'revision', value: (row) => (row.entry === undefined ? '' : String(row.entry.revision)), wide: true },
  { name: 'entry_id', value: (row) => row.entry?.id ?? '', wide: true },
]

const withheld: Withholding<EmergencyReviewRow> = {
  textOf: (row) => row.reason,
  note: 'Reasons, and notes of reviewers, are not shown: the token lacks the scope audit.unseal.',
}

export const emergenciesCommand = (act: Act): Command =>
  withPeriod(
    withReport(new Command('emergencies').description('Emergency accesses with what became of their reviews, newest first.'))
      .option('--subject <type:id>', 'opened by one person', parseTypedId)
      .option('--patient <id>', 'for one patient')
      .addOption(choicesOption('--state <list>', 'review states', states.names)),
    'opened',
  ).action(
    act(async (session, command) => {
      const options = command.opts<EmergenciesOptions>()
      const value = {
        ...optional('subject', options.subject && subjectRef(options.subject)),
        patientId: options.patient ?? '',
        ...periodFields(options),
        states: (options.state ?? []).map(states.valueOf),
      }
      const items = await reportRows(session, options, { case: 'emergencyReviews', value }, 'emergencyReview')
      return writeReport(session, options, {
        columns,
        toJson: (row) => messageJson(EmergencyReviewRowSchema, row),
        items: noticingWithheld(session, items, withheld),
      })
    }),
  )
