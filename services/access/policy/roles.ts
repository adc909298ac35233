/**
 * Roles and what they effectively permit, inherited permissions included. Everything a check needs is worked out once when a role is
 * defined; what depends on several roles is worked out on first use and forgotten when any role changes.
 */
import type { Bound, Clearance, Effect, ObligationData, Permission } from '../events.ts'
import type { Condition } from './condition.ts'
import { compileCondition } from './conditions/compile.ts'
import { coveredBy, purposes } from './purposes.ts'

/** Stands for every resource type, or every action. */
export const wildcard = '*'

/** The kinds of bound that are checked here; every other kind becomes an obligation on the caller. */
export const checkedBounds = ['own_patients', 'shared'] as const

export type CheckedBound = (typeof checkedBounds)[number]

export const isCheckedBound = (kind: string): kind is CheckedBound => (checkedBounds as readonly string[]).includes(kind)

/** A role as data. */
export interface RoleDefinition {
  readonly role: string
  readonly title: string
  readonly inherits: readonly string[]
  readonly permissions: readonly Permission[]
  /** Absent: normal records without sensitivities. */
  readonly clearance?: Clearance
}

/** A permission made ready for checks. */
export interface EffectivePermission {
  /** The role that defines it, which may be one that the granted role inherits. */
  readonly role: string
  readonly id: string
  /** `role/<role>#<permission id>` or `forbid/<role>#<permission id>`. */
  readonly rule: string
  readonly effect: Effect
  /** Holds whatever the purpose. */
  readonly anyPurpose: boolean
  /** Purposes it holds for, descendants included. */
  readonly purposes: ReadonlySet<string>
  readonly ownPatients: boolean
  readonly shared: boolean
  /** Its bounds that are not checked here. */
  readonly obligations: readonly ObligationData[]
  /** Undefined: none. */
  readonly condition: Condition | undefined
}

type ByAction = Map<string, EffectivePermission[]>

/** What a role says of one resource type, what it says of every type and of every action included. */
interface OfType {
  readonly named: ReadonlyMap<string, readonly EffectivePermission[]>
  /** Of actions that are not named. */
  readonly others: readonly EffectivePermission[]
}

export interface EffectiveRole {
  /** The role's name alone, for everybody who has no other role. */
  readonly alone: readonly [string]
  /** As the roles name types and actions, `*` among them. */
  readonly stated: ReadonlyMap<string, ByAction>
  /** The same, ready to be asked; each type is made on first use. */
  readonly ofType: Map<string, OfType>
  /** Of the role and of those it inherits. */
  readonly clearances: readonly Clearance[]
}

/** Roles in force, and what is derived from them. */
export interface Roles {
  readonly definitions: Map<string, RoleDefinition>
  readonly own: Map<string, readonly EffectivePermission[]>
  /** Purposes that permissions hold for; equal ones are one set, so that it stays in the processor's cache. */
  readonly coverage: Map<string, ReadonlySet<string>>
  /** Derived on first use; emptied by every change. */
  readonly effective: Map<string, EffectiveRole>
  /** Names that any role mentions; derived on first use, undefined after every change. */
  vocabulary: { readonly resourceTypes: ReadonlySet<string>; readonly actions: ReadonlySet<string> } | undefined
  /** Attributes that any condition names, sorted; derived likewise. */
  attributes: readonly string[] | undefined
}

export const noRoles = (): Roles => ({
  definitions: new Map(),
  own: new Map(),
  coverage: new Map(),
  effective: new Map(),
  vocabulary: undefined,
  attributes: undefined,
})

const everyPurpose: ReadonlySet<string> = new Set(purposes)

const obligationsOf = (role: string, permission: Permission): readonly ObligationData[] =>
  permission.bounds
    .filter((bound: Bound) => !isCheckedBound(bound.kind))
    .map(({ kind, codes }) => ({
      id: `${role}#${permission.id}/${kind}`,
      type: kind,
      properties: codes.length === 0 ? {} : { codes },
    }))

/** An expression that this version cannot read (a newer one may have written it) gives nothing, and forbids where it forbids. */
const conditionOf = ({ condition: source }: Permission): Condition | undefined => {
  if (source === undefined) return undefined
  const compiled = compileCondition(source)
  if (compiled.kind === 'condition') return compiled.condition
  return { source, attributes: [], usesTime: false, cost: 1, evaluate: () => ({ error: compiled.message }) }
}

const coverageOf = (coverage: Roles['coverage'], { purposes: named, effect }: Permission): ReadonlySet<string> => {
  if (named.length === 0) return everyPurpose
  const breakTheGlass = effect === 'forbid'
  const key = `${breakTheGlass} ${named.join(' ')}`
  let covered = coverage.get(key)
  if (covered === undefined) {
    covered = coveredBy(named, { breakTheGlass })
    coverage.set(key, covered)
  }
  return covered
}

const prepare = (coverage: Roles['coverage'], role: string, permission: Permission): EffectivePermission => ({
  role,
  id: permission.id,
  rule: `${permission.effect === 'forbid' ? 'forbid' : 'role'}/${role}#${permission.id}`,
  effect: permission.effect,
  anyPurpose: permission.purposes.length === 0,
  purposes: coverageOf(coverage, permission),
  ownPatients: permission.bounds.some(({ kind }) => kind === 'own_patients'),
  shared: permission.bounds.some(({ kind }) => kind === 'shared'),
  obligations: obligationsOf(role, permission),
  condition: conditionOf(permission),
})

const forgetDerived = (roles: Roles): void => {
  roles.effective.clear()
  roles.vocabulary = undefined
  roles.attributes = undefined
}

/** Defines a role or replaces its definition. */
export const defineRole = (roles: Roles, definition: RoleDefinition): void => {
  roles.definitions.set(definition.role, definition)
  roles.own.set(
    definition.role,
    definition.permissions.map((permission) => prepare(roles.coverage, definition.role, permission)),
  )
  forgetDerived(roles)
}

export const retireRole = (roles: Roles, role: string): void => {
  roles.definitions.delete(role)
  roles.own.delete(role)
  forgetDerived(roles)
}

/** The role itself and every role it inherits, directly or not, whether in force or not. A cycle ends. */
export const closureOf = (definitions: ReadonlyMap<string, Pick<RoleDefinition, 'inherits'>>, role: string): ReadonlySet<string> => {
  const reached = new Set<string>()
  const open = [role]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (reached.has(name)) continue
    reached.add(name)
    open.push(...(definitions.get(name)?.inherits ?? []))
  }
  return reached
}

/** Retired and unknown roles have no permissions, so inheriting one gives nothing. */
const combine = (roles: Roles, role: string): EffectiveRole => {
  const stated = new Map<string, ByAction>()
  const clearances: Clearance[] = []
  for (const name of closureOf(roles.definitions, role)) {
    const clearance = roles.definitions.get(name)?.clearance
    if (clearance !== undefined) clearances.push(clearance)
    const prepared = roles.own.get(name) ?? []
    roles.definitions.get(name)?.permissions.forEach((permission, index) => {
      let byAction = stated.get(permission.resource_type)
      if (byAction === undefined) {
        byAction = new Map()
        stated.set(permission.resource_type, byAction)
      }
      for (const action of new Set(permission.actions)) {
        const same = byAction.get(action)
        if (same === undefined) byAction.set(action, [prepared[index] as EffectivePermission])
        else same.push(prepared[index] as EffectivePermission)
      }
    })
  }
  return { alone: [role], stated, ofType: new Map(), clearances }
}

/** A role with what it inherits; undefined when it is not in force. */
export const effectiveRole = (roles: Roles, role: string): EffectiveRole | undefined => {
  const known = roles.effective.get(role)
  if (known !== undefined || !roles.definitions.has(role)) return known
  const effective = combine(roles, role)
  roles.effective.set(role, effective)
  return effective
}

const none: readonly EffectivePermission[] = []

const joinType = ({ stated }: EffectiveRole, resourceType: string): OfType => {
  const ofType = stated.get(resourceType)
  const ofEvery = resourceType === wildcard ? undefined : stated.get(wildcard)
  const others = [...(ofType?.get(wildcard) ?? none), ...(ofEvery?.get(wildcard) ?? none)]
  const named = new Map<string, readonly EffectivePermission[]>()
  for (const action of [...(ofType?.keys() ?? []), ...(ofEvery?.keys() ?? [])]) {
    if (action === wildcard || named.has(action)) continue
    named.set(action, [...(ofType?.get(action) ?? none), ...(ofEvery?.get(action) ?? none), ...others])
  }
  return { named, others }
}

/** Permissions of a role, inherited ones included, that speak of this type and action, in no particular order. */
export const permissionsFor = (effective: EffectiveRole, resourceType: string, action: string): readonly EffectivePermission[] => {
  let ofType = effective.ofType.get(resourceType)
  if (ofType === undefined) {
    // Types that the role does not name are one, so that misspellings of requests are not collected here.
    const type = effective.stated.has(resourceType) ? resourceType : wildcard
    ofType = effective.ofType.get(type)
    if (ofType === undefined) {
      ofType = joinType(effective, type)
      effective.ofType.set(type, ofType)
    }
  }
  return ofType.named.get(action) ?? ofType.others
}

/** Calls back for each permission of a role, inherited ones included, that speaks of this type and action. Nothing for an unknown role. */
export const eachPermission = (
  roles: Roles,
  role: string,
  resourceType: string,
  action: string,
  visit: (permission: EffectivePermission) => void,
): void => {
  const effective = effectiveRole(roles, role)
  if (effective !== undefined) permissionsFor(effective, resourceType, action).forEach(visit)
}

/** Attributes that conditions of roles in force name: those of them that a request has are kept with its decision. */
export const namedAttributes = (roles: Roles): readonly string[] => {
  roles.attributes ??= [
    ...new Set([...roles.own.values()].flatMap((permissions) => permissions.flatMap(({ condition }) => condition?.attributes ?? []))),
  ].sort()
  return roles.attributes
}

/** Resource types and actions that any role in force names; what they lack is most likely a misspelling. */
export const vocabularyOf = (roles: Pick<Roles, 'definitions' | 'vocabulary'>): NonNullable<Roles['vocabulary']> => {
  if (roles.vocabulary === undefined) {
    const resourceTypes = new Set<string>()
    const actions = new Set<string>()
    for (const { permissions } of roles.definitions.values()) {
      for (const permission of permissions) {
        resourceTypes.add(permission.resource_type)
        for (const action of permission.actions) actions.add(action)
      }
    }
    roles.vocabulary = { resourceTypes, actions }
  }
  return roles.vocabulary
}

/** Whether some role in force speaks of a resource type; a role for every type speaks of any. */
export const knowsResourceType = (roles: Roles, resourceType: string): boolean => {
  const { resourceTypes } = vocabularyOf(roles)
  return resourceTypes.has(resourceType) || resourceTypes.has(wildcard)
}

/** Whether some role in force speaks of an action; a role for every action speaks of any. */
export const knowsAction = (roles: Roles, action: string): boolean => {
  const { actions } = vocabularyOf(roles)
  return actions.has(action) || actions.has(wildcard)
}
