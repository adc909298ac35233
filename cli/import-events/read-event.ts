import { parseJson } from '../../services/kernel/json-text.ts'
import { type AuditEvent, auditEventOf } from './audit-event.ts'
import { fhirVersionOf, shapeFaults } from './audit-event-shape.ts'
import type { ShapeFault } from './fhir-shape.ts'
import { isRecord, textOf } from './json-parts.ts'

export type ReadEvent =
  /** `faults`: what keeps it from being valid FHIR. */
  | { readonly kind: 'event'; readonly event: AuditEvent; readonly faults: readonly ShapeFault[] }
  | { readonly kind: 'unreadable'; readonly id: string; readonly field: string; readonly reason: string }

/** As FHIR names its elements, one within another. */
const elementPath = /^_?[a-z][A-Za-z]{0,63}(\[\d+\])?(\._?[a-z][A-Za-z]{0,63}(\[\d+\])?)*$/

/** A line as an AuditEvent. Never says more of the line than where it is wrong: it may hold anything. */
export const readEvent = (text: string): ReadEvent => {
  const parsed = parseJson(text)
  if (parsed.kind === 'malformed') return { kind: 'unreadable', id: '', field: '', reason: 'is not JSON' }
  if (parsed.kind === 'repeated') {
    const field = elementPath.test(parsed.path) ? parsed.path : ''
    return {
      kind: 'unreadable',
      id: '',
      field,
      reason: field === '' ? 'has a member more than once' : 'stands more than once in one object',
    }
  }
  const { value } = parsed
  if (!isRecord(value)) return { kind: 'unreadable', id: '', field: '', reason: 'is no JSON object' }
  const id = textOf(value, 'id') ?? ''
  const type = textOf(value, 'resourceType')
  if (type !== 'AuditEvent') {
    return { kind: 'unreadable', id, field: 'resourceType', reason: type === undefined ? 'is missing' : 'is not AuditEvent' }
  }
  const version = fhirVersionOf(value)
  if (version === undefined) return { kind: 'unreadable', id, field: '', reason: 'has both type (FHIR R4) and code (FHIR R5)' }
  return { kind: 'event', event: auditEventOf(version, value), faults: shapeFaults(version, value) }
}
