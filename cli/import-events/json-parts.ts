/** Reads parts of JSON that somebody else wrote: a part of another type than expected is as if it were not there. */
import type { JsonValue } from '../../services/kernel/canonical-json.ts'

export type JsonRecord = { readonly [name: string]: JsonValue | undefined }

export const isRecord = (value: unknown): value is JsonRecord => typeof value === 'object' && value !== null && !Array.isArray(value)

/** An own member; what an object inherits (`constructor`, `__proto__`) is none of its. */
export const member = (value: JsonValue | undefined, name: string): JsonValue | undefined =>
  isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined

/** The member as text; undefined when it is none or empty. */
export const textOf = (value: JsonValue | undefined, name: string): string | undefined => {
  const found = member(value, name)
  return typeof found === 'string' && found !== '' ? found : undefined
}

/** The items of a list; nothing for what is no list. */
export const itemsOf = (value: JsonValue | undefined, name: string): readonly JsonValue[] => {
  const found = member(value, name)
  return Array.isArray(found) ? found : []
}
