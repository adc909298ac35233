/**
 * The decision: a pure function of state, request and time, in the order of the design (section 7). First whether the person may act at
 * all, then what forbids, then what restricts the record, then what permits, then an emergency. Equal facts give an equal answer, in
 * whatever order roles and grants came about.
 */
import type { Pseudonym } from '../audit/vault.ts'
import type { Deliberation } from './decide/deliberation.ts'
import { overrideByEmergency } from './decide/emergency.ts'
import { type Candidate, consultRoles } from './decide/permissions.ts'
import type { AccessDecision, AccessRequest, SessionFacts, Trace } from './decide/request.ts'
import { type Restriction, restrictionsOf } from './decide/restrictions.ts'
import type { EmergencyOverride } from './events.ts'
import { knowsAction, knowsResourceType } from './policy/roles.ts'
import type { ReasonCode } from './reasons.ts'
import { isInForce } from './state/period.ts'
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
  return roles.length < 2 ? roles : roles.sort()
}

/** Steps 4 and 5: the answer without an emergency, and what an emergency would have to override. */
const decideByRoles = (
  { state, request }: Deliberation,
  roles: readonly string[],
  best: Candidate | undefined,
  restrictions: readonly Restriction[],
): AccessDecision => {
  const [restriction] = restrictions
  if (restriction !== undefined) return deny(restriction.reasonCode, restriction.rule, roles, restriction.until)
  if (best === undefined) {
    if (!knowsResourceType(state.roles, request.resourceType)) return deny('unknown_resource_type', '', roles)
    return deny(knowsAction(state.roles, request.action) ? 'no_grant' : 'unknown_action', '', roles)
  }
  const { permission, verdict } = best
  if (verdict !== 'role_permits') return deny(verdict, permission.rule, roles)
  return { decision: 'permit', reasonCode: verdict, rule: permission.rule, obligations: permission.obligations, roles }
}

/** Step 6: an emergency that overrides a deny. */
const decideByEmergency = (
  deliberation: Deliberation,
  refused: AccessDecision,
  best: Candidate | undefined,
  restrictions: readonly Restriction[],
): AccessDecision => {
  const overridden: EmergencyOverride[] = best?.verdict === 'role_permits' ? [] : ['permissions']
  for (const { overriddenBy } of restrictions) {
    if (overriddenBy === undefined) return refused
    overridden.push(overriddenBy)
  }
  const override = overrideByEmergency(deliberation, overridden)
  if (override === undefined) return refused
  return {
    decision: 'permit',
    reasonCode: 'emergency_access',
    rule: `emergency/${override.emergency.id}`,
    obligations: override.obligations,
    roles: refused.roles,
    notAfter: Math.min(override.emergency.until, override.until),
    overrode: { reasonCode: refused.reasonCode, rule: refused.rule },
  }
}

const deliberate = (deliberation: Deliberation): AccessDecision => {
  const { state, request, now } = deliberation
  const roles = rolesInForce(state, request.subject.pseudonym, now)
  const { forbidding, best } = consultRoles(deliberation)
  if (forbidding !== undefined && deliberation.trace === undefined) {
    return deny(forbidding.reasonCode, forbidding.permission.rule, roles, forbidding.grantUntil)
  }
  const restrictions = restrictionsOf(deliberation)
  const byRoles = decideByRoles(deliberation, roles, best, restrictions)
  const decided = byRoles.decision === 'permit' ? byRoles : decideByEmergency(deliberation, byRoles, best, restrictions)
  if (forbidding !== undefined) return deny(forbidding.reasonCode, forbidding.permission.rule, roles, forbidding.grantUntil)
  if (decided.decision === 'deny') return decided
  // The boundaries of the role's own permission count only where it is what permits.
  const ofRole =
    byRoles.decision === 'permit' && best !== undefined ? Math.min(best.grantUntil, best.boundsUntil) : Number.POSITIVE_INFINITY
  const until = Math.min(deliberation.boundary, ofRole, decided.notAfter ?? Number.POSITIVE_INFINITY)
  return Number.isFinite(until) ? { ...decided, notAfter: until } : decided
}

/**
 * Decides. `now` is ledger time in milliseconds since the epoch. Never throws for a well-formed request. With a trace every step is
 * consulted, whatever an earlier one has decided; the answer is the same.
 */
export const decide = (state: ClinicState, request: AccessRequest, now: number, trace?: Trace): AccessDecision => {
  const subject = state.subjects.get(request.subject.pseudonym)
  const standing = subject === undefined ? 'unknown_subject' : (standingOf(subject) ?? signInOf(subject, request.session))
  if (standing !== undefined) {
    trace?.({ step: 'standing', rule: '', outcome: 'refuses', reasonCode: standing })
    return deny(standing, '', subject === undefined ? [] : rolesInForce(state, request.subject.pseudonym, now))
  }
  return deliberate({
    state,
    request,
    subject: subject as SubjectState,
    now,
    trace,
    facts: undefined,
    boundary: Number.POSITIVE_INFINITY,
  })
}

/** As `decide`, for whoever the subject is once signed in anew: what the person could do, not what this sign-in may. */
export const decideWhoeverSignedIn = (state: ClinicState, request: AccessRequest, now: number, trace?: Trace): AccessDecision =>
  decide(state, { ...request, session: { issuedAt: Number.POSITIVE_INFINITY } }, now, trace)
