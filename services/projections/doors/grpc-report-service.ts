/**
 * The gRPC door of the reports. Each call is validated, then authorised and recorded as one reading, then answered; nothing leaves before
 * the entry of the reading is durable. Later pages belong to the reading of the first one: they are decided anew and make no entry.
 */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  AccessHistoryRequest,
  AccessHistoryResponseSchema,
  OffboardingsRequest,
  OffboardingsResponseSchema,
  RoleGrantsRequest,
  RoleGrantsResponseSchema,
  StreamAccessHistoryRequest,
  StreamAccessHistoryResponseSchema,
} from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { Vault } from '../../audit/vault.ts'
import type { CallContext } from '../../kernel/caller.ts'
import type { JsonValue } from '../../kernel/canonical-json.ts'
import type { Clock } from '../../kernel/clock.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { PageTokens } from '../../kernel/page-tokens.ts'
import type { Progress } from '../progress.ts'
import type { AuthoriseReading, NamedSubject, ReadingPerson } from '../reading.ts'
import { accessHistory, streamAccessHistory } from '../reports/access-history.ts'
import { offboardings } from '../reports/offboardings.ts'
import type { People } from '../reports/people.ts'
import type { ReportCall } from '../reports/report-call.ts'
import type { ReportReader } from '../reports/report-reader.ts'
import { roleGrants } from '../reports/role-grants.ts'
import { accessRowMessage, grantRowMessage, offboardingRowMessage } from './report-messages.ts'
import { createRequestReader, filterJson, pseudonymous, spell, subjectIdentity } from './report-requests.ts'

export interface ReportServiceOptions {
  readonly vault: Vault
  readonly authoriseReading: AuthoriseReading
  readonly reader: ReportReader
  readonly people: People
  readonly progress: Progress
  readonly tokens: PageTokens
  readonly clock: Clock
  /** How long a stream waits for the read models at most, whatever deadline it names, in milliseconds. */
  readonly defaultDeadlineMs: number
}

type Unary<Request, Response> = (request: Request, context: CallContext) => Promise<Response>

/** Handlers of chartwarden.report.v1.ReportService. */
export interface ReportServiceHandlers {
  readonly accessHistory: Unary<AccessHistoryRequest, MessageInitShape<typeof AccessHistoryResponseSchema>>
  streamAccessHistory(
    request: StreamAccessHistoryRequest,
    context: CallContext,
  ): AsyncIterable<MessageInitShape<typeof StreamAccessHistoryResponseSchema>>
  readonly roleGrants: Unary<RoleGrantsRequest, MessageInitShape<typeof RoleGrantsResponseSchema>>
  readonly offboardings: Unary<OffboardingsRequest, MessageInitShape<typeof OffboardingsResponseSchema>>
}

/** A query as it is recorded, and as its page tokens are bound to it. */
interface Query {
  readonly name: string
  readonly clinic: string
  readonly person: ReadingPerson | undefined
  readonly filter: { readonly [name: string]: JsonValue | undefined }
  readonly subject?: NamedSubject | undefined
  readonly patientId?: string
}

/** Where a later page goes on: numbers by name, as text. */
type Cursor = Readonly<Record<string, string>>

const numberIn = (cursor: Cursor | undefined, name: string): bigint | undefined => {
  const value = cursor?.[name]
  return value === undefined ? undefined : BigInt(value)
}

export const reportServiceHandlers = (options: ReportServiceOptions): ReportServiceHandlers => {
  const { vault, authoriseReading, reader, people, progress, tokens, clock, defaultDeadlineMs } = options

  const boundTo = (query: Query, context: CallContext): JsonValue => ({
    query: query.name,
    clinic: query.clinic,
    caller: context.caller.id,
    issuer: context.caller.issuer,
    person: query.person === undefined ? null : { type: query.person.type, id: query.person.id },
    filter: query.filter,
  })

  const readToken = (query: Query, context: CallContext, token: string): Cursor | undefined =>
    token === '' ? undefined : (tokens.read(boundTo(query, context), token) as Cursor)

  const writeToken = (query: Query, context: CallContext, cursor: Cursor | undefined): string =>
    cursor === undefined ? '' : tokens.issue(boundTo(query, context), cursor)

  /** Records the reading and waits for the read models; a first page waits at least until they have begun. */
  const begin = async (
    context: CallContext,
    query: Query,
    kind: 'page' | 'later page' | 'stream',
    waitFor: bigint,
  ): Promise<ReportCall> => {
    await authoriseReading(context, {
      clinic: query.clinic,
      ...(query.person === undefined ? {} : { onBehalfOf: query.person }),
      query: query.name,
      streamed: kind === 'stream',
      ...(query.subject === undefined ? {} : { subject: query.subject }),
      ...(query.patientId === undefined || query.patientId === '' ? {} : { patientId: query.patientId }),
      filter: query.filter,
      continuation: kind === 'later page',
    })
    const clinicVault = await vault.clinic(query.clinic)
    if (clinicVault === undefined) throw new ChartwardenError('CLINIC_NOT_ALLOWED')
    // The deadline of a stream, if any, is meant for all its rows.
    const waitUntil = kind === 'stream' ? Math.min(context.deadline, clock.monotonic() + defaultDeadlineMs) : context.deadline
    if (kind !== 'later page') await progress.waitFor(query.clinic, waitFor, waitUntil, context.signal)
    const unseal = context.caller.scopes.has('audit.unseal')
    return { clinic: query.clinic, vault: clinicVault, reader, people, unseal, deadline: context.deadline }
  }

  const accessQuery = (request: AccessHistoryRequest | StreamAccessHistoryRequest, read: ReturnType<typeof createRequestReader>) => {
    const { clinic, person } = read.common(request)
    const filter = read.filter(request.filter)
    const query: Query = {
      name: 'access_history',
      clinic,
      person,
      filter: filterJson(filter),
      subject: filter.subject,
      patientId: filter.patientId,
    }
    return { filter, query }
  }

  /** The query of a report about one person or all. */
  const personQuery = (name: string, request: RoleGrantsRequest | OffboardingsRequest, read: ReturnType<typeof createRequestReader>) => {
    const { clinic, person } = read.common(request)
    const subject = read.subject('subject', request.subject)
    const filter = subject === undefined ? {} : { subject: { type: subject.type, id: subject.id } }
    return { subject, query: { name, clinic, person, subject, filter } satisfies Query }
  }

  return {
    accessHistory: async (request, context) => {
      const read = createRequestReader()
      const { filter, query } = accessQuery(request, read)
      const limit = read.pageSize(request.pageSize)
      read.finish()
      const cursor = readToken(query, context, request.pageToken)
      const through = numberIn(cursor, 'through')
      if (through !== undefined) read.waitWithin(request, through)
      read.finish()
      const call = await begin(context, query, cursor === undefined ? 'page' : 'later page', request.waitForRevision ?? 0n)
      const after = cursor && { occurredAt: BigInt(cursor.at ?? 0), revision: BigInt(cursor.revision ?? 0) }
      const page = await accessHistory(call, pseudonymous(call.vault, filter), {
        through,
        limit,
        ...(after === undefined ? {} : { after }),
      })
      const next = page.next && {
        at: String(page.next.occurredAt),
        revision: String(page.next.revision),
        through: String(page.completeTo),
      }
      return {
        rows: page.rows.map(accessRowMessage),
        nextPageToken: writeToken(query, context, next),
        completeToRevision: page.completeTo,
      }
    },

    streamAccessHistory: async function* (request, context) {
      const read = createRequestReader()
      const { filter, query } = accessQuery(request, read)
      read.finish()
      const call = await begin(context, query, 'stream', request.waitForRevision ?? 0n)
      const beforePage = () => {
        if (context.signal.aborted) throw new ChartwardenError('CALL_CANCELLED')
      }
      for await (const item of streamAccessHistory(call, pseudonymous(call.vault, filter), beforePage)) {
        yield item.kind === 'row'
          ? { item: { case: 'row', value: accessRowMessage(item.row) } }
          : { item: { case: 'end', value: { items: item.items, completeToRevision: item.completeTo } } }
      }
    },

    roleGrants: async (request, context) => {
      const read = createRequestReader()
      const { subject, query: about } = personQuery('role_grants', request, read)
      const asOf = read.time('as_of', request.asOf)
      const limit = read.pageSize(request.pageSize)
      read.finish()
      const query = { ...about, filter: { ...about.filter, as_of: asOf === undefined ? 'now' : spell(asOf) } }
      const cursor = readToken(query, context, request.pageToken)
      const call = await begin(context, query, cursor === undefined ? 'page' : 'later page', 0n)
      const after = numberIn(cursor, 'revision')
      const page = await roleGrants(call, {
        asOf: numberIn(cursor, 'as_of') ?? asOf,
        through: numberIn(cursor, 'through'),
        limit,
        ...(after === undefined ? {} : { after }),
        ...(subject === undefined ? {} : { subject: call.vault.pseudonym(subjectIdentity(subject)) }),
      })
      const next =
        page.next === undefined ? undefined : { revision: String(page.next), through: String(page.completeTo), as_of: String(page.asOf) }
      return {
        grants: page.rows.map(grantRowMessage),
        nextPageToken: writeToken(query, context, next),
        completeToRevision: page.completeTo,
      }
    },

    offboardings: async (request, context) => {
      const read = createRequestReader()
      const { subject, query } = personQuery('offboardings', request, read)
      const limit = read.pageSize(request.pageSize)
      read.finish()
      const cursor = readToken(query, context, request.pageToken)
      const call = await begin(context, query, cursor === undefined ? 'page' : 'later page', 0n)
      const before = numberIn(cursor, 'revision')
      const page = await offboardings(call, {
        through: numberIn(cursor, 'through'),
        limit,
        ...(before === undefined ? {} : { before }),
        ...(subject === undefined ? {} : { subject: call.vault.pseudonym(subjectIdentity(subject)) }),
      })
      const next = page.next === undefined ? undefined : { revision: String(page.next), through: String(page.completeTo) }
      return {
        offboardings: page.rows.map(offboardingRowMessage),
        nextPageToken: writeToken(query, context, next),
        completeToRevision: page.completeTo,
      }
    },
  }
}
