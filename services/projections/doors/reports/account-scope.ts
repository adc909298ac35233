import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  AccountScopeQuery as QueryMessage,
  ScopeRowSchema,
  ScopeTotalsSchema,
} from '../../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { NamedSubject } from '../../reading.ts'
import { accountScope, type ScopeRow, type ScopeTotals } from '../../reports/account-scope.ts'
import type { ReportDefinition } from '../report-definition.ts'
import { ofMicroseconds } from '../report-messages.ts'
import { periodJson, type RequestReader, softwareOf, subjectIdentity, subjectJson } from '../report-requests.ts'

type NamedAccount = { readonly kind: 'subject'; readonly subject: NamedSubject } | { readonly kind: 'caller'; readonly caller: string }

interface Query {
  readonly account: NamedAccount
  /** Microseconds since the epoch. */
  readonly from: bigint
  readonly until: bigint
}

const readAccount = (account: QueryMessage['account'] | undefined, reader: RequestReader): NamedAccount => {
  switch (account?.case) {
    case 'subject': {
      const subject = reader.subject('subject', account.value)
      return { kind: 'subject', subject: subject ?? { type: '', id: '' } }
    }
    case 'caller': {
      const caller = reader.text('caller', account.value)
      if (caller === '') reader.wrong('caller', 'is not empty')
      return { kind: 'caller', caller }
    }
    default:
      reader.wrong('account', 'is either subject or caller')
      return { kind: 'caller', caller: '' }
  }
}

const rowMessage = (row: ScopeRow): MessageInitShape<typeof ScopeRowSchema> => ({
  patientId: row.patientId,
  first: ofMicroseconds(row.first),
  last: ofMicroseconds(row.last),
  authorised: row.authorised,
  performed: row.performed,
  refused: row.refused,
  resourceTypes: [...row.resourceTypes],
  actions: [...row.actions],
  records: row.records,
})

export const totalsMessage = (totals: ScopeTotals): MessageInitShape<typeof ScopeTotalsSchema> => ({
  patients: totals.patients,
  patientsRefusedOnly: totals.patients_refused_only,
  records: totals.records,
  authorised: totals.authorised,
  performed: totals.performed,
  refused: totals.refused,
  probed: totals.probed,
  withoutPatient: totals.without_patient,
  changes: totals.changes,
  readings: totals.readings,
  ...(totals.first === undefined ? {} : { first: ofMicroseconds(totals.first) }),
  ...(totals.last === undefined ? {} : { last: ofMicroseconds(totals.last) }),
  recordsCounted: totals.recordsCounted,
})

export const accountScopeReport: ReportDefinition<QueryMessage, Query, ScopeRow, ReturnType<typeof rowMessage>, ScopeTotals> = {
  name: 'account_scope',
  projections: ['access_history', 'activities'],
  weight: 'heavy',
  streamPage: 1_000,
  read: (message, reader) => {
    const account = readAccount(message?.account, reader)
    const { from, until } = reader.period(message)
    if (message?.from === undefined) reader.wrong('from', 'is required')
    if (message?.until === undefined) reader.wrong('until', 'is required')
    return { account, from: from ?? 0n, until: until ?? 0n }
  },
  recorded: ({ account, ...period }) => ({
    filter:
      account.kind === 'subject'
        ? { subject: subjectJson(account.subject), ...periodJson(period) }
        : { caller: account.caller, ...periodJson(period) },
    ...(account.kind === 'subject' ? { subject: account.subject } : { caller: account.caller }),
  }),
  page: (call, { account, from, until }, range) => {
    if (account.kind === 'caller') return accountScope(call, { account, from, until }, range)
    const subject = call.vault.pseudonym(subjectIdentity(account.subject))
    return accountScope(call, { account: { kind: 'subject', subject, software: softwareOf(account.subject) }, from, until }, range)
  },
  message: rowMessage,
}
