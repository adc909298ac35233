/** Step 4 of docs/explanation/deciding.md: what the patient decided, and labels that no role in force is cleared for. */
import type { Pseudonym } from '../../audit/vault.ts'
import type { Confidentiality, EmergencyOverride } from '../events.ts'
import { clears, protectedPersons, reaches } from '../policy/labels.ts'
import { effectiveRole } from '../policy/roles.ts'
import type { ReasonCode } from '../reasons.ts'
import { isInForce } from '../state/period.ts'
import { find } from '../state/pseudonym-lookup.ts'
import { directiveFor } from './consent.ts'
import { type Deliberation, holdUntil, labelsIn } from './deliberation.ts'
import { isOwnRecord, knownPatient, unlabelled } from './labels-of.ts'

export interface Restriction {
  readonly reasonCode: ReasonCode
  readonly rule: string
  /** What an emergency access must be allowed to override; undefined: nothing overrides it. */
  readonly overriddenBy: EmergencyOverride | undefined
  readonly until: number
}

/** Until when the subject is on the patient's care team: Infinity when that is open, undefined when it is not. */
export const careTeamUntil = (deliberation: Deliberation): number | undefined => {
  const { state, request, now } = deliberation
  if (request.patient === undefined) return undefined
  const membership = state.careTeams.get(request.subject.pseudonym)?.get(request.patient)
  if (membership === undefined) return undefined
  if (isInForce(membership, now)) return membership.until ?? Number.POSITIVE_INFINITY
  // A place to come may make a plainer permission hold, with other duties.
  if (membership.from !== undefined && now < membership.from) holdUntil(deliberation, membership.from)
  return undefined
}

/** Until when some role in force is cleared, the longest where several are; undefined when none is. */
const clearedUntil = (
  { state, grants, now }: Deliberation,
  covers: (level: Confidentiality, codes: readonly string[]) => boolean,
): number | undefined => {
  let until: number | undefined
  for (const grant of grants) {
    if (!isInForce(grant, now)) continue
    const clearances = effectiveRole(state.roles, grant.role)?.clearances ?? []
    if (!clearances.some(({ confidentiality, sensitivities }) => covers(confidentiality, sensitivities))) continue
    until = Math.max(until ?? 0, grant.until ?? Number.POSITIVE_INFINITY)
  }
  return until
}

/** A care team, a consent or an emergency of another patient must not open the record. Stated properties override nothing of this. */
const patientMismatch = ({ request, described }: Deliberation): ReasonCode | undefined => {
  const patient = knownPatient(described)
  return patient === undefined || patient === request.patient ? undefined : 'patient_mismatch'
}

const ownRecord = ({ state, request, subject }: Deliberation): ReasonCode | undefined => {
  if (!isOwnRecord(subject, request) || request.subject.type === 'patient') return undefined
  const { own_record: rule, emergency } = state.settings
  // The clinic names its actions that read in one place.
  const reads = rule === 'read' && emergency.read_actions.includes(request.action)
  return rule === 'as_roles_permit' || reads ? undefined : 'own_record'
}

/** Every label that stands in the way, the strongest first; what clears the others is noted as a boundary. */
const labelled = (deliberation: Deliberation): ReasonCode | undefined => {
  const labels = labelsIn(deliberation)
  if (labels === unlabelled) return undefined
  const { state, request, trace } = deliberation
  const { confidentiality, sensitivities } = labels
  let refused: ReasonCode | undefined
  const look = (reasonCode: ReasonCode, until: number | undefined, label: string): void => {
    if (until === undefined) refused ??= reasonCode
    else holdUntil(deliberation, until)
    trace?.({ step: 'confidentiality', rule: '', outcome: until === undefined ? 'refuses' : 'permits', reasonCode, detail: label })
  }
  if (!reaches('N', confidentiality))
    look(
      'confidentiality',
      clearedUntil(deliberation, (level) => reaches(level, confidentiality)),
      confidentiality,
    )
  for (const label of sensitivities) {
    const cleared = clearedUntil(deliberation, (_, codes) => clears(codes, label))
    if (!protectedPersons.has(label)) {
      look('sensitivity', cleared, label)
    } else if (!state.settings.open_resource_types.includes(request.resourceType)) {
      const team = careTeamUntil(deliberation)
      look('protected_person', cleared === undefined || team === undefined ? (cleared ?? team) : Math.max(cleared, team), label)
    }
  }
  return refused
}

const consentRestriction = (deliberation: Deliberation, patient: Pseudonym): Restriction | undefined => {
  const { state, request, subject, now, trace } = deliberation
  if (find(state.consents.byPatient, patient) === undefined) return undefined
  // What patients decide is about others: it keeps nobody from the own record.
  if (request.subject.type === 'patient' && isOwnRecord(subject, request)) return undefined
  const { consent, until } = directiveFor(
    state,
    {
      patient,
      recipient: request.subject.pseudonym,
      memberOf: subject.memberOf,
      resourceType: request.resourceType,
      purpose: request.purpose,
    },
    now,
  )
  holdUntil(deliberation, until)
  if (consent === undefined) return undefined
  const rule = `consent/${consent.id}`
  const denies = consent.decision === 'deny'
  trace?.({ step: 'consent', rule, outcome: denies ? 'refuses' : 'permits', reasonCode: 'consent_denied' })
  return denies ? { reasonCode: 'consent_denied', rule, overriddenBy: 'consent', until } : undefined
}

const unrestricted: readonly Restriction[] = []

/**
 * Everything that restricts the record for this subject, the one that decides first. Nothing for administrative decisions, which open no
 * record.
 */
export const restrictionsOf = (deliberation: Deliberation): readonly Restriction[] => {
  const { request, trace } = deliberation
  if (request.purpose === undefined) return unrestricted
  const never = Number.POSITIVE_INFINITY
  const own = patientMismatch(deliberation) ?? ownRecord(deliberation)
  const consent = request.patient === undefined ? undefined : consentRestriction(deliberation, request.patient)
  const label = labelled(deliberation)
  if (own === undefined && consent === undefined && label === undefined) return unrestricted
  const found: Restriction[] = []
  if (own !== undefined) {
    trace?.({ step: 'confidentiality', rule: '', outcome: 'refuses', reasonCode: own })
    found.push({ reasonCode: own, rule: '', overriddenBy: undefined, until: never })
  }
  if (consent !== undefined) found.push(consent)
  if (label !== undefined) found.push({ reasonCode: label, rule: '', overriddenBy: 'confidentiality', until: never })
  return found
}
