/** Who acted, for whom and about which records, out of what an AuditEvent says. */
import type { Agent, AuditEvent, Entity } from './audit-event.ts'
import type { NamedResource } from './fhir-reference.ts'

/** How identifiers are taken over: as the clinic's own (`4`) or whole (`Practitioner/4`). */
export type IdForm = 'logical' | 'reference'

export const idIn = (form: IdForm, { id, reference }: NamedResource): string => (form === 'logical' ? id : reference)

/** FHIR type of an agent → subject type. One that names no type is somebody of the staff. */
const subjectTypes: Readonly<Record<string, string>> = {
  Practitioner: 'staff',
  PractitionerRole: 'staff',
  Person: 'staff',
  Patient: 'patient',
  RelatedPerson: 'related_person',
  Device: 'service',
  Organization: 'organisation',
}

export const subjectTypeOf = ({ type }: NamedResource): string | undefined => (type === undefined ? 'staff' : subjectTypes[type])

export type Actor =
  | { readonly kind: 'one'; readonly agent: Agent; readonly who: NamedResource }
  /** Nobody is named who could be meant. */
  | { readonly kind: 'none' }
  | { readonly kind: 'several' }

const isPerson = ({ who }: Agent): boolean => who?.type !== undefined && !['Device', 'Organization'].includes(who.type)

/**
 * Whoever asked for what was done: the one agent marked as requestor, a person before a device. Where no agent is marked either way, the only
 * one there is, or the only person.
 */
export const actorOf = ({ agents }: AuditEvent): Actor => {
  const marked = agents.filter(({ requestor }) => requestor === true)
  const open = marked.length > 0 ? marked : agents.filter(({ requestor }) => requestor === undefined)
  const named = [...new Map(open.filter(({ who }) => who !== undefined).map((agent) => [agent.who?.reference, agent])).values()]
  const persons = named.filter(isPerson)
  const chosen = named.length > 1 && persons.length > 0 ? persons : named
  const [agent] = chosen
  if (agent?.who === undefined) return { kind: 'none' }
  return chosen.length > 1 ? { kind: 'several' } : { kind: 'one', agent, who: agent.who }
}

/** A record that was touched. */
export interface TouchedRecord {
  readonly type: string | undefined
  /** Undefined: the event says which type or none, but not which record. */
  readonly named: NamedResource | undefined
  /** What was searched for, `Observation?patient=5`. */
  readonly query: string | undefined
}

/** Persons (1), organisations (3), the patient's role (1) and the transaction are named for the record's sake, not as records. */
const isAside = ({ codes }: Entity): boolean =>
  codes.some(
    ({ system, code }) =>
      (system?.endsWith('/audit-entity-type') === true && (code === '1' || code === '3')) ||
      (system?.endsWith('/object-role') === true && code === '1') ||
      (system?.endsWith('/BasicAuditEntityType') === true && code === 'XrequestId'),
  )

/** Longest identifier of a record; a longer query is kept as its type alone. */
const maxQuery = 256

const recordOf = ({ what, query }: Entity): TouchedRecord => {
  if (what !== undefined || query === undefined) return { type: what?.type, named: what, query: undefined }
  const [, type, search = ''] = /(?:^|[\s/])([A-Z][a-z][A-Za-z]*)(?:\/_search)?(\?\S*)?(?:\s|$)/.exec(query) ?? []
  const whole = `${type}${search === '' ? '?' : search}`
  return { type, named: undefined, query: type === undefined ? undefined : whole.length <= maxQuery ? whole : `${type}?` }
}

/** Every record an event names, each once; the patient's own record where it names no other; one without a name where it names none. */
export const touchedRecords = ({ entities }: AuditEvent): readonly TouchedRecord[] => {
  const records = entities.filter((entity) => !isAside(entity) && entity.what?.type !== 'Patient').map(recordOf)
  const named = records.filter((record) => record.named !== undefined || record.query !== undefined)
  const patients = entities.filter(({ what }) => what?.type === 'Patient').map(recordOf)
  const found = named.length > 0 ? named : patients
  const each = [...new Map(found.map((record) => [record.named?.reference ?? record.query, record])).values()]
  return each.length > 0 ? each : [{ type: undefined, named: undefined, query: undefined }]
}

/** Everybody named as the patient, each once. */
export const patientsOf = ({ patients }: AuditEvent): readonly NamedResource[] => [
  ...new Map(patients.map((patient) => [patient.reference, patient])).values(),
]
