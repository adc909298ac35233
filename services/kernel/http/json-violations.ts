/** What of a JSON value keeps it from being a message, by the path that its writer knows it under. */
import { type DescField, type DescMessage, fromJson, type JsonValue, ScalarType } from '@bufbuild/protobuf'
import type { FieldViolation } from '../errors.ts'
import { itemPath, memberPath } from '../json-scan.ts'

/** As many as gRPC tells. */
const maxViolations = 20

const isObject = (value: JsonValue): value is { [name: string]: JsonValue } =>
  value !== null && typeof value === 'object' && !Array.isArray(value)

const wholeNumber = (least: bigint, most: bigint): string => `must be a whole number from ${least} to ${most}`
const signed32 = wholeNumber(-(2n ** 31n), 2n ** 31n - 1n)
const unsigned32 = wholeNumber(0n, 2n ** 32n - 1n)
const signed64 = wholeNumber(-(2n ** 63n), 2n ** 63n - 1n)
const unsigned64 = wholeNumber(0n, 2n ** 64n - 1n)

const scalarRules: Readonly<Record<ScalarType, string>> = {
  [ScalarType.STRING]: 'must be a string of whole characters',
  [ScalarType.BOOL]: 'must be true or false',
  [ScalarType.BYTES]: 'must be a string of base64',
  [ScalarType.DOUBLE]: 'must be a number',
  [ScalarType.FLOAT]: 'must be a number',
  [ScalarType.INT32]: signed32,
  [ScalarType.SINT32]: signed32,
  [ScalarType.SFIXED32]: signed32,
  [ScalarType.UINT32]: unsigned32,
  [ScalarType.FIXED32]: unsigned32,
  [ScalarType.INT64]: signed64,
  [ScalarType.SINT64]: signed64,
  [ScalarType.SFIXED64]: signed64,
  [ScalarType.UINT64]: unsigned64,
  [ScalarType.FIXED64]: unsigned64,
}

const messageRules: Readonly<Record<string, string>> = {
  'google.protobuf.Timestamp': 'must be an RFC 3339 time such as 2026-11-01T00:00:00Z',
  'google.protobuf.Duration': 'must be seconds such as 1.5s',
  'google.protobuf.ListValue': 'must be a list',
}

/** What one value of a field may be. The name of a value that says nothing is allowed, but helps nobody. */
const ruleOf = (field: DescField, value: JsonValue): string => {
  if (value === null) return 'must not be null'
  if (field.enum !== undefined) {
    const names = field.enum.values.filter(({ name }) => !name.endsWith('_UNSPECIFIED')).map(({ name }) => name)
    return `must be one of ${names.join(', ')}`
  }
  if (field.scalar !== undefined) return scalarRules[field.scalar]
  return messageRules[field.message?.typeName ?? ''] ?? (isObject(value) ? 'has parts within parts too deep' : 'must be an object')
}

/** Messages whose JSON is not an object of their fields. */
const hasOwnJson = (message: DescMessage): boolean => message.typeName.startsWith('google.protobuf.')

/** The decoder itself is asked, so that no value is called wrong that it takes, or the other way round. */
const takes = (message: DescMessage, value: JsonValue): boolean => {
  try {
    fromJson(message, value)
    return true
  } catch {
    return false
  }
}

/**
 * Everything that keeps a value from being read as a message, at most 20 of it and none where it is one. No description holds anything of
 * the value; a path holds names of members, as they were written.
 */
export const violationsOf = (schema: DescMessage, whole: JsonValue): readonly FieldViolation[] => {
  const found: FieldViolation[] = []
  const fault = (field: string, description: string): void => void (found.length < maxViolations && found.push({ field, description }))

  const inValue = (field: DescField, value: JsonValue, path: string): void => {
    if (field.message === undefined || value === null || hasOwnJson(field.message)) fault(path, ruleOf(field, value))
    else inMessage(field.message, value, path)
  }

  /** Halves the list instead of asking for every item: a long one may have one wrong item at its end. */
  const inItems = (parent: DescMessage, field: DescField, items: readonly JsonValue[], first: number, path: string): void => {
    if (found.length === maxViolations || takes(parent, { [field.name]: [...items] })) return
    const [only] = items
    if (items.length === 1 && only !== undefined) return inValue(field, only, itemPath(path, first))
    const half = items.length >> 1
    inItems(parent, field, items.slice(0, half), first, path)
    inItems(parent, field, items.slice(half), first + half, path)
  }

  const inField = (parent: DescMessage, field: DescField, value: JsonValue, path: string): void => {
    if (takes(parent, { [field.name]: value })) return
    if (field.fieldKind === 'map') fault(path, 'must be an object whose members are all of one kind')
    else if (field.fieldKind !== 'list') inValue(field, value, path)
    else if (Array.isArray(value)) inItems(parent, field, value, 0, path)
    else fault(path, 'must be a list')
  }

  const inMessage = (message: DescMessage, value: JsonValue, path: string): void => {
    if (!isObject(value)) return fault(path, 'must be an object')
    const fields = new Map(message.fields.flatMap((field) => [[field.name, field] as const, [field.jsonName, field] as const]))
    const seen = new Set<unknown>()
    for (const [name, member] of Object.entries(value)) {
      if (found.length === maxViolations) return
      const field = fields.get(name)
      const at = memberPath(path, name)
      if (field === undefined) {
        fault(at, 'is not known')
        continue
      }
      if (seen.has(field)) fault(at, `is there more than once, as ${field.name} and as ${field.jsonName}`)
      seen.add(field)
      if (field.oneof !== undefined && !(field.fieldKind === 'scalar' && member === null)) {
        if (seen.has(field.oneof)) fault(at, `at most one may be set of ${field.oneof.fields.map((one) => one.name).join(', ')}`)
        seen.add(field.oneof)
      }
      inField(message, field, member, at)
    }
  }

  inMessage(schema, whole, '')
  return found
}
