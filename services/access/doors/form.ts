import { type DescMessage, type MessageShape, toJson } from '@bufbuild/protobuf'
import type { JsonValue } from '../../kernel/canonical-json.ts'
import { ChartwardenError } from '../../kernel/errors.ts'

/**
 * What makes two requests the same: the request as JSON without its id and the person's sign-in. Throws INVALID_ARGUMENT for what JSON
 * cannot carry.
 */
export const requestForm = <Schema extends DescMessage>(schema: Schema, request: MessageShape<Schema>): Record<string, JsonValue> => {
  let form: Record<string, JsonValue>
  try {
    form = toJson(schema, request) as Record<string, JsonValue>
  } catch (cause) {
    throw new ChartwardenError('INVALID_ARGUMENT', { message: 'The request holds text or numbers that JSON cannot carry exactly.', cause })
  }
  const { requestId: _requestId, ...rest } = form
  const person = rest.onBehalfOf as Record<string, JsonValue> | undefined
  if (person === undefined) return rest
  const { session: _session, ...subject } = person
  return { ...rest, onBehalfOf: subject }
}
