import { createHash } from 'node:crypto'
import { type DescMessage, type MessageShape, toJson } from '@bufbuild/protobuf'
import { canonicalJson, type JsonValue } from '../../kernel/canonical-json.ts'
import { ChartwardenError } from '../../kernel/errors.ts'

const withoutSession = (person: JsonValue | undefined): JsonValue => {
  const { session: _session, ...subject } = person as Record<string, JsonValue>
  return subject
}

/**
 * What makes two requests the same: the request as JSON without its id and the sign-ins of the persons it names. Throws INVALID_ARGUMENT for
 * what JSON cannot carry.
 */
export const requestForm = <Schema extends DescMessage>(schema: Schema, request: MessageShape<Schema>): Record<string, JsonValue> => {
  let form: Record<string, JsonValue>
  try {
    form = toJson(schema, request) as Record<string, JsonValue>
  } catch (cause) {
    throw new ChartwardenError('INVALID_ARGUMENT', { message: 'The request holds text or numbers that JSON cannot carry exactly.', cause })
  }
  const { requestId: _requestId, ...rest } = form
  for (const person of ['onBehalfOf', 'subject', 'recordedBy']) if (rest[person] !== undefined) rest[person] = withoutSession(rest[person])
  return rest
}

export const digestOf = (value: JsonValue): string => createHash('sha256').update(canonicalJson(value)).digest('base64url')

/** What a query may take of its entry, as canonical JSON; the largest question alone would not fit. */
const maxRecordedBytes = 24 * 1024

const withoutProperties = (value: JsonValue | undefined, name: string): JsonValue | undefined => {
  if (value === undefined) return undefined
  if (name === 'properties' || name === 'context') return { digest: digestOf(value) }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([member, below]) => [member, withoutProperties(below, member)]))
}

/** A query as its entry keeps it, sealed: whole, or, where that is too large, its properties and context by their digests alone. */
export const recordedQuery = (query: JsonValue): JsonValue =>
  Buffer.byteLength(canonicalJson(query), 'utf8') <= maxRecordedBytes ? query : (withoutProperties(query, '') as JsonValue)
