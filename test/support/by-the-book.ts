/**
 * The rules of deciding once more, straight from the list of events and without a fold: slow, and written to be read beside the design.
 * It says whether the answer is a permit, and by which rule.
 */
import type { AccessRequest } from '../../services/access/decide.ts'
import type { AccessEvent, EventData, Permission, Properties } from '../../services/access/events.ts'
import type { ConditionFacts } from '../../services/access/policy/condition.ts'
import { covers } from '../../services/access/policy/purposes.ts'
import { defaultSettings, type Settings } from '../../services/access/state/settings.ts'
import { predicateOf } from './arbitrary-conditions.ts'

type Of<T extends keyof EventData> = Extract<AccessEvent, { readonly type: T }>

const ofType = <T extends keyof EventData>(events: readonly AccessEvent[], type: T): readonly Of<T>[] =>
  events.filter((event): event is Of<T> => event.type === type)

const ofSubject = <T extends { readonly data: { readonly subject: { readonly pseudonym: string } } }>(
  events: readonly T[],
  subject: string,
) => events.filter(({ data }) => data.subject.pseudonym === subject)

const leavings = (events: readonly AccessEvent[], subject: string) => ofSubject(ofType(events, 'chartwarden.staff.offboarded.v1'), subject)
const returns = (events: readonly AccessEvent[], subject: string) => ofSubject(ofType(events, 'chartwarden.staff.reinstated.v1'), subject)

const isAway = (events: readonly AccessEvent[], subject: string): boolean =>
  (leavings(events, subject).at(-1)?.revision ?? -1n) > (returns(events, subject).at(-1)?.revision ?? -1n)

/** Who holds what the event gives. */
const holderOf = (event: AccessEvent): string | undefined => {
  switch (event.type) {
    case 'chartwarden.record.shared.v1':
      return event.data.recipient.pseudonym
    case 'chartwarden.role.granted.v1':
    case 'chartwarden.careteam.joined.v1':
    case 'chartwarden.emergency.opened.v1':
    case 'chartwarden.subject.described.v1':
      return event.data.subject.pseudonym
    default:
      return undefined
  }
}

/** Without what was given to people before they left, or while they were away, or said of them then. */
const stillCounting = (events: readonly AccessEvent[]): readonly AccessEvent[] =>
  events.filter((event, index) => {
    if (event.type === 'chartwarden.staff.updated.v1') return !isAway(events.slice(0, index), event.data.subject.pseudonym)
    const holder = holderOf(event)
    return holder === undefined || (!isAway(events.slice(0, index), holder) && leavings(events.slice(index), holder).length === 0)
  })

const isWithin = ({ from, until }: { readonly from?: string; readonly until?: string }, now: number): boolean =>
  (from === undefined || Date.parse(from) <= now) && (until === undefined || now < Date.parse(until))

const mayActAtAll = (events: readonly AccessEvent[], { subject, session }: AccessRequest): boolean => {
  const me = subject.pseudonym
  if (ofSubject(ofType(events, 'chartwarden.staff.enrolled.v1'), me).length + returns(events, me).length === 0) return false
  if (isAway(events, me)) return false
  const signedIn = session?.issuedAt
  return leavings(events, me).every(({ time }) => signedIn !== undefined && signedIn > time)
}

const definitionOf = (events: readonly AccessEvent[], role: string) => {
  const definition = ofType(events, 'chartwarden.role.defined.v2').findLast(({ data }) => data.role === role)
  const retired = ofType(events, 'chartwarden.role.retired.v1').findLast(({ data }) => data.role === role)
  return definition === undefined || (retired?.revision ?? -1n) > definition.revision ? undefined : definition.data
}

/** The role and every role above it. */
const withInherited = (events: readonly AccessEvent[], role: string, seen: readonly string[] = []): readonly string[] => {
  const definition = definitionOf(events, role)
  if (definition === undefined || seen.includes(role)) return []
  return [role, ...definition.inherits.flatMap((above) => withInherited(events, above, [...seen, role]))]
}

const rolesHeld = (events: readonly AccessEvent[], me: string, now: number): readonly string[] => {
  const revoked = ofType(events, 'chartwarden.role.revoked.v1')
  const retired = ofType(events, 'chartwarden.role.retired.v1')
  return ofSubject(ofType(events, 'chartwarden.role.granted.v1'), me)
    .filter(({ data }) => isWithin(data, now))
    .filter(({ id, revision }) => !revoked.some((end) => end.revision > revision && end.data.grant_ids.includes(id)))
    .filter(({ data, revision }) => !retired.some((end) => end.revision > revision && end.data.role === data.role))
    .map(({ data }) => data.role)
}

const fits = (purposes: readonly string[], asked: string | undefined, breakTheGlass = false): boolean =>
  purposes.length === 0 || asked === undefined || purposes.some((purpose) => covers(purpose, asked, { breakTheGlass }))

const isOnCareTeam = (events: readonly AccessEvent[], { subject, patient }: AccessRequest, now: number): boolean => {
  const latest = events
    .filter((event) => event.type === 'chartwarden.careteam.joined.v1' || event.type === 'chartwarden.careteam.left.v1')
    .findLast(({ data }) => data.subject.pseudonym === subject.pseudonym && data.patient === patient)
  return latest?.type === 'chartwarden.careteam.joined.v1' && isWithin(latest.data, now)
}

const organisationsOf = (events: readonly AccessEvent[], me: string): readonly string[] => {
  const latest = events
    .filter(
      (event) =>
        event.type === 'chartwarden.staff.enrolled.v1' ||
        event.type === 'chartwarden.staff.updated.v1' ||
        event.type === 'chartwarden.staff.reinstated.v1',
    )
    .findLast(({ data }) => data.subject.pseudonym === me)
  return (latest?.data.member_of ?? []).map(({ pseudonym }) => pseudonym)
}

const ownPatientOf = (events: readonly AccessEvent[], me: string): string | undefined =>
  events
    .filter((event) => event.type === 'chartwarden.staff.enrolled.v1' || event.type === 'chartwarden.staff.updated.v1')
    .findLast(({ data }) => data.subject.pseudonym === me)?.data.own_patient

const isOwnRecord = (events: readonly AccessEvent[], { subject, patient }: AccessRequest): boolean =>
  patient !== undefined && ownPatientOf(events, subject.pseudonym) === patient

const settingsOf = (events: readonly AccessEvent[]): Settings => {
  const settled = ofType(events, 'chartwarden.settings.changed.v1').at(-1)?.data
  return settled === undefined ? defaultSettings : { ...settled, emergency: { ...defaultSettings.emergency, ...settled.emergency } }
}

/** The patient named, else the one whom the directory knows of the record. */
const aboutItsPatient = (events: readonly AccessEvent[], request: AccessRequest): AccessRequest => {
  const patient = request.patient ?? described(events, request.record)?.patient
  return patient === undefined ? request : { ...request, patient }
}

/** The directive of the patient that decides: who is named more closely first, then denials, then the older. */
const directiveOf = (events: readonly AccessEvent[], request: AccessRequest, now: number) => {
  const organisations = organisationsOf(events, request.subject.pseudonym)
  const ended = events.filter(
    (event) => event.type === 'chartwarden.consent.withdrawn.v1' || event.type === 'chartwarden.consent.expired.v1',
  )
  const speaking = ofType(events, 'chartwarden.consent.recorded.v1')
    .filter(({ data }) => data.patient === request.patient && isWithin(data, now))
    .filter(({ id, revision }) => !ended.some((end) => end.revision > revision && end.data.consent_id === id))
    .filter(({ data }) => data.resource_types.length === 0 || data.resource_types.includes(request.resourceType))
    .filter(({ data }) => fits(data.purposes, request.purpose, data.decision === 'deny'))
  const levels = [
    speaking.filter(({ data }) => data.recipient?.pseudonym === request.subject.pseudonym),
    speaking.filter(({ data }) => data.recipient !== undefined && organisations.includes(data.recipient.pseudonym)),
    speaking.filter(({ data }) => data.recipient === undefined),
  ]
  const closest = levels.find((level) => level.length > 0) ?? []
  return closest.find(({ data }) => data.decision === 'deny') ?? closest[0]
}

const isThirdParty = (events: readonly AccessEvent[], request: AccessRequest): boolean => {
  const { type, pseudonym } = request.subject
  if (type === 'patient') return !isOwnRecord(events, request)
  return type !== 'staff' || organisationsOf(events, pseudonym).length > 0
}

/** Whether a share covers it, whatever consent there is. */
const isCovered = (events: readonly AccessEvent[], request: AccessRequest, now: number): boolean => {
  const me = request.subject.pseudonym
  const reached = [me, ...organisationsOf(events, me)]
  const ended = ofType(events, 'chartwarden.share.ended.v1')
  return ofType(events, 'chartwarden.record.shared.v1')
    .filter(({ data }) => reached.includes(data.recipient.pseudonym) && isWithin(data, now))
    .filter(({ id, revision }) => !ended.some((end) => end.revision > revision && end.data.share_id === id))
    .filter(({ data }) => data.patient === request.patient && fits([data.purpose], request.purpose))
    .filter(({ data }) => data.resource_types.includes(request.resourceType) && data.actions.includes(request.action))
    .some(({ data }) => data.records === undefined || data.records.some((one) => one === request.record))
}

/** Whether the clinic gives this to this third party with a consent only, and there is none. */
const lacksConsent = (events: readonly AccessEvent[], request: AccessRequest, now: number): boolean => {
  const demanding = settingsOf(events).consent_to_share
  const demands = request.purpose !== undefined && (demanding.includes('*') || demanding.includes(request.resourceType))
  if (!demands || request.patient === undefined || !isThirdParty(events, request)) return false
  return directiveOf(events, request, now)?.data.decision !== 'permit'
}

/** What the directory says of a record, or of a patient as a whole. */
const described = (events: readonly AccessEvent[], resource: string | undefined) => {
  const latest = events
    .filter((event) => event.type === 'chartwarden.resource.described.v1' || event.type === 'chartwarden.resource.removed.v1')
    .findLast(({ data }) => data.record === resource)
  return latest?.type === 'chartwarden.resource.described.v1' ? latest.data : undefined
}

const levels = 'ULMNRV'

const labelsOf = (events: readonly AccessEvent[], request: AccessRequest) => {
  const stored = [described(events, request.record), described(events, request.patient)].filter((found) => found !== undefined)
  const said = request.stated?.resource ?? {}
  const override = request.stated?.override === true
  const level = typeof said['confidentiality'] === 'string' ? [said['confidentiality']] : []
  const codes = Array.isArray(said['sensitivities']) ? [said['sensitivities'] as string[]] : []
  const employee = ofType(events, 'chartwarden.staff.enrolled.v1').some(
    ({ data: { subject } }) =>
      subject.type !== 'patient' && request.patient !== undefined && ownPatientOf(events, subject.pseudonym) === request.patient,
  )
  const confidentialities = [...level, ...(override && level.length > 0 ? [] : stored.map(({ confidentiality }) => confidentiality))]
  return {
    confidentiality: confidentialities.sort((left, right) => levels.indexOf(right) - levels.indexOf(left))[0] ?? 'N',
    sensitivities: [
      ...new Set([
        ...codes.flat(),
        ...(override && codes.length > 0 ? [] : stored.flatMap(({ sensitivities }) => sensitivities)),
        ...(employee && !isOwnRecord(events, request) ? ['EMP'] : []),
      ]),
    ].sort(),
  }
}

/** Sensitivities of the tests that lie below another. */
const above: Readonly<Record<string, string>> = { PSY: 'BH', CEL: 'VIP' }

type Restriction = 'mismatch' | 'own' | 'consent' | 'confidentiality'

const restrictionsOf = (events: readonly AccessEvent[], request: AccessRequest, now: number): readonly Restriction[] => {
  if (request.purpose === undefined) return []
  const { own_record: rule, open_resource_types: open, emergency } = settingsOf(events)
  const patient = described(events, request.record)?.patient
  const mismatch = patient !== undefined && patient !== request.patient
  const own =
    isOwnRecord(events, request) &&
    request.subject.type !== 'patient' &&
    rule !== 'as_roles_permit' &&
    !(rule === 'read' && emergency.read_actions.includes(request.action))
  const ownSignIn = request.subject.type === 'patient' && isOwnRecord(events, request)
  const consent = request.patient !== undefined && !ownSignIn && directiveOf(events, request, now)?.data.decision === 'deny'
  const clearances = rolesHeld(events, request.subject.pseudonym, now)
    .flatMap((role) => withInherited(events, role))
    .flatMap((role) => definitionOf(events, role)?.clearance ?? [])
  const { confidentiality, sensitivities } = labelsOf(events, request)
  const cleared = (label: string) =>
    clearances.some(({ sensitivities: codes }) => [label, above[label], '*'].some((code) => codes.includes(`${code}`)))
  const labelled =
    (levels.indexOf(confidentiality) > levels.indexOf('N') &&
      !clearances.some((clearance) => levels.indexOf(clearance.confidentiality) >= levels.indexOf(confidentiality))) ||
    sensitivities.some((label) => {
      const person = ['EMP', 'VIP', 'CEL'].includes(label)
      if (person && (open.includes(request.resourceType) || isOnCareTeam(events, request, now))) return false
      return !cleared(label)
    })
  return [
    ...(mismatch ? ['mismatch' as const] : []),
    ...(own ? ['own' as const] : []),
    ...(consent ? ['consent' as const] : []),
    ...(labelled ? ['confidentiality' as const] : []),
  ]
}

const both = (stored: Properties | undefined, said: Properties | undefined, override: boolean): Properties =>
  override ? { ...stored, ...said } : { ...said, ...stored }

const factsOf = (events: readonly AccessEvent[], request: AccessRequest, now: number): ConditionFacts => {
  const { subject, stated } = request
  const override = stated?.override === true
  const about = events
    .filter((event) => event.type === 'chartwarden.subject.described.v1' || event.type === 'chartwarden.subject.removed.v1')
    .findLast(({ data }) => data.subject.pseudonym === subject.pseudonym)
  const stored = about?.type === 'chartwarden.subject.described.v1' ? about.data.properties : undefined
  return {
    subject: {
      type: subject.type,
      properties: both(stored, stated?.subject, override),
    },
    resource: {
      type: request.resourceType,
      has_patient: request.patient !== undefined,
      own_record: isOwnRecord(events, request),
      properties: { ...both(described(events, request.record)?.properties, stated?.resource, override), ...labelsOf(events, request) },
    },
    action: { name: request.action, properties: stated?.action ?? {} },
    context: {
      ...stated?.context,
      time: new Date(now),
      caller: stated?.caller ?? '',
      purpose: request.purpose ?? '',
    } as ConditionFacts['context'],
  }
}

type Ruled = Permission & { readonly rule: string; readonly role: string }

/** Permissions that speak of the request, whatever their purposes. */
const speakingOf = (events: readonly AccessEvent[], request: AccessRequest, now: number): readonly Ruled[] =>
  [...new Set(rolesHeld(events, request.subject.pseudonym, now).flatMap((role) => withInherited(events, role)))]
    .flatMap((role) =>
      (definitionOf(events, role)?.permissions ?? []).map((permission) => ({ ...permission, role, rule: `role/${role}#${permission.id}` })),
    )
    .filter(({ resource_type: type }) => type === '*' || type === request.resourceType)
    .filter(({ actions }) => actions.includes('*') || actions.includes(request.action))

const dutiesOf = ({ bounds }: Permission) => bounds.filter(({ kind }) => kind !== 'own_patients' && kind !== 'shared')

const dutiesAreSupported = (permission: Permission, { supportedObligations: supported }: AccessRequest): boolean =>
  supported === 'any' || dutiesOf(permission).every(({ kind }) => supported.has(kind))

/** Plain ones first, then by the number of duties, then by name. */
const plainest = (permissions: readonly Ruled[]): Ruled | undefined =>
  permissions.toSorted(
    (left, right) =>
      Number(left.effect !== 'permit') - Number(right.effect !== 'permit') ||
      dutiesOf(left).length - dutiesOf(right).length ||
      (left.role < right.role ? -1 : Number(left.role > right.role)) ||
      (left.id < right.id ? -1 : Number(left.id > right.id)),
  )[0]

export interface Permit {
  readonly rule: string
  /** Kinds of the duties. */
  readonly duties: readonly string[]
}

const permit = (rule: string, permission: Permission | undefined): Permit => ({
  rule,
  duties: permission === undefined ? [] : dutiesOf(permission).map(({ kind }) => kind),
})

const neverInAnEmergency = ['audit_log', 'patient_export', 'clinic_settings', 'staff_account']

/** What roles give, and what they would give with the consent that is demanded. */
interface OfRoles {
  readonly permitting: Ruled | undefined
  readonly butForConsent: Ruled | undefined
}

const emergencyOf = (events: readonly AccessEvent[], { subject, patient }: AccessRequest, now: number) => {
  const over = events.filter(
    (event) => event.type === 'chartwarden.emergency.closed.v1' || event.type === 'chartwarden.emergency.reviewed.v1',
  )
  return ofSubject(ofType(events, 'chartwarden.emergency.opened.v1'), subject.pseudonym)
    .filter(({ data, time }) => data.patient === patient && time <= now && now < Date.parse(data.until))
    .filter(({ id, revision }) => !over.some((end) => end.revision > revision && end.data.emergency_id === id))
    .toSorted((left, right) => Date.parse(right.data.until) - Date.parse(left.data.until))[0]
}

const byEmergency = (
  events: readonly AccessEvent[],
  request: AccessRequest,
  now: number,
  restrictions: readonly Restriction[],
  { permitting, butForConsent }: OfRoles,
): Permit | undefined => {
  const settled = settingsOf(events).emergency
  const emergency = emergencyOf(events, request, now)
  if (emergency === undefined || settled.disabled || !['BTG', 'ETREAT', 'ERTREAT'].includes(`${request.purpose}`)) return undefined
  if (neverInAnEmergency.includes(request.resourceType) || ['export', 'share'].includes(request.action)) return undefined
  if (!settled.resource_types.includes(request.resourceType)) return undefined
  const reading = settled.read_actions.includes(request.action)
  if (!reading && !settled.write_actions.includes(request.action)) return undefined
  const may = (kind: Restriction | 'permissions'): boolean => kind !== 'own' && kind !== 'mismatch' && settled.overrides.includes(kind)
  if (!restrictions.every(may)) return undefined
  const rule = `emergency/${emergency.id}`
  const withoutRole = may('permissions') && (may('consent') || !lacksConsent(events, request, now))
  // Full sight of it comes before what roles give with their duties.
  if (reading && withoutRole) return permit(rule, undefined)
  const rights = withoutRole
    ? speakingOf(events, request, now).filter((permission) => permission.effect !== 'forbid' && dutiesAreSupported(permission, request))
    : [permitting, may('consent') ? butForConsent : undefined].filter((given) => given !== undefined)
  const right = plainest(rights)
  if (right === undefined) return undefined
  const lifts = permitting === undefined || restrictions.length > 0 || dutiesOf(right).length < dutiesOf(permitting).length
  return lifts ? permit(rule, right) : undefined
}

/** The permit that the rules give; undefined: none. */
export const permitByTheBook = (all: readonly AccessEvent[], asked: AccessRequest, now: number): Permit | undefined => {
  if (!mayActAtAll(all, asked)) return undefined
  const events = stillCounting(all)
  const request = aboutItsPatient(events, asked)
  const facts = factsOf(events, request, now)
  const conditionOf = ({ condition }: Permission) => (condition === undefined ? true : predicateOf(condition)(facts))
  const speaking = speakingOf(events, request, now)
  const forbidden = speaking
    .filter(({ effect, purposes }) => effect === 'forbid' && fits(purposes, request.purpose, true))
    .some((permission) => conditionOf(permission) !== false)
  if (forbidden) return undefined
  const isBound = ({ bounds }: Permission, asked: string) => bounds.some(({ kind }) => kind === asked)
  const holding = speaking
    .filter(({ effect, purposes }) => effect !== 'forbid' && fits(purposes, request.purpose))
    .filter((permission) => conditionOf(permission) === true)
    .filter((permission) => !isBound(permission, 'own_patients') || isOnCareTeam(events, request, now))
    .filter((permission) => !isBound(permission, 'shared') || isCovered(events, request, now))
    .filter((permission) => dutiesAreSupported(permission, request))
  const lacking = lacksConsent(events, request, now)
  const permitting = plainest(holding.filter((permission) => !lacking || !isBound(permission, 'shared')))
  const butForConsent = plainest(holding.filter((permission) => lacking && isBound(permission, 'shared')))
  const restrictions = restrictionsOf(events, request, now)
  const ofRoles = permitting !== undefined && restrictions.length === 0 ? permit(permitting.rule, permitting) : undefined
  if (ofRoles?.duties.length === 0) return ofRoles
  return byEmergency(events, request, now, restrictions, { permitting, butForConsent }) ?? ofRoles
}

/** The patient whom an answer is about. */
export const patientByTheBook = (events: readonly AccessEvent[], request: AccessRequest): AccessRequest['patient'] =>
  aboutItsPatient(events, request).patient
