/** The gRPC door of the reports: each method of the contract beside the report that answers it. */
import type { ReportService } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { Handlers } from '../../kernel/grpc/implement.ts'
import { createReportCalls, type ReportCallsOptions } from './report-calls.ts'
import { accessHistoryReport } from './reports/access-history.ts'
import { accountScopeReport, totalsMessage } from './reports/account-scope.ts'
import { concernsReport } from './reports/concerns.ts'
import { disclosuresReport } from './reports/disclosures.ts'
import { emergencyReviewsReport } from './reports/emergency-reviews.ts'
import { offboardingsReport } from './reports/offboardings.ts'
import { patientReportReport } from './reports/patient-report.ts'
import { roleGrantsReport } from './reports/role-grants.ts'
import { staffActivityReport } from './reports/staff-activity.ts'
import { summaryReport } from './reports/summary.ts'
import { itemsOf, streamReport } from './stream-report.ts'
import { createWatchAccess } from './watch-access.ts'

/** Handlers of chartwarden.report.v1.ReportService. */
export type ReportServiceHandlers = Handlers<(typeof ReportService)['method']>

export const reportServiceHandlers = (options: ReportCallsOptions): ReportServiceHandlers => {
  const calls = createReportCalls(options)
  return {
    watchAccess: createWatchAccess(options),
    streamReport: streamReport(calls),

    accessHistory: async (request, context) =>
      (await calls.page(accessHistoryReport, { message: request.filter, field: 'filter' }, request, context)).page,

    streamAccessHistory: (request, context) =>
      itemsOf(calls.stream(accessHistoryReport, { message: request.filter, field: 'filter' }, request, context), 'row'),

    roleGrants: async (request, context) => {
      const { page } = await calls.page(roleGrantsReport, { message: request }, request, context)
      const { rows: grants, ...rest } = page
      return { grants, ...rest }
    },

    offboardings: async (request, context) => {
      const { page } = await calls.page(offboardingsReport, { message: request }, request, context)
      const { rows: offboardings, ...rest } = page
      return { offboardings, ...rest }
    },

    summary: async (request, context) => {
      const { page, extra } = await calls.page(summaryReport, { message: request.query, field: 'query' }, request, context)
      return { ...page, ...extra }
    },

    patientReport: async (request, context) =>
      (await calls.page(patientReportReport, { message: request.query, field: 'query' }, request, context)).page,

    staffActivity: async (request, context) =>
      (await calls.page(staffActivityReport, { message: request.query, field: 'query' }, request, context)).page,

    accountScope: async (request, context) => {
      const { page, extra } = await calls.page(accountScopeReport, { message: request.query, field: 'query' }, request, context)
      const { rows: patients, ...rest } = page
      return { patients, ...rest, totals: totalsMessage(extra) }
    },

    disclosures: async (request, context) =>
      (await calls.page(disclosuresReport, { message: request.query, field: 'query' }, request, context)).page,

    emergencyReviews: async (request, context) =>
      (await calls.page(emergencyReviewsReport, { message: request.query, field: 'query' }, request, context)).page,

    concerns: async (request, context) =>
      (await calls.page(concernsReport, { message: request.query, field: 'query' }, request, context)).page,
  }
}
