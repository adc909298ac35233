import type { JsonValue } from './canonical-json.ts'
import { jsonFault } from './json-scan.ts'

export type ParsedJson =
  | { readonly kind: 'value'; readonly value: JsonValue }
  /** An object has a member more than once, so nobody could say which of them holds: the path of the second. */
  | { readonly kind: 'repeated'; readonly path: string }
  | { readonly kind: 'malformed' }

/** JSON that somebody else wrote. Of members of one name JSON.parse would keep the last (RFC 8259, section 4, leaves it open). */
export const parseJson = (text: string): ParsedJson => {
  const fault = jsonFault(text)
  if (fault === undefined) return { kind: 'value', value: JSON.parse(text) as JsonValue }
  return fault.kind === 'repeated' ? { kind: 'repeated', path: fault.path } : { kind: 'malformed' }
}
