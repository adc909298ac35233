import type { OffboardingsQuery as QueryMessage } from '../../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { NamedSubject } from '../../reading.ts'
import { type OffboardingRow, offboardings } from '../../reports/offboardings.ts'
import type { ReportDefinition } from '../report-definition.ts'
import { offboardingRowMessage } from '../report-messages.ts'
import { pseudonymOf, subjectJson } from '../report-requests.ts'

interface Query {
  readonly subject: NamedSubject | undefined
}

export const offboardingsReport: ReportDefinition<
  Pick<QueryMessage, 'subject'>,
  Query,
  OffboardingRow,
  ReturnType<typeof offboardingRowMessage>
> = {
  name: 'offboardings',
  projections: ['offboardings', 'role_grants', 'access_history'],
  read: (message, reader) => ({ subject: reader.subject('subject', message?.subject) }),
  recorded: ({ subject }) => ({ filter: { subject: subjectJson(subject) }, subject }),
  page: (call, { subject }, range) => offboardings(call, pseudonymOf(call.vault, subject), range),
  message: offboardingRowMessage,
}
