import type { JsonObject } from '@bufbuild/protobuf'
import { printable } from './printable.ts'

/** One line a property, indented, in order of name; a sentence when there are none. */
export const propertiesText = (properties: JsonObject | undefined): string => {
  const entries = Object.entries(properties ?? {}).sort(([left], [right]) => (left < right ? -1 : 1))
  if (entries.length === 0) return '  no properties\n'
  return entries
    .map(([name, value]) => `  ${printable(name)} = ${printable(typeof value === 'string' ? value : JSON.stringify(value))}\n`)
    .join('')
}
