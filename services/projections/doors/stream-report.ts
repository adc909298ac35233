/** StreamReport: every report but the access history, row by row, in the words of the contract. */
import type { StreamReportRequest } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { CallContext } from '../../kernel/caller.ts'
import { invalidField } from '../../kernel/errors.ts'
import type { ReportCalls, StreamedItem } from './report-calls.ts'
import type { ReportDefinition } from './report-definition.ts'
import { accountScopeReport, totalsMessage } from './reports/account-scope.ts'
import { concernsReport } from './reports/concerns.ts'
import { disclosuresReport } from './reports/disclosures.ts'
import { emergencyReviewsReport } from './reports/emergency-reviews.ts'
import { offboardingsReport } from './reports/offboardings.ts'
import { patientReportReport } from './reports/patient-report.ts'
import { roleGrantsReport } from './reports/role-grants.ts'
import { staffActivityReport } from './reports/staff-activity.ts'
import { summaryReport } from './reports/summary.ts'

/** Items of a stream in the words of the contract: rows under the name they have there, `extra` as an item of its own or left out. */
export async function* itemsOf<RowMessage, Extra, Case extends string, Item = never>(
  items: AsyncIterable<StreamedItem<RowMessage, Extra>>,
  name: Case,
  extra?: (value: Extra) => Item,
) {
  for await (const item of items) {
    switch (item.kind) {
      case 'row':
        yield { item: { case: name, value: item.row } }
        break
      case 'extra':
        if (extra !== undefined) yield { item: extra(item.extra) }
        break
      case 'end': {
        const { items: sent, completeToRevision, parkedEntries, notes } = item
        yield { item: { case: 'end' as const, value: { items: sent, completeToRevision, parkedEntries, notes } } }
      }
    }
  }
}

export const streamReport = (calls: ReportCalls) =>
  async function* (request: StreamReportRequest, context: CallContext) {
    const { report } = request
    const stream = <Message, Query, Row, RowMessage, Extra>(
      definition: ReportDefinition<Message, Query, Row, RowMessage, Extra>,
      message: Message,
      field: string,
    ) => calls.stream(definition, { message, field }, request, context)
    switch (report.case) {
      case 'summary':
        return yield* itemsOf(stream(summaryReport, report.value, 'summary'), 'summary', (value) => ({
          case: 'summaryTotals' as const,
          value,
        }))
      case 'patientReport':
        return yield* itemsOf(stream(patientReportReport, report.value, 'patient_report'), 'patientReport')
      case 'staffActivity':
        return yield* itemsOf(stream(staffActivityReport, report.value, 'staff_activity'), 'staffActivity')
      case 'accountScope':
        return yield* itemsOf(stream(accountScopeReport, report.value, 'account_scope'), 'accountScope', (totals) => ({
          case: 'accountScopeTotals' as const,
          value: totalsMessage(totals),
        }))
      case 'disclosures':
        return yield* itemsOf(stream(disclosuresReport, report.value, 'disclosures'), 'disclosure')
      case 'emergencyReviews':
        return yield* itemsOf(stream(emergencyReviewsReport, report.value, 'emergency_reviews'), 'emergencyReview')
      case 'concerns':
        return yield* itemsOf(stream(concernsReport, report.value, 'concerns'), 'concern')
      case 'roleGrants':
        return yield* itemsOf(stream(roleGrantsReport, report.value, 'role_grants'), 'roleGrant')
      case 'offboardings':
        return yield* itemsOf(stream(offboardingsReport, report.value, 'offboardings'), 'offboarding')
      case undefined:
        throw invalidField('report', 'exactly one report is set')
    }
  }
