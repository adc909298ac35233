/** Steps 3 and 5 of docs/explanation/deciding.md: what the roles in force forbid, and the best of what they permit. */
import type { Pseudonym } from '../../audit/vault.ts'
import type { ConditionError } from '../policy/condition.ts'
import { conditionLimits } from '../policy/conditions/limits.ts'
import { covers } from '../policy/purposes.ts'
import { type EffectivePermission, effectiveRole, permissionsFor } from '../policy/roles.ts'
import type { ReasonCode } from '../reasons.ts'
import type { GrantState } from '../state/grants.ts'
import { isInForce } from '../state/period.ts'
import type { ClinicState } from '../state.ts'
import { demandsConsent, directiveFor, isThirdParty } from './consent.ts'
import { conditionFacts, type Deliberation, dependsOnClock, holdUntil } from './deliberation.ts'
import { careTeamUntil } from './restrictions.ts'

/** How near a permission came to permitting; the farther the check got, the more the reason tells. */
const nearness = {
  purpose_not_allowed: 1,
  condition_not_met: 2,
  condition_error: 2,
  not_own_patient: 3,
  not_shared: 3,
  consent_required: 4,
  obligation_unsupported: 5,
  role_permits: 6,
} as const satisfies Partial<Record<ReasonCode, number>>

export type Verdict = keyof typeof nearness

export interface Candidate {
  readonly permission: EffectivePermission
  readonly verdict: Verdict
  /** Why its condition could not be evaluated. */
  readonly detail?: string
  /** Until when the checked bounds hold. */
  readonly boundsUntil: number
  /** Until when the role is held; the longest where several grants give the permission. */
  grantUntil: number
}

export interface Forbidding {
  readonly permission: EffectivePermission
  readonly reasonCode: 'forbidden' | 'condition_error'
  grantUntil: number
}

export interface RolesVerdict {
  /** Roles in force, sorted. */
  roles: readonly string[]
  forbidding: Forbidding | undefined
  best: Candidate | undefined
  /** The plainest that holds, duties included, but for the consent that the clinic demands. */
  unconsented: Candidate | undefined
}

type Mutable<T> = { -readonly [name in keyof T]: T[name] }

const noNames: readonly string[] = []

/** Until when what was shared with one recipient covers the request, the longest where several shares do; `until` where none does longer. */
const sharedWith = ({ state, request, now }: Deliberation, recipient: Pseudonym, until: number | undefined): number | undefined => {
  const { patient, purpose, record } = request
  const shares = patient === undefined ? undefined : state.shares.byRecipient.get(recipient)?.get(patient)
  if (shares === undefined) return until
  let longest = until
  for (const share of shares) {
    if (!(now < share.until) || (longest !== undefined && share.until <= longest)) continue
    if (!share.resourceTypes.includes(request.resourceType) || !share.actions.includes(request.action)) continue
    if (purpose !== undefined && purpose !== share.purpose && !covers(share.purpose, purpose)) continue
    if (share.records !== undefined && (record === undefined || !share.records.includes(record))) continue
    longest = share.until
  }
  return longest
}

/**
 * Whether the clinic gives records of this type to third parties only with a consent, this is one, and there is none. A consent may have been
 * withdrawn since a share was made.
 */
export const lacksDemandedConsent = (deliberation: Deliberation): boolean => {
  const { state, request, subject, now } = deliberation
  const { patient, purpose, resourceType } = request
  if (patient === undefined || purpose === undefined || !demandsConsent(state, resourceType)) return false
  if (!isThirdParty(state, request.subject, patient)) return false
  const disclosure = { patient, recipient: request.subject.pseudonym, memberOf: subject.memberOf, resourceType, purpose }
  const { consent, until } = directiveFor(state, disclosure, now)
  holdUntil(deliberation, until)
  return consent?.decision !== 'permit'
}

/** Until when a share covers the request, the longest where several do; a reason when none does. */
const sharedUntil = (deliberation: Deliberation): number | 'not_shared' | 'consent_required' => {
  const { request, subject } = deliberation
  let until = sharedWith(deliberation, request.subject.pseudonym, undefined)
  for (const organisation of subject.memberOf) until = sharedWith(deliberation, organisation.pseudonym, until)
  if (until === undefined) return 'not_shared'
  if (!lacksDemandedConsent(deliberation)) return until
  // An emergency may override that, as long as there is something shared.
  holdUntil(deliberation, until)
  return 'consent_required'
}

/** Of one decision, in units of about ten nanoseconds. */
const { decisionCost: budget } = conditionLimits

/** Whether the conditions of the permissions consulted may cost more than one decision may take. */
export const isOverBudget = ({ cost }: Deliberation): boolean => cost > budget

const notEvaluated: ConditionError = { error: 'the conditions of the roles in force would take too long together' }

/**
 * Whether a permission's condition holds. Each permission of the roles in force that speaks of the request and fits its purpose comes here,
 * whatever others came to, forbids too, and is paid for once, evaluated or not: so the sum, and with it whether the budget is kept, does not
 * depend on the order of grants, roles and permissions. Beyond the budget nothing is evaluated any more, and the decision is a deny.
 */
const evaluate = (deliberation: Deliberation, permission: EffectivePermission): boolean | ConditionError => {
  const { condition } = permission
  if (condition === undefined) return true
  const known = deliberation.answers?.get(permission)
  if (known !== undefined) return known
  deliberation.cost += condition.cost
  let answer: boolean | ConditionError = notEvaluated
  if (!isOverBudget(deliberation)) {
    if (condition.usesTime) dependsOnClock(deliberation)
    answer = condition.evaluate(conditionFacts(deliberation))
  }
  // One grant leads to each permission once.
  if (deliberation.grants.length > 1) {
    deliberation.answers ??= new Map()
    deliberation.answers.set(permission, answer)
  }
  return answer
}

const judge = (deliberation: Deliberation, permission: EffectivePermission, grantUntil: number): Candidate => {
  const { purpose } = deliberation.request
  const candidate: Mutable<Candidate> = { permission, verdict: 'purpose_not_allowed', boundsUntil: Number.POSITIVE_INFINITY, grantUntil }
  if (purpose !== undefined && !permission.purposes.has(purpose)) return candidate
  const condition = evaluate(deliberation, permission)
  if (condition !== true) {
    candidate.verdict = condition === false ? 'condition_not_met' : 'condition_error'
    if (condition !== false) candidate.detail = condition.error
    return candidate
  }
  if (permission.ownPatients) {
    const until = careTeamUntil(deliberation)
    if (until === undefined) {
      candidate.verdict = 'not_own_patient'
      return candidate
    }
    candidate.boundsUntil = until
  }
  if (permission.shared) {
    const until = sharedUntil(deliberation)
    if (typeof until === 'string') {
      candidate.verdict = until
      return candidate
    }
    if (until < candidate.boundsUntil) candidate.boundsUntil = until
  }
  candidate.verdict = supportsObligations(deliberation, permission) ? 'role_permits' : 'obligation_unsupported'
  return candidate
}

/** Whether the caller carries out every duty of a permission. */
export const supportsObligations = ({ request }: Deliberation, permission: EffectivePermission): boolean => {
  const { supportedObligations } = request
  if (supportedObligations === 'any' || permission.obligations.length === 0) return true
  return permission.obligations.every(({ type }) => supportedObligations.has(type))
}

const byName = (left: EffectivePermission, right: EffectivePermission): number => {
  if (left.role !== right.role) return left.role < right.role ? -1 : 1
  if (left.id !== right.id) return left.id < right.id ? -1 : 1
  return 0
}

/** Which of two permissions that hold is taken: a plain permit, then the fewest obligations, then by name. */
export const plainestFirst = (left: EffectivePermission, right: EffectivePermission): number => {
  const plainer = Number(left.effect !== 'permit') - Number(right.effect !== 'permit')
  if (plainer !== 0) return plainer
  return left.obligations.length - right.obligations.length || byName(left, right)
}

/** The nearest to permitting, then the plainest. */
const byPreference = (left: Candidate, right: Candidate): number =>
  nearness[right.verdict] - nearness[left.verdict] || plainestFirst(left.permission, right.permission)

const forbids = (
  deliberation: Deliberation,
  permission: EffectivePermission,
): (Pick<Forbidding, 'reasonCode'> & { readonly detail?: string }) | undefined => {
  const { purpose } = deliberation.request
  // An administrative decision consults no purposes, so there a forbid holds whatever its purposes are.
  if (!permission.anyPurpose && purpose !== undefined && !permission.purposes.has(purpose)) return undefined
  const condition = evaluate(deliberation, permission)
  if (condition === false) return undefined
  return condition === true ? { reasonCode: 'forbidden' } : { reasonCode: 'condition_error', detail: condition.error }
}

const weighForbid = (deliberation: Deliberation, verdict: RolesVerdict, permission: EffectivePermission, grantUntil: number): void => {
  const { forbidding } = verdict
  if (forbidding?.permission === permission) {
    forbidding.grantUntil = Math.max(forbidding.grantUntil, grantUntil)
    return
  }
  const found = forbids(deliberation, permission)
  deliberation.trace?.({
    step: 'forbid',
    rule: permission.rule,
    outcome: found === undefined ? 'not_met' : 'refuses',
    reasonCode: found?.reasonCode ?? 'forbidden',
    ...(found?.detail === undefined ? {} : { detail: found.detail }),
  })
  if (found === undefined) return
  if (forbidding === undefined || byName(permission, forbidding.permission) < 0) {
    verdict.forbidding = { permission, reasonCode: found.reasonCode, grantUntil }
  }
}

const weigh = (deliberation: Deliberation, verdict: RolesVerdict, permission: EffectivePermission, grantUntil: number): void => {
  const { best, unconsented } = verdict
  if (unconsented?.permission === permission) unconsented.grantUntil = Math.max(unconsented.grantUntil, grantUntil)
  if (best?.permission === permission) {
    best.grantUntil = Math.max(best.grantUntil, grantUntil)
    return
  }
  const candidate = judge(deliberation, permission, grantUntil)
  deliberation.trace?.({
    step: 'permission',
    rule: permission.rule,
    outcome: candidate.verdict === 'role_permits' ? 'permits' : 'not_met',
    reasonCode: candidate.verdict,
    ...(candidate.detail === undefined ? {} : { detail: candidate.detail }),
  })
  if (best === undefined || byPreference(candidate, best) < 0) verdict.best = candidate
  if (candidate.verdict !== 'consent_required' || !supportsObligations(deliberation, permission)) return
  if (unconsented === undefined || plainestFirst(permission, unconsented.permission) < 0) verdict.unconsented = candidate
}

/** With one name more, sorted and each once. The list that is given is not changed. */
const withName = (names: readonly string[], alone: readonly [string]): readonly string[] => {
  if (names.length === 0) return alone
  return names.includes(alone[0]) ? names : [...names, alone[0]].sort()
}

/** Roles granted and in force, sorted. */
export const rolesInForce = (state: ClinicState, grants: readonly GrantState[], now: number): readonly string[] => {
  let roles = noNames
  for (const grant of grants) {
    const effective = isInForce(grant, now) ? effectiveRole(state.roles, grant.role) : undefined
    if (effective !== undefined) roles = withName(roles, effective.alone)
  }
  return roles
}

/** Consults every permission of the roles in force that speaks of the request. */
export const consultRoles = (deliberation: Deliberation): RolesVerdict => {
  const { state, request, grants, now } = deliberation
  const verdict: RolesVerdict = { roles: noNames, forbidding: undefined, best: undefined, unconsented: undefined }
  for (const grant of grants) {
    if (!isInForce(grant, now)) {
      // A role to come may forbid: what is permitted now must not be stored after it has begun.
      if (grant.from !== undefined && now < grant.from) holdUntil(deliberation, grant.from)
      continue
    }
    const effective = effectiveRole(state.roles, grant.role)
    if (effective === undefined) continue
    verdict.roles = withName(verdict.roles, effective.alone)
    const grantUntil = grant.until ?? Number.POSITIVE_INFINITY
    for (const permission of permissionsFor(effective, request.resourceType, request.action)) {
      if (permission.effect === 'forbid') weighForbid(deliberation, verdict, permission, grantUntil)
      else weigh(deliberation, verdict, permission, grantUntil)
    }
  }
  return verdict
}
