import { Command } from 'commander'
import { AccessKind, type PatientReportRow, PatientReportRowSchema } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { enumCodes } from '../../input/enum-codes.ts'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { choicesOption } from './choices-option.ts'
import { type PeriodOptions, periodFields, withPeriod } from './period-options.ts'
import { periodText } from './period-text.ts'
import { type ReportOptions, withReport, writeReport } from './report-output.ts'
import { reportRows } from './report-stream.ts'

interface PatientOptions extends ReportOptions, PeriodOptions {
  readonly patient: string
  readonly kind?: readonly string[]
  readonly staffNames?: true
  readonly withoutRoles?: true
}

const kinds = enumCodes(AccessKind)

/** What only the clinic needs. */
const detailColumns: readonly Column<PatientReportRow>[] = [
  { name: 'reason_code', value: (row) => row.reasonCode },
  { name: 'revision', value: (row) => (row.entry === undefined ? '' : String(row.entry.revision)) },
  { name: 'entry_id', value: (row) => row.entry?.id ?? '' },
]

/** What a patient is handed: nothing in it tells who somebody is unless names were asked for. */
const columnsFor = ({ staffNames, withoutRoles, details }: PatientOptions): readonly Column<PatientReportRow>[] => [
  { name: 'occurred_at', value: (row) => timeText(row.occurredAt) },
  { name: 'kind', value: (row) => kinds.nameOf(row.kind) },
  { name: 'action', value: (row) => row.action },
  { name: 'resource_type', value: (row) => row.resourceType },
  { name: 'purpose', value: (row) => row.purpose },
  ...(withoutRoles ? [] : [{ name: 'roles', value: (row: PatientReportRow) => row.roles.join(' ') }]),
  ...(staffNames ? [{ name: 'subject', value: (row: PatientReportRow) => subjectText(row.subject) }] : []),
  { name: 'staff_pseudonym', value: (row) => row.staffPseudonym },
  { name: 'emergency', value: (row) => (row.emergency ? 'yes' : '') },
  { name: 'flags', value: (row) => row.flags.join(' ') },
  ...(details ? detailColumns : []),
]

export const patientCommand = (act: Act): Command =>
  withPeriod(
    withReport(
      new Command('patient').description(
        "Who opened one patient's record, when, why and in which role, newest first: what a patient may be handed. Staff are told apart by a pseudonym that is of no use anywhere else.",
      ),
    )
      .requiredOption('--patient <id>', 'the patient')
      .addOption(choicesOption('--kind <list>', 'kinds', kinds.names, 'all but probed'))
      .option('--staff-names', 'show who they were: the person named in --on-behalf-of must be permitted to read staff accounts; recorded'),
    'that happened',
  )
    .option('--without-roles', 'leave the roles out: in a small clinic they tell who somebody is')
    .action(
      act(async (session, command) => {
        const options = command.opts<PatientOptions>()
        const staffNames = options.staffNames ?? false
        const report = {
          case: 'patientReport' as const,
          value: { patientId: options.patient, ...periodFields(options), kinds: (options.kind ?? []).map(kinds.valueOf), staffNames },
        }
        const items = await reportRows(session, options, report, 'patientReport')
        return writeReport(session, options, {
          columns: columnsFor(options),
          toJson: (row) => messageJson(PatientReportRowSchema, options.withoutRoles ? { ...row, roles: [] } : row),
          items,
          head: [`Accesses to the record of the patient ${options.patient} in the clinic ${options.clinic}.`, periodText(options)],
        })
      }),
    )
