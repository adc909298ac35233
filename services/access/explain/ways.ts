/**
 * What would turn a deny into a permit. Every way is tried: the decision is made with it, and only what permits is said. The fewest steps
 * are looked for first; with one step nothing longer is.
 */

import { directiveFor } from '../decide/consent.ts'
import { descriptionOf, knownPatient, withKnownPatient } from '../decide/labels-of.ts'
import { type AccessRequest, decide } from '../decide.ts'
import { emergencyPurposes, purposes } from '../policy/purposes.ts'
import type { ConsentState } from '../state/consents.ts'
import type { ClinicState } from '../state.ts'
import { type Step, type Supposed, suppose } from './steps.ts'

/** Steps that together turn the deny into a permit. Steps of kind `purpose` are alternatives to one another. */
export type Way = readonly Step[]

/** Decisions made at most for one explanation. */
const maxTrials = 4_000
const maxSteps = 3
/** Ways said at most where several steps are needed. */
const maxLongWays = 20

const permits = ({ state, request }: Supposed, now: number): boolean => decide(state, request, now).decision === 'permit'

/** What must come first, whatever else is missing; undefined when nothing helps. */
const standingSteps = (state: ClinicState, request: AccessRequest, now: number): readonly Step[] | undefined => {
  const subject = state.subjects.get(request.subject.pseudonym)
  const { reasonCode } = decide(state, request, now)
  const signIn = { kind: 'sign_in', issuedAt: Math.max(now, (subject?.cutOff ?? 0) + 1) } as const
  switch (reasonCode) {
    case 'unknown_subject':
      return [{ kind: 'enrol' }]
    case 'offboarded':
      return [{ kind: 'reinstate' }, signIn]
    case 'session_required':
    case 'session_cut_off':
      return [signIn]
    case 'suspended':
      return undefined
    default:
      return []
  }
}

/** Every directive that refuses, as one withdrawn after the other shows. */
function* refusingConsents({ state, request }: Supposed, now: number): Generator<void, readonly string[]> {
  const { patient, subject, resourceType, purpose } = request
  if (patient === undefined) return []
  const memberOf = state.subjects.get(subject.pseudonym)?.memberOf ?? []
  const disclosure = { patient, recipient: subject.pseudonym, memberOf, resourceType, purpose }
  const ids: string[] = []
  let directives: readonly ConsentState[] = state.consents.byPatient.get(patient) ?? []
  for (;;) {
    const byPatient = new Map([[patient, directives]])
    const { consent } = directiveFor({ ...state, consents: { ...state.consents, byPatient } }, disclosure, now)
    yield
    if (consent?.decision !== 'deny') return ids
    ids.push(consent.id)
    directives = directives.filter(({ id }) => id !== consent.id)
  }
}

/** One that runs already opens what a second one would. */
const hasEmergency = ({ state, request }: Supposed, now: number): boolean =>
  (state.emergencies.openBySubject.get(request.subject.pseudonym) ?? []).some(
    ({ patient, until }) => patient === request.patient && now < until,
  )

const mayOpenEmergency = (supposed: Supposed, now: number): boolean => {
  const { state, request } = supposed
  const { subject, session } = request
  const opening = {
    subject,
    action: 'open',
    resourceType: 'emergency_access',
    purpose: undefined,
    supportedObligations: new Set<string>(),
    ...(session === undefined ? {} : { session }),
  }
  if (state.settings.emergency.disabled || hasEmergency(supposed, now)) return false
  return decide(state, opening, now).decision === 'permit'
}

/** Duties that stand in the way: those of the permission that would permit if the caller carried out any. */
const missingDuties = ({ state, request }: Supposed, now: number): readonly Step[] => {
  const { supportedObligations } = request
  if (supportedObligations === 'any') return []
  const { decision, obligations } = decide(state, { ...request, supportedObligations: 'any' }, now)
  const types = [...new Set(obligations.map(({ type }) => type))].filter((type) => !supportedObligations.has(type)).sort()
  return decision === 'deny' || types.length === 0 ? [] : [{ kind: 'obligations', types }]
}

/** Steps by kind, in the order in which they are worth doing. Those of one kind are alternatives. */
function* stepsFor(supposed: Supposed, now: number): Generator<void, readonly (readonly Step[])[]> {
  const { state, request } = supposed
  const held = new Set((state.grants.bySubject.get(request.subject.pseudonym) ?? []).map(({ role }) => role))
  const roles = [...state.roles.definitions.keys()].sort()
  const withdrawn = yield* refusingConsents(supposed, now)
  const emergency = emergencyPurposes.has(request.purpose ?? '') ? request.purpose : 'BTG'
  const ofPatient: readonly (readonly Step[])[] = [
    [{ kind: 'care_team' }],
    [{ kind: 'share' }],
    [{ kind: 'consent' }],
    withdrawn.length === 0 ? [] : [{ kind: 'withdraw_consents', ids: withdrawn }],
    mayOpenEmergency(supposed, now) ? [{ kind: 'emergency', purpose: emergency as 'BTG' | 'ETREAT' | 'ERTREAT' }] : [],
  ]
  return [
    ...(request.patient === undefined ? [] : ofPatient),
    roles.map((role) => ({ kind: 'grant_role', role }) as const),
    [...held].sort().map((role) => ({ kind: 'revoke_role', role }) as const),
    purposes.filter((purpose) => purpose !== request.purpose).map((purpose) => ({ kind: 'purpose', purpose }) as const),
  ]
}

/** `size` kinds out of all, in order. */
const chosen = <Item>(items: readonly Item[], size: number, from = 0): readonly (readonly Item[])[] => {
  if (size === 0) return [[]]
  return items.slice(from).flatMap((item, index) => chosen(items, size - 1, from + index + 1).map((rest) => [item, ...rest]))
}

/**
 * What the person could do or be given so that this request is permitted; empty when nothing would, or it is permitted already. It may be
 * interrupted between any two decisions: conditions may make one take milliseconds.
 */
export function* waysTo(state: ClinicState, asked: AccessRequest, now: number): Generator<void, readonly Way[]> {
  if (permits({ state, request: asked }, now)) return []
  yield
  const described = descriptionOf(state, asked)
  const request = withKnownPatient(asked, described)
  const standing = standingSteps(state, request, now)
  yield
  if (standing === undefined) return []
  const patient = knownPatient(described)
  const first: Way = patient === undefined || patient === request.patient ? standing : [...standing, { kind: 'name_patient', patient }]
  const base = first.reduce<Supposed>((supposed, step) => suppose(supposed, step, now), { state, request })
  if (permits(base, now)) return [first]
  yield
  const kinds = yield* stepsFor(base, now)
  yield
  let trials = 0
  const found: Way[] = []

  /** Tries a way, also with the duties it would come with. */
  function* attempt(supposed: Supposed, steps: readonly Step[]): Generator<void, void> {
    trials += 1
    const permitted = permits(supposed, now)
    yield
    if (permitted) found.push([...first, ...steps])
    if (permitted || steps.length >= maxSteps) return
    const missing = missingDuties(supposed, now)
    yield
    for (const duties of missing) {
      if (permits(suppose(supposed, duties, now), now)) withDuties.push([...first, ...steps, duties])
      yield
    }
  }
  function* tryAll(supposed: Supposed, steps: readonly Step[], rest: readonly (readonly Step[])[]): Generator<void, void> {
    const [next, ...others] = rest
    if (next === undefined) {
      yield* attempt(supposed, steps)
      return
    }
    for (const step of next) {
      if (trials >= maxTrials) return
      yield* tryAll(suppose(supposed, step, now), [...steps, step], others)
    }
  }

  let withDuties: Way[] = []
  for (let size = 0; size <= maxSteps; size += 1) {
    // Found with one step fewer, but a duty besides: as long as the ways of this size.
    found.push(...withDuties)
    withDuties = []
    for (const together of chosen(kinds, size)) yield* tryAll(base, [], together)
    if (found.length > 0) return size + first.length <= 1 ? found : found.slice(0, maxLongWays)
    if (trials >= maxTrials) return withDuties.slice(0, maxLongWays)
  }
  return withDuties.slice(0, maxLongWays)
}
