import type { JsonValue } from '../../services/kernel/canonical-json.ts'
import { type AuditEvent, auditEventOf } from './audit-event.ts'
import { fhirVersionOf, shapeFaults } from './audit-event-shape.ts'
import type { ShapeFault } from './fhir-shape.ts'
import { isRecord, textOf } from './json-parts.ts'

export type ReadEvent =
  /** `faults`: what keeps it from being valid FHIR. */
  | { readonly kind: 'event'; readonly event: AuditEvent; readonly faults: readonly ShapeFault[] }
  | { readonly kind: 'unreadable'; readonly id: string; readonly field: string; readonly reason: string }

/** A line as an AuditEvent. Never says more of the line than where it is wrong: it may hold anything. */
export const readEvent = (text: string): ReadEvent => {
  let value: JsonValue
  try {
    value = JSON.parse(text) as JsonValue
  } catch {
    return { kind: 'unreadable', id: '', field: '', reason: 'is not JSON' }
  }
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
