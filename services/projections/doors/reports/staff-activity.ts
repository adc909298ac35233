import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  ActivityKind,
  type ActivityRowSchema,
  type StaffActivityQuery as QueryMessage,
} from '../../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { NamedSubject } from '../../reading.ts'
import { type ActivityRow, type StaffActivityKind, staffActivity } from '../../reports/staff-activity.ts'
import type { ReportDefinition } from '../report-definition.ts'
import { accessRowMessage, entryMessage, ofMicroseconds, subjectMessage } from '../report-messages.ts'
import { periodJson, type RequestReader, softwareOf, subjectIdentity, subjectJson } from '../report-requests.ts'

const kindMessages: Readonly<Record<StaffActivityKind, ActivityKind>> = {
  access: ActivityKind.ACCESS,
  probe: ActivityKind.PROBE,
  change: ActivityKind.CHANGE,
  reading: ActivityKind.READING,
  recording: ActivityKind.RECORDING,
}

interface Query {
  readonly subject: NamedSubject
  readonly kinds: readonly StaffActivityKind[]
  /** Microseconds since the epoch. */
  readonly from: bigint | undefined
  readonly until: bigint | undefined
}

const kindsOf = (asked: readonly ActivityKind[], reader: RequestReader): StaffActivityKind[] => {
  if (asked.length === 0) return ['access', 'change', 'reading', 'recording']
  const known = Object.entries(kindMessages) as [StaffActivityKind, ActivityKind][]
  if (asked.some((kind) => !known.some(([, message]) => message === kind)))
    reader.wrong('kinds', 'has a member that is not an activity kind')
  return known.filter(([, message]) => asked.includes(message)).map(([name]) => name)
}

const rowMessage = (row: ActivityRow): MessageInitShape<typeof ActivityRowSchema> => ({
  entry: entryMessage(row.entry),
  kind: kindMessages[row.kind],
  occurredAt: ofMicroseconds(row.occurredAt),
  type: row.type,
  ...(row.access === undefined ? {} : { access: accessRowMessage(row.access) }),
  ...(row.about === undefined ? {} : { about: subjectMessage(row.about) }),
  patientId: row.patientId,
  detail: row.detail,
  caller: row.caller,
})

export const staffActivityReport: ReportDefinition<QueryMessage, Query, ActivityRow, ReturnType<typeof rowMessage>> = {
  name: 'staff_activity',
  projections: ['access_history', 'activities', 'concerns'],
  read: (message, reader) => {
    const subject = reader.subject('subject', message?.subject)
    if (subject === undefined) reader.wrong('subject', 'is required')
    return {
      subject: subject ?? { type: '', id: '' },
      kinds: kindsOf(message?.kinds ?? [], reader),
      ...reader.period(message),
    }
  },
  recorded: ({ subject, kinds, from, until }) => ({
    filter: { subject: subjectJson(subject), kinds, ...periodJson({ from, until }) },
    subject,
  }),
  page: (call, { subject, ...query }, range) =>
    staffActivity(
      call,
      {
        ...query,
        subject: call.vault.pseudonym(subjectIdentity(subject)),
        software: softwareOf(subject),
      },
      range,
    ),
  message: rowMessage,
}
