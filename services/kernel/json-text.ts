import { fromJsonString } from '@bufbuild/protobuf'
import { EmptySchema } from '@bufbuild/protobuf/wkt'
import type { JsonValue } from './canonical-json.ts'

export type ParsedJson =
  | { readonly kind: 'value'; readonly value: JsonValue }
  /** An object has a member of this name more than once, so nobody could say which of them holds. */
  | { readonly kind: 'repeated'; readonly member: string }
  | { readonly kind: 'malformed' }

/**
 * JSON that somebody else wrote. JSON.parse keeps the last of members of one name (RFC 8259, section 4, leaves it open): what it took for
 * good is looked at again by the scan that refuses them in the requests of the contract.
 */
export const parseJson = (text: string): ParsedJson => {
  let value: JsonValue
  try {
    value = JSON.parse(text) as JsonValue
  } catch {
    return { kind: 'malformed' }
  }
  try {
    // In an object, which no message is without.
    fromJsonString(EmptySchema, `{"value":${text}}`, { ignoreUnknownFields: true })
    return { kind: 'value', value }
  } catch (thrown) {
    const [, member] = /duplicate object key "(.*)"$/s.exec((thrown as Error).message) ?? []
    return member === undefined ? { kind: 'malformed' } : { kind: 'repeated', member }
  }
}
