import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { Command } from 'commander'
import {
  type ScopeRow,
  ScopeRowSchema,
  type ScopeTotals,
  ScopeTotalsSchema,
  type StreamReportResponse,
} from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { invalidField } from '../../../services/kernel/errors.ts'
import { parseRevision, parseTime, parseTypedId, subjectRef, type TypedId } from '../../input/parsers.ts'
import type { Column } from '../../output/column.ts'
import { count, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { rowFormatOf } from '../../output/row-output.ts'
import type { Act } from '../../program.ts'
import { clinicFields, needsOf, optional } from '../../request.ts'
import type { Session } from '../../session.ts'
import { type ReportItem, type ReportOptions, withReport, writeReport } from './report-output.ts'

interface ScopeOptions extends ReportOptions {
  readonly subject?: TypedId
  readonly caller?: string
  readonly from: Timestamp
  readonly until: Timestamp
  readonly waitForRevision?: bigint
}

const columns: readonly Column<ScopeRow>[] = [
  { name: 'patient_id', value: (row) => row.patientId },
  { name: 'first', value: (row) => timeText(row.first) },
  { name: 'last', value: (row) => timeText(row.last) },
  { name: 'authorised', value: (row) => String(row.authorised) },
  { name: 'performed', value: (row) => String(row.performed) },
  { name: 'refused', value: (row) => String(row.refused) },
  { name: 'records', value: (row) => String(row.records) },
  { name: 'resource_types', value: (row) => row.resourceTypes.join(' ') },
  { name: 'actions', value: (row) => row.actions.join(' ') },
]

const totalsText = (totals: ScopeTotals): readonly string[] => [
  `${count(totals.patients, 'patient')} touched, ${totals.patientsRefusedOnly} more asked for in vain; ${
    totals.recordsCounted ? count(totals.records, 'record') : 'too many accesses to count the records, name a shorter time'
  }.`,
  `${totals.authorised} permitted, ${totals.performed} performed, ${totals.refused} refused, ${totals.probed} only asked; ${totals.withoutPatient} of no patient.`,
  `${count(totals.changes, 'change')} and ${count(totals.readings, 'reading')} of the audit log; see report activity.`,
  ...(totals.first === undefined ? [] : [`First ${timeText(totals.first)}, last ${timeText(totals.last)}.`]),
]

/** Rows with the totals, which the service sends first: to people at once, to a program with the end. */
async function* withTotals(
  session: Session,
  options: ScopeOptions,
  stream: AsyncIterable<StreamReportResponse>,
): AsyncGenerator<ReportItem<ScopeRow>, void, undefined> {
  let totals: ScopeTotals | undefined
  for await (const { item } of stream) {
    if (item.case === 'accountScope') yield { row: item.value }
    else if (item.case === 'accountScopeTotals') {
      totals = item.value
      if (['table', 'csv'].includes(rowFormatOf(options, session.json))) for (const line of totalsText(totals)) await session.note(line)
    } else if (item.case === 'end') {
      const summary = totals === undefined ? {} : { summary: { totals: messageJson(ScopeTotalsSchema, totals) } }
      const { completeToRevision, parkedEntries, notes } = item.value
      yield { completeToRevision, parkedEntries, notes, ...summary }
    }
  }
}

const accountOf = ({ subject, caller }: ScopeOptions) => {
  if (subject !== undefined && caller === undefined) return { case: 'subject' as const, value: subjectRef(subject) }
  if (caller !== undefined && subject === undefined) return { case: 'caller' as const, value: caller }
  throw invalidField('--subject', 'name either --subject or --caller')
}

export const scopeCommand = (act: Act): Command =>
  withReport(
    new Command('scope').description(
      'Every patient an account touched between two moments, and the whole in numbers: the first question after a stolen password.',
    ),
  )
    .option('--subject <type:id>', "a person's account", parseTypedId)
    .option('--caller <name>', 'calling software, as its token names it: everything done through it')
    .requiredOption('--from <time>', 'that happened at this moment or later', parseTime)
    .requiredOption('--until <time>', 'that happened before this moment', parseTime)
    .option('--wait-for-revision <number>', 'wait until the report is complete to this revision', parseRevision)
    .action(
      act(async (session, command) => {
        const options = command.opts<ScopeOptions>()
        const account = accountOf(options)
        const { reports, stream } = await session.connect(needsOf(options, 'report.read'))
        const request = {
          ...clinicFields(options),
          ...optional('waitForRevision', options.waitForRevision),
          report: { case: 'accountScope' as const, value: { account, from: options.from, until: options.until } },
        }
        const items = withTotals(
          session,
          options,
          stream((signal) => reports.streamReport(request, { signal })),
        )
        return writeReport(session, options, { columns, toJson: (row) => messageJson(ScopeRowSchema, row), items })
      }),
    )
