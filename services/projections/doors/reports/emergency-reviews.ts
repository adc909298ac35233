import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  type EmergencyReviewRowSchema,
  type EmergencyReviewsQuery as QueryMessage,
  ReviewState as StateMessage,
} from '../../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { NamedSubject } from '../../reading.ts'
import { type EmergencyReviewRow, emergencyReviews, type ReviewState, reviewStates } from '../../reports/emergency-reviews.ts'
import type { ReportDefinition } from '../report-definition.ts'
import { entryMessage, ofMilliseconds, subjectMessage } from '../report-messages.ts'
import { patientPseudonym, periodJson, pseudonymOf, subjectJson } from '../report-requests.ts'

interface Query {
  readonly subject: NamedSubject | undefined
  readonly patientId: string
  /** Microseconds since the epoch. */
  readonly from: bigint | undefined
  readonly until: bigint | undefined
  readonly states: readonly ReviewState[]
}

const stateMessages: Readonly<Record<ReviewState, StateMessage>> = {
  pending: StateMessage.PENDING,
  overdue: StateMessage.OVERDUE,
  reviewed: StateMessage.REVIEWED,
}

const rowMessage = (row: EmergencyReviewRow): MessageInitShape<typeof EmergencyReviewRowSchema> => ({
  entry: entryMessage(row.entry),
  subject: subjectMessage(row.subject),
  patientId: row.patientId,
  purpose: row.purpose,
  reason: row.reason,
  openedAt: ofMilliseconds(row.openedAt),
  until: ofMilliseconds(row.until),
  ...(row.closed === undefined ? {} : { closedAt: ofMilliseconds(row.closed.at), closedByCause: row.closed.cause }),
  accesses: row.accesses,
  reviewDue: ofMilliseconds(row.reviewDue),
  state: stateMessages[row.state],
  ...(row.review === undefined
    ? {}
    : {
        reviewedAt: ofMilliseconds(row.review.at),
        ...(row.review.reviewer === undefined ? {} : { reviewer: subjectMessage(row.review.reviewer) }),
        outcome: row.review.outcome,
        note: row.review.note,
      }),
})

export const emergencyReviewsReport: ReportDefinition<QueryMessage, Query, EmergencyReviewRow, ReturnType<typeof rowMessage>> = {
  name: 'emergency_reviews',
  projections: ['emergencies', 'access_history'],
  read: (message, reader) => ({
    subject: reader.subject('subject', message?.subject),
    patientId: reader.text('patient_id', message?.patientId ?? ''),
    ...reader.period(message),
    states: reader.members('states', message?.states ?? [], reviewStates, stateMessages),
  }),
  recorded: ({ subject, patientId, from, until, states }) => ({
    filter: {
      subject: subjectJson(subject),
      patient_id: patientId === '' ? undefined : patientId,
      ...periodJson({ from, until }),
      states,
    },
    subject,
    patientId,
  }),
  page: (call, { subject, patientId, from, until, states }, range) =>
    emergencyReviews(
      call,
      {
        ...pseudonymOf(call.vault, subject),
        ...patientPseudonym(call.vault, patientId),
        ...(from === undefined ? {} : { from }),
        ...(until === undefined ? {} : { until }),
        states,
      },
      range,
    ),
  message: rowMessage,
}
