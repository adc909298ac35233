/** An AuditEvent of either version under one set of names. What is missing or of a wrong type is not there; `audit-event-shape.ts` says so. */
import type { JsonValue } from '../../services/kernel/canonical-json.ts'
import type { FhirVersion } from './audit-event-shape.ts'
import { type NamedResource, namedResource } from './fhir-reference.ts'
import { parseInstant } from './fhir-time.ts'
import { itemsOf, member, textOf } from './json-parts.ts'

export interface Coding {
  readonly system: string | undefined
  readonly code: string | undefined
  readonly display: string | undefined
}

export interface Agent {
  readonly who: NamedResource | undefined
  readonly requestor: boolean | undefined
  readonly purposes: readonly Coding[]
}

export interface Entity {
  readonly what: NamedResource | undefined
  /** Codes of type and role. */
  readonly codes: readonly Coding[]
  /** Decoded. */
  readonly query: string | undefined
}

export interface AuditEvent {
  readonly version: FhirVersion
  readonly id: string | undefined
  /** Of category, code, type and subtype. */
  readonly codes: readonly Coding[]
  /** The event in words: `code.text`, else the display of its narrowest code. */
  readonly text: string | undefined
  readonly action: string | undefined
  /** Milliseconds since the epoch. */
  readonly recorded: number | undefined
  readonly occurred: number | undefined
  /** Whether it says when it occurred, in a form that is a moment or not. */
  readonly saysWhen: boolean
  readonly lastUpdated: { readonly text: string; readonly at: number } | undefined
  /** Codes of the outcome; undefined: success, as both versions have it. */
  readonly outcome: string | undefined
  readonly agents: readonly Agent[]
  readonly purposes: readonly Coding[]
  /** Everybody the event names as its patient. */
  readonly patients: readonly NamedResource[]
  readonly basedOn: readonly NamedResource[]
  readonly encounter: NamedResource | undefined
  readonly entities: readonly Entity[]
}

const codingOf = (value: JsonValue | undefined): Coding => ({
  system: textOf(value, 'system'),
  code: textOf(value, 'code'),
  display: textOf(value, 'display'),
})
const codingsIn = (concept: JsonValue | undefined): readonly Coding[] => itemsOf(concept, 'coding').map(codingOf)
const conceptsIn = (value: JsonValue | undefined, name: string): readonly Coding[] => itemsOf(value, name).flatMap(codingsIn)
/** A Coding or a CodeableConcept, whichever the version has. */
const eitherIn = (value: JsonValue | undefined): readonly Coding[] => [
  ...codingsIn(value),
  ...(textOf(value, 'code') === undefined ? [] : [codingOf(value)]),
]

const momentOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : parseInstant(text))

const decoded = (base64: string | undefined): string | undefined =>
  base64 === undefined ? undefined : Buffer.from(base64, 'base64').toString('utf8').trim()

const entityOf = (entity: JsonValue): Entity => ({
  what: namedResource(member(entity, 'what')),
  codes: [...eitherIn(member(entity, 'type')), ...eitherIn(member(entity, 'role'))],
  query: decoded(textOf(entity, 'query')),
})

const caseTypes: ReadonlySet<string> = new Set(['CarePlan', 'EpisodeOfCare', 'ServiceRequest'])

/** An outcome without a code is one that is not known: the empty code. */
const outcomeOf = (version: FhirVersion, event: JsonValue): string | undefined => {
  if (version === 'R4') return textOf(event, 'outcome')
  const outcome = member(event, 'outcome')
  return outcome === undefined ? undefined : (textOf(member(outcome, 'code'), 'code') ?? '')
}

/** A parsed AuditEvent as what it says. */
export const auditEventOf = (version: FhirVersion, event: JsonValue): AuditEvent => {
  const entities = itemsOf(event, 'entity').map(entityOf)
  const whats = entities.flatMap(({ what }) => (what === undefined ? [] : [what]))
  const patient = namedResource(member(event, 'patient'))
  const subtypes = itemsOf(event, 'subtype').map(codingOf)
  const type = codingOf(member(event, 'type'))
  const ofR5 = codingsIn(member(event, 'code'))
  const display = ofR5[0]?.display ?? subtypes.find((coding) => coding.display !== undefined)?.display ?? type.display
  const lastUpdated = textOf(member(event, 'meta'), 'lastUpdated')
  const lastUpdatedAt = momentOf(lastUpdated)
  const started = textOf(member(event, version === 'R5' ? 'occurredPeriod' : 'period'), 'start')
  const when = version === 'R5' ? (textOf(event, 'occurredDateTime') ?? started) : started
  return {
    version,
    id: textOf(event, 'id'),
    codes: [...ofR5, ...subtypes, ...conceptsIn(event, 'category'), ...(type.code === undefined ? [] : [type])],
    text: textOf(member(event, 'code'), 'text') ?? display,
    action: textOf(event, 'action'),
    recorded: momentOf(textOf(event, 'recorded')),
    occurred: momentOf(when),
    saysWhen: when !== undefined,
    lastUpdated: lastUpdated === undefined || lastUpdatedAt === undefined ? undefined : { text: lastUpdated, at: lastUpdatedAt },
    outcome: outcomeOf(version, event),
    agents: itemsOf(event, 'agent').map((agent) => {
      const requestor = member(agent, 'requestor')
      return {
        who: namedResource(member(agent, 'who')),
        requestor: typeof requestor === 'boolean' ? requestor : undefined,
        purposes: [...conceptsIn(agent, 'purposeOfUse'), ...conceptsIn(agent, 'authorization')],
      }
    }),
    purposes: [...conceptsIn(event, 'purposeOfEvent'), ...conceptsIn(event, 'authorization')],
    patients: [...(patient === undefined ? [] : [patient]), ...whats.filter(({ type: named }) => named === 'Patient')],
    basedOn: [
      ...itemsOf(event, 'basedOn').flatMap((reference) => namedResource(reference) ?? []),
      ...(version === 'R4' ? whats.filter(({ type: named }) => named !== undefined && caseTypes.has(named)) : []),
    ],
    encounter:
      namedResource(member(event, 'encounter')) ?? (version === 'R4' ? whats.find(({ type: named }) => named === 'Encounter') : undefined),
    entities,
  }
}
