/** Single changes that could turn a deny into a permit, and what the clinic would be with one of them made. */
import type { Pseudonym } from '../../audit/vault.ts'
import type { AccessRequest } from '../decide.ts'
import { consentPurposes } from '../state/consents.ts'
import { enrol, reinstate, type SubjectState } from '../state/subjects.ts'
import type { ClinicState } from '../state.ts'

/** One thing that somebody could do. */
export type Step =
  | { readonly kind: 'enrol' | 'reinstate' | 'care_team' | 'share' | 'consent' }
  /** The patient whom the directory knows of the record. */
  | { readonly kind: 'name_patient'; readonly patient: Pseudonym }
  /** `issuedAt` in milliseconds since the epoch. */
  | { readonly kind: 'sign_in'; readonly issuedAt: number }
  | { readonly kind: 'grant_role' | 'revoke_role'; readonly role: string }
  | { readonly kind: 'purpose'; readonly purpose: string }
  | { readonly kind: 'withdraw_consents'; readonly ids: readonly string[] }
  | { readonly kind: 'obligations'; readonly types: readonly string[] }
  /** Opened by the person, and asked with this purpose. */
  | { readonly kind: 'emergency'; readonly purpose: 'BTG' | 'ETREAT' | 'ERTREAT' }

/** A question and the state it is put to. */
export interface Supposed {
  readonly state: ClinicState
  readonly request: AccessRequest
}

const dayMs = 86_400_000

/**
 * Deciding asks a map by key, and whether there is anything in it, alone: one key answered otherwise then costs nothing, whatever the size of
 * the clinic. It is no map to go through.
 */
const overlaid = <Key, Value>(base: Map<Key, Value>, key: Key, value: Value): Map<Key, Value> =>
  Object.defineProperties(new Map<Key, Value>(), {
    get: { value: (asked: Key): Value | undefined => (asked === key ? value : base.get(asked)) },
    has: { value: (asked: Key): boolean => asked === key || base.has(asked) },
    size: { value: base.size + 1 },
  })

const withSubject = (state: ClinicState, pseudonym: Pseudonym, change: (subjects: Map<Pseudonym, SubjectState>) => void): ClinicState => {
  const before = state.subjects.get(pseudonym)
  const only = new Map(before === undefined ? [] : [[pseudonym, before]])
  change(only)
  return { ...state, subjects: overlaid(state.subjects, pseudonym, only.get(pseudonym) as SubjectState) }
}

const withGrants = ({ state, request }: Supposed, step: Extract<Step, { readonly role: string }>): ClinicState => {
  const { subject } = request
  const held = state.grants.bySubject.get(subject.pseudonym) ?? []
  const open = { id: '', subject, role: step.role, grantor: undefined, revision: -1n, from: undefined, until: undefined }
  const grants = step.kind === 'grant_role' ? [...held, open] : held.filter(({ role }) => role !== step.role)
  return { ...state, grants: { ...state.grants, bySubject: overlaid(state.grants.bySubject, subject.pseudonym, grants) } }
}

const withShare = ({ state, request }: Supposed, patient: Pseudonym, now: number): ClinicState => {
  const { subject, resourceType, action, purpose = '' } = request
  const received = state.shares.byRecipient.get(subject.pseudonym)
  const shared = {
    id: '',
    recipient: subject,
    patient,
    resourceTypes: [resourceType],
    records: undefined,
    actions: [action],
    purpose,
    until: now + dayMs,
  }
  const ofPatient = overlaid(received ?? new Map(), patient, [...(received?.get(patient) ?? []), shared])
  return { ...state, shares: { ...state.shares, byRecipient: overlaid(state.shares.byRecipient, subject.pseudonym, ofPatient) } }
}

const withCareTeam = ({ state, request }: Supposed, patient: Pseudonym): ClinicState => {
  const subject = request.subject.pseudonym
  const places = state.careTeams.get(subject) ?? new Map()
  const place = { patient, subject, from: undefined, until: undefined }
  return { ...state, careTeams: overlaid(state.careTeams, subject, overlaid(places, patient, place)) }
}

const withConsents = ({ state, request }: Supposed, patient: Pseudonym, ended: ReadonlySet<string> | 'permit'): ClinicState => {
  const given = state.consents.byPatient.get(patient) ?? []
  const purposes = request.purpose === undefined ? [] : [request.purpose]
  const permit = {
    id: '',
    patient,
    recipient: request.subject,
    resourceTypes: new Set([request.resourceType]),
    purposes,
    coveredPurposes: consentPurposes('permit', purposes),
    decision: 'permit' as const,
    from: undefined,
    until: undefined,
  }
  const kept = ended === 'permit' ? [...given, permit] : given.filter(({ id }) => !ended.has(id))
  return { ...state, consents: { ...state.consents, byPatient: overlaid(state.consents.byPatient, patient, kept) } }
}

const withEmergency = ({ state, request }: Supposed, patient: Pseudonym, now: number): ClinicState => {
  const { pseudonym } = request.subject
  const until = now + state.settings.emergency.default_minutes * 60_000
  const opened = {
    id: '',
    subject: request.subject,
    patient,
    purpose: 'BTG' as const,
    from: now,
    until,
    closed: false,
    reviewDue: until,
  }
  const openBySubject = overlaid(state.emergencies.openBySubject, pseudonym, [
    ...(state.emergencies.openBySubject.get(pseudonym) ?? []),
    opened,
  ])
  return { ...state, emergencies: { ...state.emergencies, openBySubject } }
}

const concerningPatient = (supposed: Supposed, step: Step, patient: Pseudonym, now: number): ClinicState => {
  switch (step.kind) {
    case 'care_team':
      return withCareTeam(supposed, patient)
    case 'share':
      return withShare(supposed, patient, now)
    case 'consent':
      return withConsents(supposed, patient, 'permit')
    case 'withdraw_consents':
      return withConsents(supposed, patient, new Set(step.ids))
    case 'emergency':
      return withEmergency(supposed, patient, now)
    default:
      return supposed.state
  }
}

/** The question and the state with one step made. The state given is not touched; what comes back is for deciding alone. */
export const suppose = (supposed: Supposed, step: Step, now: number): Supposed => {
  const { state, request } = supposed
  const { subject, patient } = request
  switch (step.kind) {
    case 'enrol':
      return { request, state: withSubject(state, subject.pseudonym, (subjects) => enrol(subjects, subject, undefined, [])) }
    case 'reinstate':
      return { request, state: withSubject(state, subject.pseudonym, (subjects) => reinstate(subjects, subject, [])) }
    case 'name_patient':
      return { state, request: { ...request, patient: step.patient } }
    case 'sign_in':
      return { state, request: { ...request, session: { issuedAt: step.issuedAt } } }
    case 'grant_role':
    case 'revoke_role':
      return { request, state: withGrants(supposed, step) }
    case 'purpose':
      return { state, request: { ...request, purpose: step.purpose } }
    case 'obligations': {
      const { supportedObligations } = request
      const supported = supportedObligations === 'any' ? supportedObligations : new Set([...supportedObligations, ...step.types])
      return { state, request: { ...request, supportedObligations: supported } }
    }
    default: {
      if (patient === undefined) return supposed
      const asked = step.kind === 'emergency' ? { ...request, purpose: step.purpose } : request
      return { request: asked, state: concerningPatient({ state, request: asked }, step, patient, now) }
    }
  }
}
