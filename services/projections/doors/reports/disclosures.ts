import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  DisclosureRowSchema,
  DisclosuresQuery as QueryMessage,
} from '../../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { DisclosureCategory } from '../../../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { DisclosureCategory as Category } from '../../../access/events.ts'
import { type DisclosureRow, disclosures } from '../../reports/disclosures.ts'
import type { ReportDefinition } from '../report-definition.ts'
import { entryMessage, ofMilliseconds, subjectMessage } from '../report-messages.ts'
import { patientPseudonym, periodJson } from '../report-requests.ts'

interface Query {
  readonly patientId: string
  /** Microseconds since the epoch. */
  readonly from: bigint | undefined
  readonly until: bigint | undefined
  readonly includeExcluded: boolean
  readonly groupRepeats: boolean
  readonly includeSuspended: boolean
}

const categories: Readonly<Record<Category, DisclosureCategory>> = {
  accountable: DisclosureCategory.ACCOUNTABLE,
  treatment_payment_operations: DisclosureCategory.TREATMENT_PAYMENT_OPERATIONS,
  to_individual: DisclosureCategory.TO_INDIVIDUAL,
  incidental: DisclosureCategory.INCIDENTAL,
  authorized: DisclosureCategory.AUTHORIZED,
  directory: DisclosureCategory.DIRECTORY,
  national_security: DisclosureCategory.NATIONAL_SECURITY,
  custodial: DisclosureCategory.CUSTODIAL,
  limited_data_set: DisclosureCategory.LIMITED_DATA_SET,
}

const rowMessage = (row: DisclosureRow): MessageInitShape<typeof DisclosureRowSchema> => ({
  entry: entryMessage(row.entry),
  patientId: row.patientId,
  disclosedAt: ofMilliseconds(row.disclosedAt),
  recipientName: row.recipientName,
  recipientAddress: row.recipientAddress,
  description: row.description,
  purpose: row.purpose,
  category: categories[row.category],
  disclosures: row.disclosures,
  lastDisclosedAt: ofMilliseconds(row.lastDisclosedAt),
  recordedBy: subjectMessage(row.recordedBy),
  ...(row.suspendedUntil === undefined ? {} : { suspendedUntil: ofMilliseconds(row.suspendedUntil) }),
})

export const disclosuresReport: ReportDefinition<QueryMessage, Query, DisclosureRow, ReturnType<typeof rowMessage>> = {
  name: 'disclosures',
  projections: ['disclosures'],
  read: (message, reader) => ({
    patientId: reader.text('patient_id', message?.patientId ?? ''),
    ...reader.period(message),
    includeExcluded: message?.includeExcluded ?? false,
    groupRepeats: message?.groupRepeats ?? false,
    includeSuspended: message?.includeSuspended ?? false,
  }),
  recorded: ({ patientId, from, until, includeExcluded, groupRepeats, includeSuspended }) => ({
    filter: {
      patient_id: patientId === '' ? undefined : patientId,
      ...periodJson({ from, until }),
      include_excluded: includeExcluded,
      group_repeats: groupRepeats,
      include_suspended: includeSuspended,
    },
    patientId,
  }),
  page: (call, { patientId, from, until, ...query }, range) =>
    disclosures(
      call,
      {
        ...query,
        ...patientPseudonym(call.vault, patientId),
        ...(from === undefined ? {} : { from }),
        ...(until === undefined ? {} : { until }),
      },
      range,
    ),
  message: rowMessage,
}
