import { Command } from 'commander'
import {
  AccessKind,
  type AccessRow,
  AccessRowSchema,
  type StreamAccessHistoryResponse,
} from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { Decision } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import { type AccessFilterOptions, accessFilter, withAccessFilter } from '../../input/access-filter.ts'
import { parseRevision } from '../../input/parsers.ts'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { clinicFields, needsOf, optional } from '../../request.ts'
import { type ReportItem, type ReportOptions, withReport, writeReport } from './report-output.ts'

interface AccessOptions extends ReportOptions, AccessFilterOptions {
  readonly waitForRevision?: bigint
}

const decisionText = (decision: Decision): string => (decision === Decision.UNSPECIFIED ? '' : (Decision[decision] ?? '').toLowerCase())

const accessColumns: readonly Column<AccessRow>[] = [
  { name: 'occurred_at', value: (row) => timeText(row.occurredAt) },
  { name: 'recorded_at', value: (row) => timeText(row.entry?.time) },
  { name: 'kind', value: (row) => (AccessKind[row.kind] ?? '').toLowerCase() },
  { name: 'subject', value: (row) => subjectText(row.subject) },
  { name: 'action', value: (row) => row.action },
  { name: 'resource_type', value: (row) => row.resourceType },
  { name: 'resource_id', value: (row) => row.resourceId },
  { name: 'patient_id', value: (row) => row.patientId },
  { name: 'purpose', value: (row) => row.purpose },
  { name: 'reason_code', value: (row) => row.reasonCode },
  { name: 'reason', value: (row) => row.reason },
  { name: 'flags', value: (row) => row.flags.join(' ') },
  { name: 'decision', value: (row) => decisionText(row.decision), wide: true },
  { name: 'rule', value: (row) => row.rule, wide: true },
  { name: 'caller', value: (row) => row.caller, wide: true },
  { name: 'revision', value: (row) => (row.entry === undefined ? '' : String(row.entry.revision)) },
  { name: 'entry_id', value: (row) => row.entry?.id ?? '', wide: true },
  { name: 'decision_entry_id', value: (row) => row.decisionEntryId, wide: true },
]

async function* itemsOf(stream: AsyncIterable<StreamAccessHistoryResponse>): AsyncGenerator<ReportItem<AccessRow>, void, undefined> {
  for await (const { item } of stream) {
    if (item.case === 'row') yield { row: item.value }
    else if (item.case === 'end') yield item.value
  }
}

export const accessCommand = (act: Act): Command =>
  withAccessFilter(
    withReport(
      new Command('access').description(
        'Who viewed what, when and why, newest first. Authorised, performed and refused accesses; probes only when asked for.',
      ),
    ),
  )
    .option('--wait-for-revision <number>', 'wait until the report is complete to this revision', parseRevision)
    .action(
      act(async (session, command) => {
        const options = command.opts<AccessOptions>()
        const { reports, stream } = await session.connect(needsOf(options, 'report.read', 'audit.unseal'))
        const request = { ...clinicFields(options), filter: accessFilter(options), ...optional('waitForRevision', options.waitForRevision) }
        const rows = stream((signal) => reports.streamAccessHistory(request, { signal }))
        return writeReport(session, options, {
          columns: accessColumns,
          toJson: (row) => messageJson(AccessRowSchema, row),
          items: itemsOf(rows),
        })
      }),
    )
