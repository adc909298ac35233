/** Step 6 of docs/explanation/deciding.md: emergency access, an open, time-boxed, patient-scoped override that is reviewed afterwards. */
import type { EmergencyOverride, ObligationData } from '../events.ts'
import { neverInEmergency } from '../policy/emergency-floor.ts'
import { emergencyPurposes } from '../policy/purposes.ts'
import { type EffectivePermission, effectiveRole, permissionsFor } from '../policy/roles.ts'
import type { EmergencyState } from '../state/emergencies.ts'
import { isInForce } from '../state/period.ts'
import { type Deliberation, holdUntil } from './deliberation.ts'
import { type Candidate, lacksDemandedConsent, plainestFirst, type RolesVerdict, supportsObligations } from './permissions.ts'
import type { AccessDecision } from './request.ts'

/** How far an emergency reaches what is asked: reading needs no role, writing only goes as far as some role of the person. */
type Reach = 'read' | 'write' | 'beyond'

const reachOf = ({ state, request: { resourceType, action } }: Deliberation): Reach => {
  const { resource_types: types, read_actions: reading, write_actions: writing } = state.settings.emergency
  if (!types.includes(resourceType) || neverInEmergency.resourceTypes.has(resourceType) || neverInEmergency.actions.has(action))
    return 'beyond'
  if (reading.includes(action)) return 'read'
  return writing.includes(action) ? 'write' : 'beyond'
}

export type EmergencyVerdict =
  | {
      readonly kind: 'permits'
      readonly emergency: EmergencyState
      readonly obligations: readonly ObligationData[]
      /** Until when the role permits what it permits itself, or the grant lasts that gives the right to write; Infinity for reading. */
      readonly until: number
    }
  /** Nothing but a duty that the caller does not carry out keeps this permission from being used. */
  | { readonly kind: 'lacks_duty'; readonly permission: EffectivePermission }

/** The open emergency access of this person for this patient that ends last. */
const openFor = (deliberation: Deliberation): EmergencyState | undefined => {
  const { state, request, now } = deliberation
  let found: EmergencyState | undefined
  for (const emergency of state.emergencies.openBySubject.get(request.subject.pseudonym) ?? []) {
    if (emergency.patient !== request.patient || now >= emergency.until) continue
    if (now < emergency.from) holdUntil(deliberation, emergency.from)
    else if (found === undefined || emergency.until > found.until) found = emergency
  }
  return found
}

interface Right {
  readonly permission: EffectivePermission
  until: number
}

/** The plainest permission of the person's roles for this very action, whatever its purpose, condition and bounds. */
const plainestRight = (deliberation: Deliberation, counts: (permission: EffectivePermission) => boolean): Right | undefined => {
  const { state, request, grants, now } = deliberation
  let found: Right | undefined
  for (const grant of grants) {
    const effective = isInForce(grant, now) ? effectiveRole(state.roles, grant.role) : undefined
    if (effective === undefined) continue
    const until = grant.until ?? Number.POSITIVE_INFINITY
    for (const permission of permissionsFor(effective, request.resourceType, request.action)) {
      if (permission.effect === 'forbid' || !counts(permission)) continue
      if (found?.permission === permission) found.until = Math.max(found.until, until)
      else if (found === undefined || plainestFirst(permission, found.permission) < 0) found = { permission, until }
    }
  }
  return found
}

const plainerOf = (held: Candidate | undefined, unconsented: Candidate | undefined): Right | undefined => {
  const plainer =
    held === undefined || (unconsented !== undefined && plainestFirst(unconsented.permission, held.permission) < 0) ? unconsented : held
  return plainer === undefined ? undefined : { permission: plainer.permission, until: Math.min(plainer.grantUntil, plainer.boundsUntil) }
}

/**
 * Whether an open emergency access overrides what stands in the way, or lifts duties. Where the clinic lets it override permissions, reading
 * carries no duties: otherwise a caller that carries out fewer of them would be shown more. Else, and for writing, it is the plainest of what
 * the roles give, with its duties. What reaches somebody only by a share, or by nothing at all, still needs the consent that the clinic
 * demands for third parties, unless an emergency overrides consent. Forbids and the person's standing are decided before and never come
 * here.
 */
export const overrideByEmergency = (
  deliberation: Deliberation,
  byRoles: AccessDecision,
  restrictedBy: readonly EmergencyOverride[],
  { best, unconsented }: RolesVerdict,
): EmergencyVerdict | undefined => {
  const { state, request, trace } = deliberation
  const { disabled, overrides } = state.settings.emergency
  const emergency = openFor(deliberation)
  if (emergency === undefined || request.purpose === undefined) return undefined
  const rule = `emergency/${emergency.id}`
  const refuse = (detail: string): undefined => {
    trace?.({ step: 'emergency', rule, outcome: 'not_met', reasonCode: 'emergency_access', detail })
    return undefined
  }
  const permit = (right: Right | undefined): EmergencyVerdict => {
    trace?.({ step: 'emergency', rule, outcome: 'permits', reasonCode: 'emergency_access' })
    return { kind: 'permits', emergency, obligations: right?.permission.obligations ?? [], until: right?.until ?? Number.POSITIVE_INFINITY }
  }
  if (disabled) return refuse('the clinic has no emergency access')
  if (!emergencyPurposes.has(request.purpose)) return refuse('the purpose is none of BTG, ETREAT and ERTREAT')
  const reach = reachOf(deliberation)
  if (reach === 'beyond') return refuse('no emergency reaches this action on this resource type')
  const upheld = restrictedBy.find((kind) => !overrides.includes(kind))
  if (upheld !== undefined) return refuse(`the clinic lets no emergency override: ${upheld}`)

  const overridesConsent = overrides.includes('consent')
  const lacking: EmergencyOverride | undefined = !overrides.includes('permissions')
    ? 'permissions'
    : !overridesConsent && lacksDemandedConsent(deliberation)
      ? 'consent'
      : undefined
  if (reach === 'read' && lacking === undefined) return permit(undefined)
  const right =
    reach === 'write' && lacking === undefined
      ? plainestRight(deliberation, (permission) => supportsObligations(deliberation, permission))
      : plainerOf(best?.verdict === 'role_permits' ? best : undefined, overridesConsent ? unconsented : undefined)
  if (byRoles.decision === 'permit' && (right === undefined || right.permission.obligations.length >= byRoles.obligations.length)) {
    return refuse('it lifts no duty of what a role in force allows')
  }
  if (right !== undefined) return permit(right)

  const unsupported = best?.verdict === 'obligation_unsupported' ? best : undefined
  const dutiful = unsupported ?? (lacking === undefined ? plainestRight(deliberation, () => true) : undefined)
  if (dutiful !== undefined) {
    const duties = dutiful.permission.obligations.map(({ type }) => type).join(', ')
    refuse(`what a role in force allows comes with duties that the calling software does not say it carries out: ${duties}`)
    trace?.({ step: 'permission', rule: dutiful.permission.rule, outcome: 'not_met', reasonCode: 'obligation_unsupported' })
    return { kind: 'lacks_duty', permission: dutiful.permission }
  }
  if (lacking !== undefined) return refuse(`the clinic lets no emergency override: ${lacking}`)
  return refuse('beyond reading, only what a role in force allows anyway')
}
