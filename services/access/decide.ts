/**
 * The decision: a pure function of state, request and time, in the order of the design (section 7). First whether the person may act at
 * all, then what forbids, then what permits. Equal facts give an equal answer, in whatever order roles and grants came about.
 */
import type { Pseudonym } from '../audit/vault.ts'
import type { ObligationData, SubjectReference } from './events.ts'
import { covers } from './policy/purposes.ts'
import { type EffectivePermission, eachPermission, vocabularyOf } from './policy/roles.ts'
import type { ReasonCode } from './reasons.ts'
import { isInForce } from './state/period.ts'
import type { SubjectState } from './state/subjects.ts'
import type { ClinicState } from './state.ts'

/** A sign-in; `issuedAt` in milliseconds since the epoch. */
export interface SessionFacts {
  readonly issuedAt?: number
}

export interface AccessRequest {
  readonly subject: SubjectReference
  readonly action: string
  readonly resourceType: string
  /** The one record concerned. */
  readonly record?: Pseudonym
  readonly patient?: Pseudonym
  /** PurposeOfUse code. Undefined only for administrative decisions: the purposes of permissions are then not consulted. */
  readonly purpose: string | undefined
  readonly session?: SessionFacts
  /** Obligation types the caller carries out. `any` only for what gives nothing, such as ending a share. */
  readonly supportedObligations: ReadonlySet<string> | 'any'
}

export interface AccessDecision {
  readonly decision: 'permit' | 'deny'
  readonly reasonCode: ReasonCode
  /**
   * `role/<role>#<permission id>` or `forbid/<role>#<permission id>`; the role is the one that defines the permission. On a deny for lack of
   * purpose, bound or supported obligation it is the permission that came nearest; empty when none speaks of the request.
   */
  readonly rule: string
  /** Duties of a permit; none on a deny. */
  readonly obligations: readonly ObligationData[]
  /** Roles granted and in force, sorted; not those they inherit. */
  readonly roles: readonly string[]
  /** The earliest `until` the decision rests on, milliseconds since the epoch: from then on decide again. */
  readonly notAfter?: number
}

/** How far a caller's moment may lie ahead of ledger time and still count as now, in milliseconds. */
export const clockToleranceMs = 60_000

/** Whether a sign-in lies so far in the future that the request is wrong rather than refused. The caller of `decide` checks it first. */
export const sessionTooFarAhead = (session: SessionFacts | undefined, now: number): boolean =>
  session?.issuedAt !== undefined && session.issuedAt > now + clockToleranceMs

/** Step 2, sign-in apart: whether this subject may act in this clinic. */
const standingOf = ({ status }: SubjectState): ReasonCode | undefined => (status === 'active' ? undefined : status)

/** Step 2: whether the sign-in is from after the cut-off. */
const signInOf = (subject: SubjectState, session: SessionFacts | undefined): ReasonCode | undefined => {
  if (subject.cutOff === undefined) return undefined
  if (session?.issuedAt === undefined) return 'session_required'
  return session.issuedAt > subject.cutOff ? undefined : 'session_cut_off'
}

/** Until when the subject is on the patient's care team: Infinity when that is open, undefined when it is not. */
const careTeamUntil = (state: ClinicState, request: AccessRequest, now: number): number | undefined => {
  if (request.patient === undefined) return undefined
  const membership = state.careTeams.get(request.subject.pseudonym)?.get(request.patient)
  if (membership === undefined || !isInForce(membership, now)) return undefined
  return membership.until ?? Number.POSITIVE_INFINITY
}

/** Until when a share covers the request, the longest where several do; undefined when none does. */
const sharedUntil = (state: ClinicState, subject: SubjectState, request: AccessRequest, now: number): number | undefined => {
  const { patient, purpose } = request
  if (patient === undefined) return undefined
  let until: number | undefined
  const look = (recipient: Pseudonym): void => {
    for (const share of state.shares.byRecipient.get(recipient)?.get(patient) ?? []) {
      if (!(now < share.until) || (until !== undefined && share.until <= until)) continue
      if (!share.resourceTypes.includes(request.resourceType) || !share.actions.includes(request.action)) continue
      if (purpose !== undefined && !covers(share.purpose, purpose)) continue
      if (share.records !== undefined && (request.record === undefined || !share.records.has(request.record))) continue
      until = share.until
    }
  }
  look(request.subject.pseudonym)
  for (const organisation of subject.memberOf) look(organisation.pseudonym)
  return until
}

/** How near a permission came to permitting; the farther the check got, the more the reason tells. */
const nearness = { purpose_not_allowed: 1, not_own_patient: 2, not_shared: 2, obligation_unsupported: 3, role_permits: 4 } as const

type Verdict = keyof typeof nearness

interface Candidate {
  readonly permission: EffectivePermission
  readonly verdict: Verdict
  /** Until when the checked bounds hold. */
  readonly boundsUntil: number
  /** Until when the role is held; the longest where several grants give the permission. */
  grantUntil: number
}

const judge = (
  state: ClinicState,
  subject: SubjectState,
  request: AccessRequest,
  permission: EffectivePermission,
  now: number,
): { readonly verdict: Verdict; readonly boundsUntil: number } => {
  let boundsUntil = Number.POSITIVE_INFINITY
  if (request.purpose !== undefined && !permission.purposes.has(request.purpose)) return { verdict: 'purpose_not_allowed', boundsUntil }
  if (permission.ownPatients) {
    const until = careTeamUntil(state, request, now)
    if (until === undefined) return { verdict: 'not_own_patient', boundsUntil }
    boundsUntil = until
  }
  if (permission.shared) {
    const until = sharedUntil(state, subject, request, now)
    if (until === undefined) return { verdict: 'not_shared', boundsUntil }
    boundsUntil = Math.min(boundsUntil, until)
  }
  const { supportedObligations } = request
  if (supportedObligations !== 'any' && !permission.obligations.every(({ type }) => supportedObligations.has(type))) {
    return { verdict: 'obligation_unsupported', boundsUntil }
  }
  return { verdict: 'role_permits', boundsUntil }
}

const byName = (left: EffectivePermission, right: EffectivePermission): number => {
  if (left.role !== right.role) return left.role < right.role ? -1 : 1
  if (left.id !== right.id) return left.id < right.id ? -1 : 1
  return 0
}

/** Which of two alternatives is taken: the nearest, then a plain permit, then the fewest obligations, then by name. */
const byPreference = (left: Candidate, right: Candidate): number => {
  const nearer = nearness[right.verdict] - nearness[left.verdict]
  if (nearer !== 0) return nearer
  const plainer = Number(left.permission.effect !== 'permit') - Number(right.permission.effect !== 'permit')
  if (plainer !== 0) return plainer
  return left.permission.obligations.length - right.permission.obligations.length || byName(left.permission, right.permission)
}

const deny = (reasonCode: ReasonCode, rule: string, roles: readonly string[], until = Number.POSITIVE_INFINITY): AccessDecision => ({
  decision: 'deny',
  reasonCode,
  rule,
  obligations: [],
  roles,
  ...(Number.isFinite(until) ? { notAfter: until } : {}),
})

const rolesInForce = (state: ClinicState, subject: Pseudonym, now: number): readonly string[] => {
  const roles: string[] = []
  for (const grant of state.grants.bySubject.get(subject) ?? []) {
    if (isInForce(grant, now) && state.roles.definitions.has(grant.role) && !roles.includes(grant.role)) roles.push(grant.role)
  }
  return roles.sort()
}

/** Steps 3 to 7: what the roles in force give to a subject who may act. */
const decideByRoles = (state: ClinicState, subject: SubjectState, request: AccessRequest, now: number): AccessDecision => {
  let forbidding: { readonly permission: EffectivePermission; grantUntil: number } | undefined
  let best: Candidate | undefined
  let grantUntil = Number.POSITIVE_INFINITY

  const weigh = (permission: EffectivePermission): void => {
    if (permission.effect === 'forbid') {
      // An administrative decision consults no purposes, so there a forbid holds whatever its purposes are.
      if (!permission.anyPurpose && request.purpose !== undefined && !permission.purposes.has(request.purpose)) return
      const order = forbidding === undefined ? -1 : byName(permission, forbidding.permission)
      if (order < 0) forbidding = { permission, grantUntil }
      else if (order === 0 && forbidding !== undefined) forbidding.grantUntil = Math.max(forbidding.grantUntil, grantUntil)
      return
    }
    if (best?.permission === permission) {
      best.grantUntil = Math.max(best.grantUntil, grantUntil)
      return
    }
    const candidate: Candidate = { permission, ...judge(state, subject, request, permission, now), grantUntil }
    if (best === undefined || byPreference(candidate, best) < 0) best = candidate
  }

  for (const grant of state.grants.bySubject.get(request.subject.pseudonym) ?? []) {
    if (!isInForce(grant, now)) continue
    grantUntil = grant.until ?? Number.POSITIVE_INFINITY
    eachPermission(state.roles, grant.role, request.resourceType, request.action, weigh)
  }
  return conclude(state, request, rolesInForce(state, request.subject.pseudonym, now), forbidding, best)
}

const conclude = (
  state: ClinicState,
  request: AccessRequest,
  roles: readonly string[],
  forbidding: { readonly permission: EffectivePermission; readonly grantUntil: number } | undefined,
  best: Candidate | undefined,
): AccessDecision => {
  if (forbidding !== undefined) return deny('forbidden', forbidding.permission.rule, roles, forbidding.grantUntil)
  if (best === undefined) {
    const { resourceTypes, actions } = vocabularyOf(state.roles)
    if (!resourceTypes.has(request.resourceType)) return deny('unknown_resource_type', '', roles)
    return deny(actions.has(request.action) ? 'no_grant' : 'unknown_action', '', roles)
  }
  const { permission, verdict } = best
  if (verdict !== 'role_permits') return deny(verdict, permission.rule, roles)
  const until = Math.min(best.grantUntil, best.boundsUntil)
  return {
    decision: 'permit',
    reasonCode: verdict,
    rule: permission.rule,
    obligations: permission.obligations,
    roles,
    ...(Number.isFinite(until) ? { notAfter: until } : {}),
  }
}

/** Decides. `now` is ledger time in milliseconds since the epoch. Never throws for a well-formed request. */
export const decide = (state: ClinicState, request: AccessRequest, now: number): AccessDecision => {
  const subject = state.subjects.get(request.subject.pseudonym)
  if (subject === undefined) return deny('unknown_subject', '', [])
  const barred = standingOf(subject) ?? signInOf(subject, request.session)
  if (barred !== undefined) return deny(barred, '', rolesInForce(state, request.subject.pseudonym, now))
  return decideByRoles(state, subject, request, now)
}

/** As `decide`, for whoever the subject is once signed in anew: what the person could do, not what this sign-in may. */
export const decideWhoeverSignedIn = (state: ClinicState, request: AccessRequest, now: number): AccessDecision =>
  decide(state, { ...request, session: { issuedAt: Number.POSITIVE_INFINITY } }, now)
