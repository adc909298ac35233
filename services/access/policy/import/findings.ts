import { canonicalJson, type JsonValue } from '../../../kernel/canonical-json.ts'
import type { RoleDefinition } from '../roles.ts'
import { openEmrAdministration, openEmrAdministrators } from './openemr-table.ts'

/** Something a person should look at; it does not keep the table from being imported. */
export interface ImportFinding {
  readonly kind: 'equal_roles' | 'administration_outside_administrators' | 'any_purpose' | 'limited_left_out'
  readonly roles: readonly string[]
  readonly message: string
}

const contentOf = ({ inherits, permissions }: RoleDefinition): string =>
  canonicalJson([
    inherits.toSorted(),
    permissions.map((permission) => canonicalJson(permission as unknown as JsonValue)).sort(),
  ] as unknown as JsonValue)

/** Roles under different names that give exactly the same, such as a standing "emergency" role that equals the administrators'. */
export const equalRoles = (roles: readonly RoleDefinition[]): readonly ImportFinding[] => {
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

/** OpenEMR's rights to administer everything, held by a role that is not the administrators'. */
export const strayAdministration = (roles: readonly RoleDefinition[]): readonly ImportFinding[] =>
  roles
    .filter(({ role }) => role !== openEmrAdministrators)
    .flatMap(({ role, permissions }) => {
      const held = permissions.map(({ resource_type: type }) => type).filter((type) => openEmrAdministration.includes(type))
      if (held.length === 0) return []
      const message = `role "${role}" holds ${held.join(' and ')}, which can give every other right`
      return [{ kind: 'administration_outside_administrators' as const, roles: [role], message }]
    })

/** A role that holds for any purpose of use. */
export const anyPurpose = (roles: readonly RoleDefinition[]): readonly ImportFinding[] => {
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
