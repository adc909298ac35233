import type { JsonValue } from '../../kernel/canonical-json.ts'
import type { Weight } from '../../kernel/clinic-gate.ts'
import type { NamedSubject, Reading } from '../reading.ts'
import type { PageRange, ReportCall, ReportPage } from '../reports/report-call.ts'
import type { RequestReader } from './report-requests.ts'

/** What of a query is recorded with its reading. */
export interface RecordedQuery {
  /** The person the query names. */
  readonly subject?: NamedSubject | undefined
  /** The patient the query names; empty: none. */
  readonly patientId?: string
  /** The calling software that the query names. */
  readonly caller?: string | undefined
  /** What the person for whom the report is read must be allowed besides reading the audit log. */
  readonly alsoNeeds?: Reading['alsoNeeds'] | undefined
  /** The whole query, one form for one question: recorded sealed, and bound into page tokens. */
  readonly filter: { readonly [name: string]: JsonValue | undefined }
}

/**
 * One report. The call that answers page by page and the stream of every row are both made from it, by the same `page`: so an export holds
 * what a search shows.
 */
export interface ReportDefinition<Message, Query, Row, RowMessage, Extra = undefined> {
  /** Lower-case words joined by `_`; recorded, and bound into page tokens. */
  readonly name: string
  /** Names of the projections whose tables it reads; those that hold identities are read by every report. */
  readonly projections: readonly string[]
  /** `heavy` where a page reads more than its rows, the more the longer the ledger is. Defaults to `light`. */
  readonly weight?: Weight
  /** Rows read at a time for a stream, which holds one such page in memory. Defaults to 500. */
  readonly streamPage?: number
  /** Reads the query; what is wrong goes to the reader, and then nothing that is answered here is used. */
  read(message: Message | undefined, reader: RequestReader): Query
  recorded(query: Query): RecordedQuery
  /** One page as of one revision, in transactions that end with it. */
  page(call: ReportCall, query: Query, range: PageRange): Promise<ReportPage<Row, Extra>>
  message(row: Row): RowMessage
}
