import { canonicalJson, type JsonValue } from '../../../kernel/canonical-json.ts'
import { administratorRole } from '../administrator.ts'
import { closureOf, type RoleDefinition, vocabularyOf, wildcard } from '../roles.ts'
import { likelyMeant, nearlyCheckedBounds, type UnknownName, unknownNames } from '../unknown-names.ts'
import { openEmrAdministration, openEmrAdministrators } from './openemr-table.ts'

/** Names of one file that are compared with each other. */
const maxCompared = 500

/** Something a person should look at; it does not keep the table from being imported. */
export interface ImportFinding {
  readonly kind:
    | 'equal_roles'
    | 'administration_outside_administrators'
    | 'standing_emergency'
    | 'emergency_self_review'
    | 'any_purpose'
    | 'limited_left_out'
    | 'new_to_clinic'
    | 'nearly_checked_bound'
  readonly roles: readonly string[]
  readonly message: string
}

const contentOf = ({ inherits, clearance, permissions }: RoleDefinition): string =>
  canonicalJson([
    inherits.toSorted(),
    clearance === undefined ? null : { ...clearance, sensitivities: clearance.sensitivities.toSorted() },
    permissions.map((permission) => canonicalJson(permission as unknown as JsonValue)).sort(),
  ] as unknown as JsonValue)

/** Roles under different names that give exactly the same, such as a standing "emergency" role that equals the administrators'. */
const equalRoles = (roles: readonly RoleDefinition[]): readonly ImportFinding[] => {
  const groups = Map.groupBy(
    roles.filter(({ permissions }) => permissions.length > 0),
    contentOf,
  )
  return [...groups.values()]
    .filter((group) => group.length > 1)
    .map((group) => {
      const names = group.map(({ role }) => role)
      return { kind: 'equal_roles', roles: names, message: `these roles give exactly the same: ${names.join(', ')}` }
    })
}

/** Rights to administer everything, OpenEMR's or by wildcards, held by a role that is not the administrators'. */
const strayAdministration = (roles: readonly RoleDefinition[]): readonly ImportFinding[] =>
  roles
    .filter(({ role }) => role !== openEmrAdministrators)
    .flatMap(({ role, inherits, permissions }) => {
      const inherited = inherits.includes(administratorRole) ? [`the role "${administratorRole}"`] : []
      const direct = permissions
        .filter(({ effect, resource_type: type, actions }) => {
          if (effect === 'forbid') return false
          return openEmrAdministration.includes(type) || (type === wildcard && actions.includes(wildcard))
        })
        .map(({ resource_type: type }) => (type === wildcard ? 'every action on every resource type' : type))
      const held = [...inherited, ...direct]
      if (held.length === 0) return []
      const message = `role "${role}" holds ${[...new Set(held)].join(' and ')}, which can give every other right`
      return [{ kind: 'administration_outside_administrators' as const, roles: [role], message }]
    })

const emergencyType = 'emergency_access'
const emergencyName = /break[\s_-]*(?:the[\s_-]*)?glass|emergency|\bbtg\b/i

/** Roles that by their name are for emergencies and give rights all the time, without reason, patient, end or review. */
const standingEmergency = (roles: readonly RoleDefinition[]): readonly ImportFinding[] =>
  roles
    .filter(({ role, title }) => emergencyName.test(role.replaceAll('_', ' ')) || emergencyName.test(role) || emergencyName.test(title))
    .filter(({ permissions }) => permissions.some(({ effect, resource_type: type }) => effect !== 'forbid' && type !== emergencyType))
    .map(({ role }) => ({
      kind: 'standing_emergency',
      roles: [role],
      message: `role "${role}" is named for emergencies but gives its rights all the time; emergency access has a reason, one patient, an end and a review`,
    }))

/**
 * Roles whose holders could both open an emergency access and review one, directly or by what they inherit of these roles and of those in
 * force.
 */
export const emergencySelfReview = (
  roles: readonly RoleDefinition[],
  inForce: readonly RoleDefinition[] = [],
): readonly ImportFinding[] => {
  const definitions = new Map([...inForce, ...roles].map((role) => [role.role, role]))
  const gives = (name: string, action: string): boolean =>
    [...closureOf(definitions, name)].some((reached) =>
      definitions
        .get(reached)
        ?.permissions.some(
          ({ effect, resource_type: type, actions }) =>
            effect !== 'forbid' && [emergencyType, wildcard].includes(type) && (actions.includes(action) || actions.includes(wildcard)),
        ),
    )
  const names = roles.map(({ role }) => role).filter((name) => gives(name, 'open') && gives(name, 'review'))
  if (names.length === 0) return []
  const message = `these roles can both open emergency access and review it, so that two holders could review each other: ${names.join(', ')}`
  return [{ kind: 'emergency_self_review', roles: names, message }]
}

/** A role that holds for any purpose of use. */
const anyPurpose = (roles: readonly RoleDefinition[]): readonly ImportFinding[] => {
  const names = roles.filter(({ permissions }) => permissions.some(({ purposes }) => purposes.length === 0)).map(({ role }) => role)
  if (names.length === 0) return []
  return [{ kind: 'any_purpose', roles: names, message: `these roles hold for any purpose of use: ${names.join(', ')}` }]
}

/** Limited cells that give nothing because no bounds were given. */
export const limitedLeftOut = (leftOut: ReadonlyMap<string, number>): readonly ImportFinding[] => {
  if (leftOut.size === 0) return []
  const counts = [...leftOut].map(([role, cells]) => `${role} ${cells}`).join(', ')
  return [
    {
      kind: 'limited_left_out',
      roles: [...leftOut.keys()],
      message: `without their bounds, limited cells give nothing (name them with --bounds): ${counts}`,
    },
  ]
}

/** How many permissions name each. */
const counted = (names: readonly string[]): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const name of names) if (name !== wildcard) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

/** Names of one file that are one letter away from others of it which more permissions name. */
const nearlyAlike = (kind: UnknownName['kind'], names: readonly string[]): readonly UnknownName[] => {
  const counts = [...counted(names)].slice(0, maxCompared)
  return counts.flatMap(([name, count]) => {
    const oftener = counts.filter(([, other]) => other > count).map(([other]) => other)
    const meant = likelyMeant(name, oftener, 1)
    return meant === undefined ? [] : [{ kind, name, meant }]
  })
}

/**
 * Names that neither the roles in force nor the service know: new ones, or misspelt. In a clinic without roles of its own every name is
 * new; there only those are told that nearly are others of the file. And bounds that nearly are one which is checked.
 */
export const newToClinic = (roles: readonly RoleDefinition[], inForce: readonly RoleDefinition[]): readonly ImportFinding[] => {
  const permissions = roles.flatMap((role) => role.permissions)
  const resourceTypes = permissions.map(({ resource_type: type }) => type)
  const actions = permissions.flatMap((permission) => permission.actions)
  const known = vocabularyOf({ definitions: new Map(inForce.map((role) => [role.role, role])), vocabulary: undefined })
  const unknown = inForce.every(({ role }) => role === administratorRole)
    ? [...nearlyAlike('resource type', resourceTypes), ...nearlyAlike('action', actions)]
    : unknownNames(known, { resourceTypes, actions })
  const names = unknown.map(({ kind, name, meant }) => `${kind} "${name}"${meant === undefined ? '' : ` (did you mean "${meant}"?)`}`)
  const holding = (one: (permission: RoleDefinition['permissions'][number]) => boolean): readonly string[] =>
    roles.filter((role) => role.permissions.some(one)).map(({ role }) => role)
  const isNew = new Set(unknown.map(({ name }) => name))
  const bounds = nearlyCheckedBounds(permissions.flatMap((permission) => permission.bounds))
  return [
    ...(names.length === 0
      ? []
      : [
          {
            kind: 'new_to_clinic' as const,
            roles: holding(({ resource_type: type, actions: named }) => isNew.has(type) || named.some((action) => isNew.has(action))),
            message: `new to this clinic: ${names.join(', ')}`,
          },
        ]),
    ...bounds.map(({ kind, meant }) => ({
      kind: 'nearly_checked_bound' as const,
      roles: holding((permission) => permission.bounds.some((bound) => bound.kind === kind)),
      message: `the bound "${kind}" is a duty of the calling software and is not checked here (did you mean "${meant}"?)`,
    })),
  ]
}

/** All that can be said of roles alone. */
export const findingsOf = (roles: readonly RoleDefinition[]): readonly ImportFinding[] => [
  ...equalRoles(roles),
  ...strayAdministration(roles),
  ...standingEmergency(roles),
  ...emergencySelfReview(roles),
  ...anyPurpose(roles),
]
