/** Steps 3 and 5: what the roles in force forbid, and the best of what they permit. */
import type { Pseudonym } from '../../audit/vault.ts'
import type { ConditionError } from '../policy/condition.ts'
import { covers } from '../policy/purposes.ts'
import { type EffectivePermission, eachPermission } from '../policy/roles.ts'
import type { ReasonCode } from '../reasons.ts'
import { isInForce } from '../state/period.ts'
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
  readonly forbidding: Forbidding | undefined
  readonly best: Candidate | undefined
}

/** Until when a share covers the request, the longest where several do; a reason when none does. */
const sharedUntil = ({ state, request, subject, now }: Deliberation): number | 'not_shared' | 'consent_required' => {
  const { patient, purpose } = request
  if (patient === undefined) return 'not_shared'
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
  if (until === undefined) return 'not_shared'
  if (purpose === undefined || !demandsConsent(state, request.resourceType) || !isThirdParty(state, request.subject, patient)) return until
  // The consent may have been withdrawn since the share was made.
  const disclosure = {
    patient,
    recipient: request.subject.pseudonym,
    memberOf: subject.memberOf,
    resourceType: request.resourceType,
    purpose,
  }
  const directive = directiveFor(state, disclosure, now)
  return directive.consent?.decision === 'permit' ? Math.min(until, directive.until) : 'consent_required'
}

const evaluate = (deliberation: Deliberation, permission: EffectivePermission): boolean | ConditionError => {
  if (permission.condition === undefined) return true
  if (permission.condition.usesTime) dependsOnClock(deliberation)
  return permission.condition.evaluate(conditionFacts(deliberation))
}

interface Judgement {
  readonly verdict: Verdict
  readonly boundsUntil: number
  readonly detail?: string
}

const judge = (deliberation: Deliberation, permission: EffectivePermission): Judgement => {
  const { request } = deliberation
  let boundsUntil = Number.POSITIVE_INFINITY
  if (request.purpose !== undefined && !permission.purposes.has(request.purpose)) return { verdict: 'purpose_not_allowed', boundsUntil }
  const condition = evaluate(deliberation, permission)
  if (condition === false) return { verdict: 'condition_not_met', boundsUntil }
  if (condition !== true) return { verdict: 'condition_error', boundsUntil, detail: condition.error }
  if (permission.ownPatients) {
    const until = careTeamUntil(deliberation)
    if (until === undefined) return { verdict: 'not_own_patient', boundsUntil }
    boundsUntil = until
  }
  if (permission.shared) {
    const until = sharedUntil(deliberation)
    if (typeof until === 'string') return { verdict: until, boundsUntil }
    boundsUntil = Math.min(boundsUntil, until)
  }
  return { verdict: supportsObligations(deliberation, permission) ? 'role_permits' : 'obligation_unsupported', boundsUntil }
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

/** Consults every permission of the roles in force that speaks of the request. */
export const consultRoles = (deliberation: Deliberation): RolesVerdict => {
  const { state, request, now, trace } = deliberation
  let forbidding: Forbidding | undefined
  let best: Candidate | undefined
  let grantUntil = Number.POSITIVE_INFINITY

  const weighForbid = (permission: EffectivePermission): void => {
    if (forbidding?.permission === permission) {
      forbidding.grantUntil = Math.max(forbidding.grantUntil, grantUntil)
      return
    }
    const found = forbids(deliberation, permission)
    trace?.({
      step: 'forbid',
      rule: permission.rule,
      outcome: found === undefined ? 'not_met' : 'refuses',
      reasonCode: found?.reasonCode ?? 'forbidden',
      ...(found?.detail === undefined ? {} : { detail: found.detail }),
    })
    if (found === undefined) return
    if (forbidding === undefined || byName(permission, forbidding.permission) < 0) {
      forbidding = { permission, reasonCode: found.reasonCode, grantUntil }
    }
  }

  const weigh = (permission: EffectivePermission): void => {
    if (permission.effect === 'forbid') return weighForbid(permission)
    if (best?.permission === permission) {
      best.grantUntil = Math.max(best.grantUntil, grantUntil)
      return
    }
    const { verdict, boundsUntil, detail } = judge(deliberation, permission)
    trace?.({
      step: 'permission',
      rule: permission.rule,
      outcome: verdict === 'role_permits' ? 'permits' : 'not_met',
      reasonCode: verdict,
      ...(detail === undefined ? {} : { detail }),
    })
    const candidate: Candidate = { permission, verdict, boundsUntil, grantUntil }
    if (best === undefined || byPreference(candidate, best) < 0) best = candidate
  }

  for (const grant of state.grants.bySubject.get(request.subject.pseudonym) ?? []) {
    if (!isInForce(grant, now)) {
      // A role to come may forbid: what is permitted now must not be stored after it has begun.
      if (grant.from !== undefined && now < grant.from) holdUntil(deliberation, grant.from)
      continue
    }
    grantUntil = grant.until ?? Number.POSITIVE_INFINITY
    eachPermission(state.roles, grant.role, request.resourceType, request.action, weigh)
  }
  return { forbidding, best }
}
