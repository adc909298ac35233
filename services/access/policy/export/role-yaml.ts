import { Document, isScalar, isSeq, visit } from 'yaml'
import type { Permission } from '../../events.ts'
import type { RoleDefinition } from '../roles.ts'

const unlessEmpty = <Name extends string, Item>(name: Name, items: readonly Item[]) => (items.length === 0 ? {} : { [name]: [...items] })

const permissionValue = ({ id, resource_type, actions, effect, bounds, purposes, condition }: Permission) => ({
  id,
  resource_type,
  actions: [...actions],
  effect,
  ...unlessEmpty(
    'bounds',
    bounds.map(({ kind, codes }) => ({ kind, ...unlessEmpty('codes', codes) })),
  ),
  ...unlessEmpty('purposes', purposes),
  ...(condition === undefined ? {} : { condition }),
})

const roleValue = ({ role, title, inherits, clearance, permissions }: RoleDefinition) => ({
  role,
  title,
  ...unlessEmpty('inherits', inherits),
  ...(clearance === undefined
    ? {}
    : { clearance: { confidentiality: clearance.confidentiality, ...unlessEmpty('sensitivities', clearance.sensitivities) } }),
  permissions: permissions.map(permissionValue),
})

/** Roles as YAML 1.2 that a person can read and change. `importRoles` reads exactly these roles from it. */
export const roleYaml = (roles: readonly RoleDefinition[]): string => {
  // Quotes what older readers would take for a truth value or a number.
  const document = new Document({ roles: roles.map(roleValue) }, { version: '1.2', compat: 'yaml-1.1', aliasDuplicateObjects: false })
  visit(document, {
    Seq: (_, node) => {
      if (node.items.every(isScalar) || node.items.length === 0) node.flow = true
    },
    Map: (_, node) => {
      if (node.items.every(({ value }) => isScalar(value) || (isSeq(value) && value.items.every(isScalar))) && node.has('kind')) {
        node.flow = true
      }
    },
  })
  return document.toString({ lineWidth: 0, flowCollectionPadding: false })
}
