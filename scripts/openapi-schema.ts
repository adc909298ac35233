/** JSON Schema 2020-12 of the messages of the contract, as the proto3 JSON mapping writes them under the contract's own field names. */
import { type DescEnum, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf'
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt'
import { getComments } from '@bufbuild/protoplugin'

export type Schema = Readonly<Record<string, unknown>>

type Described = Parameters<typeof getComments>[0]

/** The comments of the contract's files, as one text. */
export const commentOf = (described: Described): string => {
  const { leading, trailing } = getComments(described)
  return [leading, trailing]
    .filter((text) => text !== undefined)
    .join('\n')
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim()
}

const describe = (described: Described): Schema => {
  const description = commentOf(described)
  return description === '' ? {} : { description }
}

const whole = { type: 'integer', format: 'int32' }
const wholeText = (format: string) => ({ type: 'string', format, pattern: format === 'uint64' ? '^\\d{1,20}$' : '^-?\\d{1,19}$' })

const scalars: Partial<Record<ScalarType, Schema>> = {
  [ScalarType.STRING]: { type: 'string' },
  [ScalarType.BOOL]: { type: 'boolean' },
  [ScalarType.BYTES]: { type: 'string', contentEncoding: 'base64' },
  [ScalarType.DOUBLE]: { type: 'number', format: 'double' },
  [ScalarType.FLOAT]: { type: 'number', format: 'float' },
  [ScalarType.INT32]: whole,
  [ScalarType.SINT32]: whole,
  [ScalarType.UINT32]: { type: 'integer', format: 'int64', minimum: 0 },
  [ScalarType.INT64]: wholeText('int64'),
  [ScalarType.SINT64]: wholeText('int64'),
  [ScalarType.UINT64]: wholeText('uint64'),
}

/** Messages that JSON has a form of its own for. */
const wellKnown: Readonly<Record<string, Schema>> = {
  'google.protobuf.Timestamp': { type: 'string', format: 'date-time' },
  'google.protobuf.Duration': { type: 'string', pattern: '^-?\\d+(?:\\.\\d{1,9})?s$' },
  'google.protobuf.Struct': { type: 'object', additionalProperties: true },
  'google.protobuf.ListValue': { type: 'array' },
  'google.protobuf.Value': {},
}

export const schemaReference = (type: { readonly typeName: string }): Schema => ({ $ref: `#/components/schemas/${type.typeName}` })

interface Kind {
  readonly scalar?: ScalarType | undefined
  readonly enum?: DescEnum | undefined
  readonly message?: DescMessage | undefined
}

/** Throws for a kind of field that the contract has not had yet. */
const itemOf = (kind: Kind, where: string): Schema => {
  if (kind.enum !== undefined) return schemaReference(kind.enum)
  if (kind.message !== undefined) return wellKnown[kind.message.typeName] ?? schemaReference(kind.message)
  const schema = kind.scalar === undefined ? undefined : scalars[kind.scalar]
  if (schema === undefined) throw new Error(`${where} has no JSON schema here`)
  return schema
}

const fieldSchema = (field: DescField): Schema => {
  const item = itemOf(field, String(field))
  if (field.fieldKind === 'list') return { ...describe(field), type: 'array', items: item }
  if (field.fieldKind === 'map') return { ...describe(field), type: 'object', additionalProperties: item }
  return { ...describe(field), ...item }
}

/** Answers carry these even where they are empty; a part, a time and a member of a choice only where there is one. */
const isAlwaysThere = (field: DescField): boolean =>
  field.fieldKind === 'list' ||
  field.fieldKind === 'map' ||
  (field.oneof === undefined && field.presence === FeatureSet_FieldPresence.IMPLICIT)

const messageSchema = (message: DescMessage, answered: boolean): Schema => {
  const oneofs = message.oneofs
    .filter(({ fields }) => fields.length > 1)
    .map(({ fields }) => `At most one of ${fields.map(({ name }) => name).join(', ')} is set.`)
  const description = [commentOf(message), ...oneofs].filter((text) => text !== '').join(' ')
  const required = answered ? message.fields.filter(isAlwaysThere).map(({ name }) => name) : []
  return {
    ...(description === '' ? {} : { description }),
    type: 'object',
    ...(required.length === 0 ? {} : { required }),
    properties: Object.fromEntries(message.fields.map((field) => [field.name, fieldSchema(field)])),
  }
}

const enumSchema = (described: DescEnum): Schema => {
  const values = described.values.map((value) => `${value.name}: ${commentOf(value)}`)
  return { type: 'string', description: [commentOf(described), ...values].join('\n'), enum: described.values.map(({ name }) => name) }
}

/** The messages given and all messages and enums they hold. */
const everythingIn = (messages: readonly DescMessage[]): ReadonlySet<DescMessage | DescEnum> => {
  const found = new Set<DescMessage | DescEnum>()
  const visit = (type: DescMessage | DescEnum): void => {
    if (found.has(type) || Object.hasOwn(wellKnown, type.typeName)) return
    found.add(type)
    if (type.kind === 'enum') return
    for (const field of type.fields) {
      const held = field.message ?? field.enum
      if (held !== undefined) visit(held)
    }
  }
  for (const message of messages) visit(message)
  return found
}

/**
 * Schemas by full name of the messages given and of everything they hold. Members that answers always carry are required in messages that
 * stand in answers alone: what requests hold too may be left out there.
 */
export const schemasOf = (requests: readonly DescMessage[], answers: readonly DescMessage[]): ReadonlyMap<string, Schema> => {
  const requested = everythingIn(requests)
  const schemas = [...new Set([...requested, ...everythingIn(answers)])].map(
    (type) => [type.typeName, type.kind === 'enum' ? enumSchema(type) : messageSchema(type, !requested.has(type))] as const,
  )
  return new Map(schemas.sort(([one], [other]) => (one < other ? -1 : 1)))
}
