import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  PatientReportRowSchema,
  PatientReportQuery as QueryMessage,
} from '../../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { AccessKind } from '../../read-models/access-history.ts'
import { type PatientReportRow, patientReport } from '../../reports/patient-report.ts'
import type { ReportDefinition } from '../report-definition.ts'
import { accessKindMessages, entryMessage, ofMicroseconds, subjectMessage } from '../report-messages.ts'
import { patientIdentity, periodJson } from '../report-requests.ts'

interface Query {
  readonly patientId: string
  readonly kinds: readonly AccessKind[]
  /** Microseconds since the epoch. */
  readonly from: bigint | undefined
  readonly until: bigint | undefined
  readonly staffNames: boolean
}

const rowMessage = (row: PatientReportRow): MessageInitShape<typeof PatientReportRowSchema> => ({
  entry: entryMessage(row.entry),
  kind: accessKindMessages[row.kind],
  occurredAt: ofMicroseconds(row.occurredAt),
  action: row.action,
  resourceType: row.resourceType,
  purpose: row.purpose,
  roles: [...row.roles],
  staffPseudonym: row.staffPseudonym,
  ...(row.subject === undefined ? {} : { subject: subjectMessage(row.subject) }),
  emergency: row.emergency,
  flags: [...row.flags],
  reasonCode: row.reasonCode,
})

export const patientReportReport: ReportDefinition<QueryMessage, Query, PatientReportRow, ReturnType<typeof rowMessage>> = {
  name: 'patient_report',
  projections: ['access_history', 'role_grants', 'concerns'],
  read: (message, reader) => {
    const patientId = reader.text('patient_id', message?.patientId ?? '')
    if (patientId === '') reader.wrong('patient_id', 'is required')
    const kinds = reader.accessKinds('kinds', message?.kinds ?? [])
    return { patientId, kinds, ...reader.period(message), staffNames: message?.staffNames ?? false }
  },
  recorded: ({ patientId, kinds, from, until, staffNames }) => ({
    filter: { patient_id: patientId, kinds, ...periodJson({ from, until }), staff_names: staffNames },
    patientId,
    ...(staffNames ? { alsoNeeds: { resourceType: 'staff_account', action: 'read' } } : {}),
  }),
  page: (call, { patientId, kinds, from, until, staffNames }, range) => {
    const filter = {
      patient: call.vault.pseudonym(patientIdentity(patientId)),
      resourceTypes: [],
      actions: [],
      purposes: [],
      kinds,
      ...(from === undefined ? {} : { from }),
      ...(until === undefined ? {} : { until }),
    }
    return patientReport(call, { filter, staffNames }, range)
  },
  message: rowMessage,
}
