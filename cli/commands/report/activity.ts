import { Command } from 'commander'
import {
  AccessKind,
  ActivityKind,
  type ActivityRow,
  ActivityRowSchema,
} from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { enumCodes } from '../../input/enum-codes.ts'
import { parseTypedId, subjectRef, type TypedId } from '../../input/parsers.ts'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { choicesOption } from './choices-option.ts'
import { type PeriodOptions, periodFields, withPeriod } from './period-options.ts'
import { type ReportOptions, withReport, writeReport } from './report-output.ts'
import { reportRows } from './report-stream.ts'

interface ActivityOptions extends ReportOptions, PeriodOptions {
  readonly subject: TypedId
  readonly kind?: readonly string[]
}

const kinds = enumCodes(ActivityKind)
const accessKinds = enumCodes(AccessKind)

const columns: readonly Column<ActivityRow>[] = [
  { name: 'occurred_at', value: (row) => timeText(row.occurredAt) },
  { name: 'kind', value: (row) => kinds.nameOf(row.kind) },
  { name: 'access', value: (row) => (row.access === undefined ? '' : accessKinds.nameOf(row.access.kind)) },
  { name: 'type', value: (row) => row.type.replace(/^chartwarden\./, '') },
  { name: 'action', value: (row) => row.access?.action ?? '' },
  { name: 'resource_type', value: (row) => row.access?.resourceType ?? '' },
  { name: 'resource_id', value: (row) => row.access?.resourceId ?? '' },
  { name: 'patient_id', value: (row) => row.patientId },
  { name: 'about', value: (row) => subjectText(row.about) },
  { name: 'detail', value: (row) => row.detail },
  { name: 'purpose', value: (row) => row.access?.purpose ?? '', wide: true },
  { name: 'reason_code', value: (row) => row.access?.reasonCode ?? '', wide: true },
  { name: 'reason', value: (row) => row.access?.reason ?? '', wide: true },
  { name: 'caller', value: (row) => row.caller },
  { name: 'revision', value: (row) => (row.entry === undefined ? '' : String(row.entry.revision)) },
  { name: 'entry_id', value: (row) => row.entry?.id ?? '', wide: true },
]

export const activityCommand = (act: Act): Command =>
  withPeriod(
    withReport(
      new Command('activity').description(
        'Everything one person or service did, newest first: accesses, changes, readings of the audit log.',
      ),
    )
      .requiredOption('--subject <type:id>', 'the person, or service:<name> for calling software', parseTypedId)
      .addOption(choicesOption('--kind <list>', 'sorts of activity', kinds.names, 'all but probe')),
    'that happened',
  ).action(
    act(async (session, command) => {
      const options = command.opts<ActivityOptions>()
      const report = {
        case: 'staffActivity' as const,
        value: { subject: subjectRef(options.subject), ...periodFields(options), kinds: (options.kind ?? []).map(kinds.valueOf) },
      }
      const items = await reportRows(session, options, report, 'staffActivity')
      return writeReport(session, options, { columns: columns, toJson: (row) => messageJson(ActivityRowSchema, row), items })
    }),
  )
