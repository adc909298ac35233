/** Step 6: emergency access, an open, time-boxed, patient-scoped override that is reviewed afterwards. */
import type { EmergencyOverride, ObligationData } from '../events.ts'
import { emergencyPurposes } from '../policy/purposes.ts'
import { type EffectivePermission, effectiveRole, knowsResourceType, permissionsFor } from '../policy/roles.ts'
import type { EmergencyState } from '../state/emergencies.ts'
import { isInForce } from '../state/period.ts'
import type { Deliberation } from './deliberation.ts'
import { type Candidate, plainestFirst, supportsObligations } from './permissions.ts'

/** What no emergency reaches: administration, evidence, and what leaves the clinic. */
const neverTypes: ReadonlySet<string> = new Set([
  'audit_log',
  'care_team',
  'clinic_settings',
  'consent',
  'directory',
  'emergency_access',
  'patient_export',
  'revenue_report',
  'staff_account',
])
const neverActions: ReadonlySet<string> = new Set(['export', 'share'])

/** Whether an emergency could ever reach this action on this type. */
const emergencyReaches = (resourceType: string, action: string): boolean => !neverTypes.has(resourceType) && !neverActions.has(action)

export interface EmergencyVerdict {
  readonly emergency: EmergencyState
  readonly obligations: readonly ObligationData[]
  /** Until when the role permits what it permits itself, or the grant lasts that gives the right to write; Infinity for reading. */
  readonly until: number
}

/** The open emergency access of this person for this patient that ends last. */
const openFor = ({ state, request, now }: Deliberation): EmergencyState | undefined => {
  let found: EmergencyState | undefined
  for (const emergency of state.emergencies.openBySubject.get(request.subject.pseudonym) ?? []) {
    if (emergency.patient !== request.patient || !(now >= emergency.from && now < emergency.until)) continue
    if (found === undefined || emergency.until > found.until) found = emergency
  }
  return found
}

/** A permission of the person's roles for this very action whose duties the caller carries out, whatever its purpose, condition and bounds. */
const rightToWrite = (deliberation: Deliberation): { readonly permission: EffectivePermission; readonly until: number } | undefined => {
  const { state, request, grants, now } = deliberation
  let found: { permission: EffectivePermission; until: number } | undefined
  for (const grant of grants) {
    const effective = isInForce(grant, now) ? effectiveRole(state.roles, grant.role) : undefined
    if (effective === undefined) continue
    const until = grant.until ?? Number.POSITIVE_INFINITY
    for (const permission of permissionsFor(effective, request.resourceType, request.action)) {
      if (permission.effect === 'forbid' || !supportsObligations(deliberation, permission)) continue
      if (found?.permission === permission) found.until = Math.max(found.until, until)
      else if (found === undefined || plainestFirst(permission, found.permission) < 0) found = { permission, until }
    }
  }
  return found
}

/**
 * Whether an open emergency access overrides what stands in the way. What the person's roles permit themselves (`held`) keeps its duties;
 * else reading needs no role, and anything else is only what the roles give anyway, with its duties. Forbids and the person's standing are
 * decided before and never come here.
 */
export const overrideByEmergency = (
  deliberation: Deliberation,
  overridden: readonly EmergencyOverride[],
  held: Candidate | undefined,
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
  if (disabled) return refuse('the clinic has no emergency access')
  if (!emergencyPurposes.has(request.purpose)) return refuse('the purpose is none of BTG, ETREAT and ERTREAT')
  if (!emergencyReaches(request.resourceType, request.action) || !knowsResourceType(state.roles, request.resourceType)) {
    return refuse('no emergency reaches this action on this resource type')
  }
  const kept = overridden.find((kind) => !overrides.includes(kind))
  if (kept !== undefined) return refuse(`the clinic lets no emergency override: ${kept}`)
  if (held !== undefined) {
    trace?.({ step: 'emergency', rule, outcome: 'permits', reasonCode: 'emergency_access' })
    return { emergency, obligations: held.permission.obligations, until: Math.min(held.grantUntil, held.boundsUntil) }
  }
  const write = request.action === 'read' ? undefined : rightToWrite(deliberation)
  if (request.action !== 'read' && write === undefined) return refuse('beyond reading, only what a role in force allows anyway')
  trace?.({ step: 'emergency', rule, outcome: 'permits', reasonCode: 'emergency_access' })
  return { emergency, obligations: write?.permission.obligations ?? [], until: write?.until ?? Number.POSITIVE_INFINITY }
}
