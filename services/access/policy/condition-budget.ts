/** What the conditions of a role may cost together, for the resource type and action that most of them speak of. */
import type { Permission } from '../events.ts'
import { conditionLimits } from './conditions/limits.ts'
import { closureOf, type RoleDefinition, type Roles, wildcard } from './roles.ts'

/** A permission and what its condition may cost, in units of about ten nanoseconds; 0 without one. */
export interface CostedPermission extends Pick<Permission, 'resource_type' | 'actions'> {
  readonly cost: number
}

interface Heaviest {
  readonly resourceType: string
  readonly action: string
  readonly cost: number
}

/** The type and action whose conditions cost most together, whatever purposes they are for. `*`: any that no permission names. */
const heaviestOf = (permissions: readonly CostedPermission[]): Heaviest => {
  const costly = permissions.filter(({ cost }) => cost > 0)
  let heaviest: Heaviest = { resourceType: wildcard, action: wildcard, cost: 0 }
  for (const resourceType of new Set(costly.map(({ resource_type: type }) => type))) {
    const byAction = new Map<string, number>()
    for (const { resource_type: type, actions, cost } of costly) {
      if (type !== resourceType && type !== wildcard) continue
      for (const action of new Set(actions)) byAction.set(action, (byAction.get(action) ?? 0) + cost)
    }
    const ofAny = byAction.get(wildcard) ?? 0
    for (const [action, own] of byAction) {
      const cost = action === wildcard ? ofAny : own + ofAny
      if (cost > heaviest.cost) heaviest = { resourceType, action, cost }
    }
  }
  return heaviest
}

/** What is wrong with conditions that one decision could not evaluate all of; undefined when it could. */
export const tooCostlyTogether = (permissions: readonly CostedPermission[]): string | undefined => {
  const { resourceType, action, cost } = heaviestOf(permissions)
  if (cost <= conditionLimits.decisionCost) return undefined
  const [estimate, limit] = [cost, conditionLimits.decisionCost].map((units) => units.toLocaleString('en-US'))
  return `the conditions for action ${action} on resource type ${resourceType} may cost ${estimate} units together, more than ${limit}; use fewer or simpler ones`
}

/** A role that a proposed one makes too costly by inheritance: itself or one that inherits it. Undefined: none. */
export const tooCostlyByInheritance = (
  proposed: Pick<RoleDefinition, 'role' | 'inherits'>,
  permissions: readonly CostedPermission[],
  roles: Roles,
): { readonly role: string; readonly description: string } | undefined => {
  const inheriting = new Map<string, Pick<RoleDefinition, 'inherits'>>([...roles.definitions, [proposed.role, proposed]])
  const costed = (role: string): readonly CostedPermission[] =>
    role === proposed.role
      ? permissions
      : (roles.definitions.get(role)?.permissions ?? []).map(({ resource_type, actions }, index) => ({
          resource_type,
          actions,
          cost: roles.own.get(role)?.[index]?.condition?.cost ?? 0,
        }))
  for (const role of inheriting.keys()) {
    const closure = closureOf(inheriting, role)
    if (!closure.has(proposed.role)) continue
    const description = tooCostlyTogether([...closure].flatMap(costed))
    if (description !== undefined) return { role, description }
  }
  return undefined
}
