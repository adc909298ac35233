/** Messages as JSON (https://protobuf.dev/programming-guides/json/), under the contract's own field names. */
import {
  create,
  type DescMessage,
  fromJsonString,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
  toJson,
} from '@bufbuild/protobuf'
import { notTheRequest } from '../calls/open-call.ts'
import { ChartwardenError, type FieldViolation } from '../errors.ts'
import { jsonFault } from '../json-scan.ts'
import { violationsOf } from './json-violations.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

const textOf = (bytes: Uint8Array): string => {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new ChartwardenError('INVALID_ARGUMENT', { message: 'The request is not JSON: its bytes are not UTF-8.', cause })
  }
}

/** What is wrong with a text that was refused, without its values: answers are logged by proxies. */
const refusalOf = (schema: DescMessage, text: string, cause: unknown): ChartwardenError => {
  const fault = jsonFault(text)
  if (fault?.kind === 'syntax') {
    const message = `The request is not JSON (line ${fault.line}, column ${fault.column}).`
    return new ChartwardenError('INVALID_ARGUMENT', { message, cause })
  }
  const fields: readonly FieldViolation[] =
    fault === undefined
      ? violationsOf(schema, JSON.parse(text) as JsonValue)
      : [{ field: fault.path, description: 'is there more than once' }]
  const error = notTheRequest(schema, cause)
  const [first] = fields
  if (first === undefined) return error
  const message = `${error.message} ${first.field === '' ? 'It' : `${first.field}:`} ${first.description}`
  return new ChartwardenError('INVALID_ARGUMENT', { message, fields, cause })
}

/**
 * Reads a request. Throws INVALID_ARGUMENT for what is not one, with the path of every member that is not known, stands there twice or has a
 * value that its field does not take.
 */
export const readJsonMessage = <Schema extends DescMessage>(schema: Schema, bytes: Uint8Array): MessageShape<Schema> => {
  const text = textOf(bytes)
  try {
    return fromJsonString(schema, text)
  } catch (thrown) {
    throw refusalOf(schema, text, thrown)
  }
}

/** An answer as JSON text: fields that are empty are there, 64-bit numbers are strings. */
export const writeJsonMessage = (schema: DescMessage, message: MessageInitShape<DescMessage>): string =>
  JSON.stringify(toJson(schema, create(schema, message), { useProtoFieldName: true, alwaysEmitImplicit: true }))
