/**
 * The decision: a pure function of state, request and time, in the order of docs/explanation/deciding.md, whose steps
 * the comments name. First whether the person may act at all, then what forbids, then what restricts the record, then what permits, then an
 * emergency. Equal facts give an equal answer, in
 * whatever order roles and grants came about.
 */
import type { Deliberation } from './decide/deliberation.ts'
import { overrideByEmergency } from './decide/emergency.ts'
import { descriptionOf, withKnownPatient } from './decide/labels-of.ts'
import { type Candidate, consultRoles, isOverBudget, type RolesVerdict, rolesInForce } from './decide/permissions.ts'
import type { AccessDecision, AccessRequest, SessionFacts, Trace } from './decide/request.ts'
import { type Restriction, restrictionsOf } from './decide/restrictions.ts'
import type { EmergencyOverride } from './events.ts'
import { knowsAction, knowsResourceType } from './policy/roles.ts'
import type { ReasonCode } from './reasons.ts'
import type { GrantState } from './state/grants.ts'
import type { SubjectState } from './state/subjects.ts'
import type { ClinicState } from './state.ts'

export type { AccessDecision, AccessRequest, Consulted, SessionFacts, StatedAttributes, Trace } from './decide/request.ts'

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

const noDuties: AccessDecision['obligations'] = []

const deny = (
  { patient }: AccessRequest,
  reasonCode: ReasonCode,
  rule: string,
  roles: readonly string[],
  until = Number.POSITIVE_INFINITY,
): AccessDecision =>
  until === Number.POSITIVE_INFINITY
    ? { decision: 'deny', reasonCode, rule, obligations: noDuties, patient, roles }
    : { decision: 'deny', reasonCode, rule, obligations: noDuties, patient, roles, notAfter: until }

/** Steps 4 and 5: the answer without an emergency, and what an emergency would have to override. */
const decideByRoles = (
  { state, request, boundary }: Deliberation,
  roles: readonly string[],
  best: Candidate | undefined,
  restrictions: readonly Restriction[],
): AccessDecision => {
  const [restriction] = restrictions
  if (restriction !== undefined) return deny(request, restriction.reasonCode, restriction.rule, roles, restriction.until)
  if (best === undefined) {
    if (!knowsResourceType(state.roles, request.resourceType)) return deny(request, 'unknown_resource_type', '', roles)
    return deny(request, knowsAction(state.roles, request.action) ? 'no_grant' : 'unknown_action', '', roles)
  }
  const { patient } = request
  const { rule, obligations } = best.permission
  if (best.verdict !== 'role_permits') return deny(request, best.verdict, rule, roles)
  const until = Math.min(boundary, best.grantUntil, best.boundsUntil)
  return until === Number.POSITIVE_INFINITY
    ? { decision: 'permit', reasonCode: 'role_permits', rule, obligations, patient, roles }
    : { decision: 'permit', reasonCode: 'role_permits', rule, obligations, patient, roles, notAfter: until }
}

/** Step 6: an emergency that overrides a deny, or the duties of a permit. */
const decideByEmergency = (
  deliberation: Deliberation,
  byRoles: AccessDecision,
  verdict: RolesVerdict,
  restrictions: readonly Restriction[],
): AccessDecision => {
  const { state, request } = deliberation
  const { openBySubject } = state.emergencies
  if (openBySubject.size === 0 || !openBySubject.has(request.subject.pseudonym)) return byRoles
  const restrictedBy: EmergencyOverride[] = []
  for (const { overriddenBy } of restrictions) {
    if (overriddenBy === undefined) return byRoles
    restrictedBy.push(overriddenBy)
  }
  const override = overrideByEmergency(deliberation, byRoles, restrictedBy, verdict)
  if (override === undefined) return byRoles
  if (override.kind === 'lacks_duty') {
    return deny(request, 'obligation_unsupported', override.permission.rule, byRoles.roles, byRoles.notAfter)
  }
  return {
    decision: 'permit',
    reasonCode: 'emergency_access',
    rule: `emergency/${override.emergency.id}`,
    obligations: override.obligations,
    patient: request.patient,
    roles: byRoles.roles,
    notAfter: Math.min(deliberation.boundary, override.emergency.until, override.until),
    overrode: { reasonCode: byRoles.reasonCode, rule: byRoles.rule },
  }
}

const deliberate = (deliberation: Deliberation): AccessDecision => {
  const { request, trace } = deliberation
  const verdict = consultRoles(deliberation)
  const { roles, forbidding, best } = verdict
  if (isOverBudget(deliberation)) {
    // What forbids may not have been asked, so nothing overrides it.
    trace?.({ step: 'forbid', rule: '', outcome: 'refuses', reasonCode: 'condition_error' })
    return deny(request, 'condition_error', '', roles)
  }
  if (forbidding !== undefined && trace === undefined) {
    return deny(request, forbidding.reasonCode, forbidding.permission.rule, roles, forbidding.grantUntil)
  }
  const restrictions = restrictionsOf(deliberation)
  const byRoles = decideByRoles(deliberation, roles, best, restrictions)
  const plain = byRoles.decision === 'permit' && byRoles.obligations.length === 0
  const decided = plain ? byRoles : decideByEmergency(deliberation, byRoles, verdict, restrictions)
  return forbidding === undefined ? decided : deny(request, forbidding.reasonCode, forbidding.permission.rule, roles, forbidding.grantUntil)
}

const noGrants: readonly GrantState[] = []

/**
 * Decides. `now` is ledger time in milliseconds since the epoch. Never throws for a well-formed request. With a trace every step is
 * consulted, whatever an earlier one has decided; the answer is the same. Where the request names no patient and the directory knows the one
 * of the record, it is decided as if that one were named.
 */
export const decide = (state: ClinicState, asked: AccessRequest, now: number, trace?: Trace): AccessDecision => {
  const { pseudonym } = asked.subject
  const subject = state.subjects.get(pseudonym)
  const described = descriptionOf(state, asked)
  const request = withKnownPatient(asked, described)
  if (subject === undefined) {
    trace?.({ step: 'standing', rule: '', outcome: 'refuses', reasonCode: 'unknown_subject' })
    return deny(request, 'unknown_subject', '', [])
  }
  const grants = state.grants.bySubject.get(pseudonym) ?? noGrants
  const standing = standingOf(subject) ?? signInOf(subject, request.session)
  if (standing !== undefined) {
    trace?.({ step: 'standing', rule: '', outcome: 'refuses', reasonCode: standing })
    return deny(request, standing, '', rolesInForce(state, grants, now))
  }
  return deliberate({
    state,
    request,
    described,
    subject,
    grants,
    now,
    trace,
    facts: undefined,
    answers: undefined,
    cost: 0,
    labels: undefined,
    boundary: Number.POSITIVE_INFINITY,
  })
}

/** As `decide`, for whoever the subject is once signed in anew: what the person could do, not what this sign-in may. */
export const decideWhoeverSignedIn = (state: ClinicState, request: AccessRequest, now: number, trace?: Trace): AccessDecision =>
  decide(state, { ...request, session: { issuedAt: Number.POSITIVE_INFINITY } }, now, trace)
