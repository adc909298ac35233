/** AuditEvent as FHIR R4 (4.0.1) and R5 (5.0.0) define it. https://hl7.org/fhir/R4/auditevent.html, https://hl7.org/fhir/R5/auditevent.html */
import type { JsonValue } from '../../services/kernel/canonical-json.ts'
import { createShapeCheck, type Shape, type ShapeFault } from './fhir-shape.ts'
import { itemsOf, member } from './json-parts.ts'

export type FhirVersion = 'R4' | 'R5'

const dataTypes: Readonly<Record<string, Shape>> = {
  Meta: { versionId: '? id', lastUpdated: '? instant', source: '? uri', profile: '* uri', security: '* Coding', tag: '* Coding' },
  Coding: { system: '? uri', version: '? string', code: '? code', display: '? string', userSelected: '? boolean' },
  CodeableConcept: { coding: '* Coding', text: '? string' },
  Period: { start: '? dateTime', end: '? dateTime' },
  Identifier: {
    use: '? code(usual|official|temp|secondary|old)',
    type: '? CodeableConcept',
    system: '? uri',
    value: '? string',
    period: '? Period',
    assigner: '? Reference',
  },
  Reference: { reference: '? string', type: '? uri', identifier: '? Identifier', display: '? string' },
  Quantity: { value: '? decimal', comparator: '? code(<|<=|>=|>|ad)', unit: '? string', system: '? uri', code: '? code' },
  Range: { low: '? Quantity', high: '? Quantity' },
  Ratio: { numerator: '? Quantity', denominator: '? Quantity' },
}

const resource: Shape = {
  resourceType: '1 code(AuditEvent)',
  id: '1 id',
  meta: '? Meta',
  language: '? code',
  text: '? any',
  contained: '* any',
}
const action = '? code(C|R|U|D|E)'

const r4 = createShapeCheck({
  ...dataTypes,
  AuditEvent: {
    ...resource,
    type: '1 Coding',
    subtype: '* Coding',
    action,
    period: '? Period',
    recorded: '1 instant',
    outcome: '? code(0|4|8|12)',
    outcomeDesc: '? string',
    purposeOfEvent: '* CodeableConcept',
    agent: '+ Agent',
    source: '1 Source',
    entity: '* Entity',
  },
  Agent: {
    type: '? CodeableConcept',
    role: '* CodeableConcept',
    who: '? Reference',
    altId: '? string',
    name: '? string',
    requestor: '1 boolean',
    location: '? Reference',
    policy: '* uri',
    media: '? Coding',
    network: '? Network',
    purposeOfUse: '* CodeableConcept',
  },
  Network: { address: '? string', type: '? code(1|2|3|4|5)' },
  Source: { site: '? string', observer: '1 Reference', type: '* Coding' },
  Entity: {
    what: '? Reference',
    type: '? Coding',
    role: '? Coding',
    lifecycle: '? Coding',
    securityLabel: '* Coding',
    name: '? string',
    description: '? string',
    query: '? base64Binary',
    detail: '* Detail',
  },
  Detail: { type: '1 string', 'value[x]': '1 string|base64Binary' },
})

const r5 = createShapeCheck({
  ...dataTypes,
  AuditEvent: {
    ...resource,
    category: '* CodeableConcept',
    code: '1 CodeableConcept',
    action,
    severity: '? code(emergency|alert|critical|error|warning|notice|informational|debug)',
    'occurred[x]': '? Period|dateTime',
    recorded: '1 instant',
    outcome: '? Outcome',
    authorization: '* CodeableConcept',
    basedOn: '* Reference',
    patient: '? Reference',
    encounter: '? Reference',
    agent: '+ Agent',
    source: '1 Source',
    entity: '* Entity',
  },
  Outcome: { code: '1 Coding', detail: '* CodeableConcept' },
  Agent: {
    type: '? CodeableConcept',
    role: '* CodeableConcept',
    who: '1 Reference',
    requestor: '? boolean',
    location: '? Reference',
    policy: '* uri',
    'network[x]': '? Reference|uri|string',
    authorization: '* CodeableConcept',
  },
  Source: { site: '? Reference', observer: '1 Reference', type: '* CodeableConcept' },
  Entity: {
    what: '? Reference',
    role: '? CodeableConcept',
    securityLabel: '* CodeableConcept',
    query: '? base64Binary',
    detail: '* Detail',
    agent: '* Agent',
  },
  Detail: {
    type: '1 CodeableConcept',
    'value[x]': '1 Quantity|CodeableConcept|string|boolean|integer|Range|Ratio|time|dateTime|Period|base64Binary',
  },
})

/** R4 has `type`, R5 `code`; an event with both is of no version. Without either, what else there is decides. */
export const fhirVersionOf = (event: JsonValue): FhirVersion | undefined => {
  const has = (name: string): boolean => member(event, name) !== undefined
  if (has('type') && has('code')) return undefined
  if (has('type')) return 'R4'
  const ofR5 = ['code', 'category', 'occurredDateTime', 'occurredPeriod', 'patient', 'encounter', 'basedOn', 'authorization']
  return ofR5.some(has) ? 'R5' : 'R4'
}

/** Everything that keeps it from being a valid AuditEvent of that version; terminologies other than required bindings are not checked. */
export const shapeFaults = (version: FhirVersion, event: JsonValue): readonly ShapeFault[] => {
  if (version === 'R5') return r5('AuditEvent', event)
  const both = itemsOf(event, 'entity').flatMap((entity, index) =>
    member(entity, 'name') !== undefined && member(entity, 'query') !== undefined
      ? [{ kind: 'wrong' as const, path: `entity[${index}]`, message: 'has both name and query (invariant sev-1)' }]
      : [],
  )
  return [...r4('AuditEvent', event), ...both]
}
