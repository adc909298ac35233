import { Command } from 'commander'
import { type DisclosureRow, DisclosureRowSchema } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { tellNotes } from '../../output/notes.ts'
import type { Act } from '../../program.ts'
import { disclosureCategories } from '../disclosure/record.ts'
import { type PeriodOptions, periodFields, withPeriod } from './period-options.ts'
import { type ReportItem, type ReportOptions, withReport, writeReport } from './report-output.ts'
import { reportRows } from './report-stream.ts'

interface DisclosuresOptions extends ReportOptions, PeriodOptions {
  readonly patient?: string
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
    .option('--group', 'several to the same recipient for the same purpose in one row: first, number, last')
    .option('--include-excluded', 'also those that an accounting may leave out, each with its category')
    .option(
      '--include-suspended',
      'also those that law enforcement or health oversight has asked to keep out for now; never for the patient',
    )
    .action(
      act(async (session, command) => {
        const options = command.opts<DisclosuresOptions>()
        const value = {
          patientId: options.patient ?? '',
          ...periodFields(options),
          groupRepeats: options.group ?? false,
          includeExcluded: options.includeExcluded ?? false,
          includeSuspended: options.includeSuspended ?? false,
        }
        const rows = await reportRows(session, options, { case: 'disclosures', value }, 'disclosure')
        let unreadable = false
        async function* noticing(): AsyncGenerator<ReportItem<DisclosureRow>, void, undefined> {
          for await (const item of rows) {
            // No disclosure is without a recipient; one that was erased says so.
            if ('row' in item && item.row.recipientName === '') unreadable = true
            yield item
          }
        }
        const outcome = await writeReport(session, options, {
          columns,
          toJson: (row) => messageJson(DisclosureRowSchema, row),
          items: noticing(),
        })
        if (unreadable) await tellNotes(session, [withheld])
        return outcome
      }),
    )
