import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  SummaryDimension as DimensionMessage,
  type SummaryQuery as QueryMessage,
  type SummaryRowSchema,
} from '../../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { isTimeZone } from '../../../kernel/time-zone.ts'
import { type SummaryDimension, type SummaryExtra, type SummaryRow, summary } from '../../reports/summary.ts'
import type { ReportDefinition } from '../report-definition.ts'
import { accessKindMessages, ofMicroseconds, subjectMessage } from '../report-messages.ts'
import { filterJson, type NamedAccessFilter, pseudonymous, type RequestReader } from '../report-requests.ts'

const dimensionNames: ReadonlyMap<DimensionMessage, SummaryDimension> = new Map([
  [DimensionMessage.DAY, 'day'],
  [DimensionMessage.SUBJECT, 'subject'],
  [DimensionMessage.RESOURCE_TYPE, 'resource_type'],
  [DimensionMessage.PURPOSE, 'purpose'],
  [DimensionMessage.KIND, 'kind'],
])

interface Query {
  readonly filter: NamedAccessFilter
  readonly dimensions: readonly SummaryDimension[]
  /** Empty: the clinic's. */
  readonly timeZone: string
}

const dimensionsOf = (asked: readonly DimensionMessage[], reader: RequestReader): SummaryDimension[] => {
  const names = asked.flatMap((dimension) => dimensionNames.get(dimension) ?? [])
  if (names.length < asked.length) reader.wrong('dimensions', 'has a member that is not a dimension')
  if (new Set(names).size < names.length) reader.wrong('dimensions', 'names a dimension twice')
  return names
}

const rowMessage = (row: SummaryRow): MessageInitShape<typeof SummaryRowSchema> => ({
  day: row.day ?? '',
  ...(row.subject === undefined ? {} : { subject: subjectMessage(row.subject) }),
  resourceType: row.resourceType ?? '',
  purpose: row.purpose ?? '',
  ...(row.kind === undefined ? {} : { kind: accessKindMessages[row.kind] }),
  accesses: row.accesses,
  patients: row.patients,
  first: ofMicroseconds(row.first),
  last: ofMicroseconds(row.last),
})

/** Rows are small and each page counts anew what lies behind the page before: a stream reads many at a time. */
export const summaryReport: ReportDefinition<QueryMessage, Query, SummaryRow, ReturnType<typeof rowMessage>, SummaryExtra> = {
  name: 'summary',
  projections: ['access_history', 'clinics'],
  weight: 'heavy',
  streamPage: 10_000,
  read: (message, reader) => {
    const timeZone = reader.text('time_zone', message?.timeZone ?? '')
    if (timeZone !== '' && !isTimeZone(timeZone))
      reader.wrong('time_zone', 'is an IANA time zone by area and place, such as "Europe/Berlin", or "UTC"')
    return { filter: reader.at('filter').filter(message?.filter), dimensions: dimensionsOf(message?.dimensions ?? [], reader), timeZone }
  },
  recorded: ({ filter, dimensions, timeZone }) => ({
    filter: { ...filterJson(filter), dimensions, time_zone: timeZone === '' ? undefined : timeZone },
    subject: filter.subject,
    patientId: filter.patientId,
  }),
  page: (call, { filter, dimensions, timeZone }, range) =>
    summary(call, { filter: pseudonymous(call.vault, filter), dimensions, timeZone: timeZone === '' ? undefined : timeZone }, range),
  message: rowMessage,
}
