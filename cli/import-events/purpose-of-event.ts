import { isPurpose } from '../../services/access/policy/purposes.ts'
import type { Agent, AuditEvent, Coding } from './audit-event.ts'

export type EventPurpose =
  | { readonly kind: 'one'; readonly code: string }
  | { readonly kind: 'unstated' }
  | { readonly kind: 'several'; readonly codes: readonly string[] }
  | { readonly kind: 'unknown' }

/** The value set's code system under the names it has had. */
const actReason: ReadonlySet<string | undefined> = new Set([
  undefined,
  'http://terminology.hl7.org/CodeSystem/v3-ActReason',
  'http://hl7.org/fhir/v3/ActReason',
  'urn:oid:2.16.840.1.113883.5.8',
])

/** The purpose of the event, with what its actor adds. A code of another system counts as none where there is one of PurposeOfUse. */
export const purposeOfEvent = (event: AuditEvent, agent: Agent | undefined): EventPurpose => {
  const stated: readonly Coding[] = [...event.purposes, ...(agent?.purposes ?? [])]
  const codes = [
    ...new Set(stated.flatMap(({ system, code }) => (code !== undefined && actReason.has(system) && isPurpose(code) ? [code] : []))),
  ]
  const [code] = codes
  if (code === undefined) return { kind: stated.length === 0 ? 'unstated' : 'unknown' }
  return codes.length > 1 ? { kind: 'several', codes } : { kind: 'one', code }
}
