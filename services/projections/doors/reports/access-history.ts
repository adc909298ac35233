import type { AccessFilter as FilterMessage } from '../../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { type AccessRow, accessHistory } from '../../reports/access-history.ts'
import type { ReportDefinition } from '../report-definition.ts'
import { accessRowMessage } from '../report-messages.ts'
import { filterJson, type NamedAccessFilter, pseudonymous } from '../report-requests.ts'

export const accessHistoryReport: ReportDefinition<FilterMessage, NamedAccessFilter, AccessRow, ReturnType<typeof accessRowMessage>> = {
  name: 'access_history',
  projections: ['access_history', 'concerns'],
  read: (message, reader) => reader.filter(message),
  recorded: (filter) => ({ filter: filterJson(filter), subject: filter.subject, patientId: filter.patientId }),
  page: (call, filter, range) => accessHistory(call, pseudonymous(call.vault, filter), range),
  message: accessRowMessage,
}
