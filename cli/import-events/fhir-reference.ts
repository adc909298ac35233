import type { JsonValue } from '../../services/kernel/canonical-json.ts'
import { member, textOf } from './json-parts.ts'

/** Whom or what a FHIR Reference names. Never its display: names of persons are not kept. */
export interface NamedResource {
  /** `Practitioner`; undefined when the reference does not say. */
  readonly type: string | undefined
  /** The logical id; the whole address of what is on another server. */
  readonly id: string
  /** As the source names it, without a version: `Practitioner/4`. */
  readonly reference: string
}

const withType = (reference: JsonValue): string | undefined => textOf(reference, 'type')?.replace(/^.*\//, '')

/** Undefined for a reference that identifies nothing: only displayed, or contained in the event itself. */
export const namedResource = (reference: JsonValue | undefined): NamedResource | undefined => {
  if (reference === undefined) return undefined
  const literal = textOf(reference, 'reference')?.replace(/\/_history\/[^/]*$/, '')
  if (literal !== undefined && !literal.startsWith('#')) {
    const local = /^([A-Z][A-Za-z]*)\/([A-Za-z0-9\-.]{1,64})$/.exec(literal)
    if (local !== null) return { type: local[1], id: local[2] as string, reference: literal }
    return { type: withType(reference) ?? /\/([A-Z][A-Za-z]*)\/[^/]+$/.exec(literal)?.[1], id: literal, reference: literal }
  }
  const identifier = member(reference, 'identifier')
  const value = textOf(identifier, 'value')
  if (value === undefined) return undefined
  const system = textOf(identifier, 'system')
  return { type: withType(reference), id: value, reference: system === undefined ? value : `${system}|${value}` }
}
