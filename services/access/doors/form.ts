import { type DescMessage, type MessageShape, toJson } from '@bufbuild/protobuf'
import type { JsonValue } from '../../kernel/canonical-json.ts'
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
  for (const person of ['onBehalfOf', 'subject']) if (rest[person] !== undefined) rest[person] = withoutSession(rest[person])
  return rest
}
