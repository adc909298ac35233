/** Messages as JSON (https://protobuf.dev/programming-guides/json/), under the contract's own field names. */
import {
  create,
  type DescField,
  type DescMessage,
  fromJsonString,
  type MessageInitShape,
  type MessageShape,
  ScalarType,
  toJson,
} from '@bufbuild/protobuf'
import { isFieldError } from '@bufbuild/protobuf/reflect'
import { notTheRequest } from '../calls/open-call.ts'
import { ChartwardenError, type FieldViolation } from '../errors.ts'

const scalarWords = (scalar: ScalarType): string => ScalarType[scalar].toLowerCase()

const expected = (field: DescField): string => {
  const item = (): string => {
    if (field.scalar !== undefined) return scalarWords(field.scalar)
    return (field.enum ?? field.message)?.typeName ?? 'value'
  }
  if (field.fieldKind === 'list') return `a list of ${item()}`
  if (field.fieldKind === 'map') return `an object of ${item()}`
  return item()
}

/** What is wrong, without the value: answers are logged by proxies. */
const violationOf = (thrown: unknown): FieldViolation | undefined => {
  const { message, cause } = thrown as Error
  if (isFieldError(cause)) {
    const field = cause.field()
    if (field.kind === 'oneof') return { field: field.name, description: 'at most one member of it may be set' }
    if (cause.message === 'set multiple times') return { field: field.name, description: 'is there more than once' }
    return { field: field.name, description: `must be ${expected(field)}` }
  }
  const [, key, fault] = /(?:object )?key "(.{1,100})"( is unknown)?$/s.exec(message) ?? []
  if (key === undefined) {
    const [, type] = /^cannot decode (?:enum|message) (\S+) from JSON/.exec(message) ?? []
    return type === undefined ? undefined : { field: '', description: `what stands for ${type} is none` }
  }
  return { field: key.toWellFormed(), description: fault === undefined ? 'is there more than once' : 'is not known' }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Reads a request. Throws INVALID_ARGUMENT for what is not one, a member that is not known or one that stands there twice. */
export const readJsonMessage = <Schema extends DescMessage>(schema: Schema, bytes: Uint8Array): MessageShape<Schema> => {
  try {
    return fromJsonString(schema, utf8.decode(bytes))
  } catch (thrown) {
    const error = notTheRequest(schema, thrown)
    const violation = violationOf(thrown)
    if (violation === undefined) throw error
    throw new ChartwardenError('INVALID_ARGUMENT', {
      message: `${error.message} ${violation.field === '' ? '' : `${violation.field}: `}${violation.description}`,
      fields: [violation],
      cause: thrown,
    })
  }
}

/** An answer as JSON text: fields that are empty are there, 64-bit numbers are strings. */
export const writeJsonMessage = (schema: DescMessage, message: MessageInitShape<DescMessage>): string =>
  JSON.stringify(toJson(schema, create(schema, message), { useProtoFieldName: true, alwaysEmitImplicit: true }))
