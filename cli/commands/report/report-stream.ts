import type { MessageInitShape } from '@bufbuild/protobuf'
import type { StreamReportRequestSchema, StreamReportResponse } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { clinicFields, needsOf, optional } from '../../request.ts'
import type { Session } from '../../session.ts'
import type { PeriodOptions } from './period-options.ts'
import type { ReportItem, ReportOptions } from './report-output.ts'

type Item = StreamReportResponse['item']
type RowCase = Exclude<Item['case'], 'end' | undefined>
type RowOf<Case extends RowCase> = Extract<Item, { case: Case }>['value']

/** The rows of one report out of a stream of them, and its end. */
export async function* rowsOf<Case extends RowCase>(
  stream: AsyncIterable<StreamReportResponse>,
  row: Case,
): AsyncGenerator<ReportItem<RowOf<Case>>, void, undefined> {
  for await (const { item } of stream) {
    if (item.case === row) yield { row: item.value } as ReportItem<RowOf<Case>>
    else if (item.case === 'end') yield item.value
  }
}

/** Asks for every row of a report; `row` is the name its rows have in the stream. */
export const reportRows = async <Case extends RowCase>(
  session: Session,
  options: ReportOptions & PeriodOptions,
  report: NonNullable<MessageInitShape<typeof StreamReportRequestSchema>['report']>,
  row: Case,
): Promise<AsyncIterable<ReportItem<RowOf<Case>>>> => {
  const { reports, stream } = await session.connect(needsOf(options, 'report.read', 'audit.unseal'))
  const request = { ...clinicFields(options), ...optional('waitForRevision', options.waitForRevision), report }
  return rowsOf(
    stream((signal) => reports.streamReport(request, { signal })),
    row,
  )
}
