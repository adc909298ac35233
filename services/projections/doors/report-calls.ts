/**
 * Every report call. A query is validated, then authorised and recorded as one reading, then answered; nothing leaves before the entry of
 * the reading is durable. Later pages belong to the reading of the first one: they are decided anew and make no entry.
 */
import type { SubjectRef } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { CallContext } from '../../kernel/caller.ts'
import type { JsonValue } from '../../kernel/canonical-json.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { PageTokens } from '../../kernel/page-tokens.ts'
import { type Cursor, numberIn } from '../reports/report-call.ts'
import { type Asked, type BeginReadingOptions, createBeginReading } from './begin-reading.ts'
import type { ReportDefinition } from './report-definition.ts'
import { createRequestReader, type RequestReader, subjectJson } from './report-requests.ts'
import { unknownNames } from './unknown-names.ts'

export interface ReportCallsOptions extends BeginReadingOptions {
  readonly tokens: PageTokens
}

/** What every report request has; without `waitForRevision` the read models need only have begun. */
interface ReportRequest {
  readonly clinic: string
  readonly onBehalfOf?: SubjectRef | undefined
  readonly waitForRevision?: bigint | undefined
}

interface PageRequest extends ReportRequest {
  readonly pageSize: number
  readonly pageToken: string
}

/** Where the query stands in a request. */
export interface QueryPlace<Message> {
  readonly message: Message | undefined
  /** Its field, for naming what is wrong in it; absent: the request itself. */
  readonly field?: string
}

/** One page as the contract's answers have it, and what the report tells besides. */
export interface AnsweredPage<RowMessage, Extra> {
  readonly page: {
    readonly rows: RowMessage[]
    readonly nextPageToken: string
    readonly completeToRevision: bigint
    readonly parkedEntries: bigint
    readonly notes: string[]
  }
  readonly extra: Extra
}

/** Rows of a stream, what comes before them, and the end. */
export type StreamedItem<RowMessage, Extra> =
  | { readonly kind: 'extra'; readonly extra: Extra }
  | { readonly kind: 'row'; readonly row: RowMessage }
  | {
      readonly kind: 'end'
      readonly items: bigint
      readonly completeToRevision: bigint
      readonly parkedEntries: bigint
      readonly notes: string[]
    }

export interface ReportCalls {
  page<Message, Query, Row, RowMessage, Extra>(
    definition: ReportDefinition<Message, Query, Row, RowMessage, Extra>,
    place: QueryPlace<Message>,
    request: PageRequest,
    context: CallContext,
  ): Promise<AnsweredPage<RowMessage, Extra>>
  /** Every row as of one revision: `extra` first, the end last. Each page is a short transaction, so that a slow reader holds nothing open. */
  stream<Message, Query, Row, RowMessage, Extra>(
    definition: ReportDefinition<Message, Query, Row, RowMessage, Extra>,
    place: QueryPlace<Message>,
    request: ReportRequest,
    context: CallContext,
  ): AsyncGenerator<StreamedItem<RowMessage, Extra>, void, void>
}

const defaultStreamPage = 500

const boundTo = ({ name, clinic, person, recorded }: Asked, { caller }: CallContext): JsonValue => ({
  query: name,
  clinic,
  caller: caller.id,
  issuer: caller.issuer,
  person: subjectJson(person) ?? null,
  filter: recorded.filter,
})

export const createReportCalls = (options: ReportCallsOptions): ReportCalls => {
  const { tokens } = options
  const begin = createBeginReading(options)

  const read = <Message, Query, Row, RowMessage, Extra>(
    definition: ReportDefinition<Message, Query, Row, RowMessage, Extra>,
    { message, field }: QueryPlace<Message>,
    request: ReportRequest,
    reader: RequestReader,
  ): { readonly query: Query; readonly asked: () => Asked } => {
    const { clinic, person } = reader.common(request)
    const query = definition.read(message, field === undefined ? reader : reader.at(field))
    return {
      query,
      asked: () => {
        const { name, projections, weight = 'light' } = definition
        return { name, projections, weight, clinic, person, recorded: definition.recorded(query) }
      },
    }
  }

  return {
    page: async (definition, place, request, context) => {
      const reader = createRequestReader()
      const { query, asked } = read(definition, place, request, reader)
      const limit = reader.pageSize(request.pageSize)
      reader.finish()
      const about = asked()
      const { pageToken, waitForRevision = 0n } = request
      const after = pageToken === '' ? undefined : (tokens.read(boundTo(about, context), pageToken) as Cursor)
      const through = after === undefined ? undefined : numberIn(after, 'through')
      if (through !== undefined) reader.waitWithin(waitForRevision, through)
      reader.finish()
      const { call } = await begin(context, about, after === undefined ? 'page' : 'later page', waitForRevision)
      const { rows, next, completeTo, parked, extra } = await definition.page(call, query, { through, after, limit })
      const page = {
        rows: rows.map((row) => definition.message(row)),
        nextPageToken: next === undefined ? '' : tokens.issue(boundTo(about, context), { ...next, through: String(completeTo) }),
        completeToRevision: completeTo,
        parkedEntries: parked,
        notes: after === undefined && rows.length === 0 ? await unknownNames(call, about.recorded) : [],
      }
      return { page, extra }
    },

    stream: async function* (definition, place, request, context) {
      const reader = createRequestReader()
      const { query, asked } = read(definition, place, request, reader)
      reader.finish()
      const about = asked()
      const { call } = await begin(context, about, 'stream', request.waitForRevision ?? 0n)
      const { streamPage = defaultStreamPage } = definition
      let through: bigint | undefined
      let after: Cursor | undefined
      let items = 0n
      let parkedEntries = 0n
      do {
        if (context.signal.aborted) throw new ChartwardenError('CALL_CANCELLED')
        const page = await definition.page(call, query, { through, after, limit: streamPage })
        if (through === undefined) yield { kind: 'extra', extra: page.extra }
        through = page.completeTo
        // The most of any page: what is taken in meanwhile was missing from those before.
        if (page.parked > parkedEntries) parkedEntries = page.parked
        for (const row of page.rows) {
          yield { kind: 'row', row: definition.message(row) }
          items += 1n
        }
        after = page.next
      } while (after !== undefined)
      const notes = items === 0n ? await unknownNames(call, about.recorded) : []
      yield { kind: 'end', items, completeToRevision: through, parkedEntries, notes }
    },
  }
}
