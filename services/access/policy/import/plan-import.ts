/** What an import would change, and in which order roles have to be put so that each finds in force what it inherits. */
import { administratorRole } from '../administrator.ts'
import { closureOf, type RoleDefinition } from '../roles.ts'
import { type RoleDifference, roleDifferences, sameData } from './role-differences.ts'

export interface PlannedRole {
  readonly role: RoleDefinition
  /** Against the role of that name in force. */
  readonly change: 'new' | 'changed' | 'unchanged'
  /** Of a changed role, member by member; at least one. */
  readonly differences: readonly RoleDifference[]
}

export type ImportPlan =
  | {
      readonly kind: 'plan'
      /** In the order in which they have to be put: what is inherited first. */
      readonly roles: readonly PlannedRole[]
    }
  /** Nothing may be put: the first role of it would stand alone. */
  | { readonly kind: 'problems'; readonly problems: readonly { readonly role: string; readonly message: string }[] }

/** The way from a role back to itself, each role of it once. */
const cycleThrough = (definitions: ReadonlyMap<string, RoleDefinition>, start: string): readonly string[] => {
  const trails = new Map<string, readonly string[]>([[start, [start]]])
  for (const [name, trail] of trails) {
    for (const next of definitions.get(name)?.inherits ?? []) {
      if (next === start) return [...trail, start]
      if (!trails.has(next)) trails.set(next, [...trail, next])
    }
  }
  return []
}

const problemsOf = (role: RoleDefinition, after: ReadonlyMap<string, RoleDefinition>): readonly string[] => {
  if (role.role === administratorRole) return ['is reserved and cannot be changed; leave it out']
  const unknown = role.inherits.filter((name) => !after.has(name))
  const inheritsItself = role.inherits.some((name) => closureOf(after, name).has(role.role))
  return [
    ...unknown.map((name) => `inherits ${JSON.stringify(name)}, which is neither in the file nor in force`),
    ...(inheritsItself ? [`would inherit from itself: ${cycleThrough(after, role.role).join(' -> ')}`] : []),
  ]
}

/**
 * Plans the import of `roles` into a clinic where `inForce` are. Put one by one in the planned order, no step can be refused for what it
 * inherits: every role it reaches has its new definition by then, or keeps the one it has.
 */
export const planImport = (roles: readonly RoleDefinition[], inForce: readonly RoleDefinition[]): ImportPlan => {
  const before = new Map(inForce.map((role) => [role.role, role]))
  const given = new Map(roles.map((role) => [role.role, role]))
  const after = new Map([...before, ...given])
  const problems = roles.flatMap((role) => problemsOf(role, after).map((message) => ({ role: role.role, message })))
  if (problems.length > 0) return { kind: 'problems', problems }
  const ordered = new Map<string, RoleDefinition>()
  const place = (role: RoleDefinition): void => {
    if (ordered.has(role.role)) return
    for (const name of role.inherits) {
      const inherited = given.get(name)
      if (inherited !== undefined) place(inherited)
    }
    ordered.set(role.role, role)
  }
  roles.forEach(place)
  return {
    kind: 'plan',
    roles: [...ordered.values()].map((role) => {
      const earlier = before.get(role.role)
      if (earlier === undefined) return { role, change: 'new', differences: [] }
      if (sameData(earlier, role)) return { role, change: 'unchanged', differences: [] }
      return { role, change: 'changed', differences: roleDifferences(earlier, role, before) }
    }),
  }
}
