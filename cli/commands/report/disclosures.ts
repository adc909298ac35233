import { type Timestamp, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt'
import { Command } from 'commander'
import { type DisclosureRow, DisclosureRowSchema } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { invalidField } from '../../../services/kernel/errors.ts'
import { sixYearsBefore } from '../../../services/projections/reports/disclosures.ts'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import type { Session } from '../../session.ts'
import { disclosureCategories } from '../disclosure/record.ts'
import { type PeriodOptions, periodFields, withPeriod } from './period-options.ts'
import { periodText } from './period-text.ts'
import { type ReportOptions, withReport, writeReport } from './report-output.ts'
import { reportRows } from './report-stream.ts'
import { noticingWithheld } from './withheld.ts'

interface DisclosuresOptions extends ReportOptions, PeriodOptions {
  readonly patient?: string
  readonly forPatient?: true
  readonly group?: true
  readonly includeExcluded?: true
  readonly includeSuspended?: true
}

const columns: readonly Column<DisclosureRow>[] = [
  { name: 'disclosed_at', value: (row) => timeText(row.disclosedAt) },
  { name: 'patient_id', value: (row) => row.patientId },
  { name: 'recipient', value: (row) => row.recipientName },
  { name: 'address', value: (row) => row.recipientAddress },
  { name: 'description', value: (row) => row.description },
  { name: 'purpose', value: (row) => row.purpose },
  { name: 'category', value: (row) => disclosureCategories.nameOf(row.category) },
  { name: 'disclosures', value: (row) => String(row.disclosures) },
  { name: 'last_disclosed_at', value: (row) => timeText(row.lastDisclosedAt) },
  { name: 'recorded_by', value: (row) => subjectText(row.recordedBy), wide: true },
  { name: 'suspended_until', value: (row) => timeText(row.suspendedUntil) },
  { name: 'revision', value: (row) => (row.entry === undefined ? '' : String(row.entry.revision)), wide: true },
  { name: 'entry_id', value: (row) => row.entry?.id ?? '', wide: true },
]

/** The accounting as a patient is handed it: what 164.528(b)(2) and (3) ask for, and nobody of the clinic. */
const handedColumns: readonly Column<DisclosureRow>[] = [
  { name: 'date', value: (row) => timeText(row.disclosedAt) },
  { name: 'recipient', value: (row) => row.recipientName },
  { name: 'address', value: (row) => row.recipientAddress },
  { name: 'description', value: (row) => row.description },
  { name: 'purpose', value: (row) => row.purpose },
  { name: 'number', value: (row) => String(row.disclosures) },
  { name: 'last_date', value: (row) => timeText(row.lastDisclosedAt) },
]

const checkHandOut = (session: Session, options: DisclosuresOptions): void => {
  const { forPatient, patient, includeSuspended, includeExcluded, details, format } = options
  if (forPatient !== true) return
  if (patient === undefined) throw invalidField('--for-patient', 'needs --patient')
  if (includeSuspended || includeExcluded || details || format === 'ndjson' || session.json) {
    throw invalidField(
      '--for-patient',
      'is a table or csv of what a patient is handed: without --include-suspended, --include-excluded, --details, ndjson and --json',
    )
  }
}

/** The period that an accounting is of, spelt out: it is handed out beside the rows. */
const wholePeriod = ({ from, until }: PeriodOptions, now: number): { readonly from: Timestamp; readonly until: Timestamp } => {
  const end = until ?? timestampFromMs(now)
  return { from: from ?? timestampFromMs(Number(sixYearsBefore(BigInt(timestampMs(end)) * 1_000n) / 1_000n)), until: end }
}

const headOf = ({ clinic, patient }: DisclosuresOptions, period: PeriodOptions): readonly string[] => [
  `Disclosures about the patient ${patient} by the clinic ${clinic}.`,
  periodText(period),
]

const withheld =
  'Recipients, descriptions and purposes are not shown: the token lacks the scope audit.unseal. Without them this is no accounting.'

export const disclosuresCommand = (act: Act): Command =>
  withPeriod(
    withReport(
      new Command('disclosures').description(
        'What was disclosed outside the clinic, newest first: six years back, without what an accounting may leave out (45 CFR 164.528).',
      ),
    ).option('--patient <id>', 'one patient'),
    'disclosed',
    { from: ' (default: six years before the end)', until: ' (default: now)' },
  )
    .option('--for-patient', 'the accounting as a patient is handed it: no more columns than that needs, and its period')
    .option('--group', 'several to the same recipient for the same purpose in one row: first, number, last')
    .option('--include-excluded', 'also those that an accounting may leave out, each with its category')
    .option(
      '--include-suspended',
      'also those that law enforcement or health oversight has asked to keep out for now; never for the patient',
    )
    .action(
      act(async (session, command) => {
        const options = command.opts<DisclosuresOptions>()
        checkHandOut(session, options)
        const period = options.forPatient ? wholePeriod(options, session.io.clock.wall()) : periodFields(options)
        const value = {
          patientId: options.patient ?? '',
          ...period,
          groupRepeats: options.group ?? false,
          includeExcluded: options.includeExcluded ?? false,
          includeSuspended: options.includeSuspended ?? false,
        }
        const rows = await reportRows(session, options, { case: 'disclosures', value }, 'disclosure')
        return writeReport(session, options, {
          columns: options.forPatient ? handedColumns : columns,
          toJson: (row) => messageJson(DisclosureRowSchema, row),
          items: noticingWithheld(session, rows, { textOf: (row) => row.recipientName, note: withheld }),
          ...(options.forPatient ? { head: headOf(options, period) } : {}),
        })
      }),
    )
