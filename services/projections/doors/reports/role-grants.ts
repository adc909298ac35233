import type { RoleGrantsQuery as QueryMessage } from '../../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { NamedSubject } from '../../reading.ts'
import { type GrantRow, roleGrants } from '../../reports/role-grants.ts'
import type { ReportDefinition } from '../report-definition.ts'
import { grantRowMessage } from '../report-messages.ts'
import { pseudonymOf, spell, subjectJson } from '../report-requests.ts'

interface Query {
  readonly subject: NamedSubject | undefined
  /** Microseconds since the epoch; undefined: now. */
  readonly asOf: bigint | undefined
}

export const roleGrantsReport: ReportDefinition<
  Pick<QueryMessage, 'asOf' | 'subject'>,
  Query,
  GrantRow,
  ReturnType<typeof grantRowMessage>
> = {
  name: 'role_grants',
  projections: ['role_grants'],
  read: (message, reader) => ({
    subject: reader.subject('subject', message?.subject),
    asOf: reader.time('as_of', message?.asOf),
  }),
  recorded: ({ subject, asOf }) => ({
    filter: { subject: subjectJson(subject), as_of: asOf === undefined ? 'now' : spell(asOf) },
    subject,
  }),
  page: (call, { subject, asOf }, range) => roleGrants(call, { asOf, ...pseudonymOf(call.vault, subject) }, range),
  message: grantRowMessage,
}
