/** How a role definition differs from the one it replaces, member by member, and which of it gives more than before. */
import { canonicalJson, type JsonValue } from '../../../kernel/canonical-json.ts'
import type { Clearance, Permission } from '../../events.ts'
import { clears, reaches } from '../labels.ts'
import { coveredBy } from '../purposes.ts'
import { closureOf, type RoleDefinition, wildcard } from '../roles.ts'

export interface RoleDifference {
  /** Of which permission; absent where the role itself differs. */
  readonly permission?: string
  /** `title`, `inherits`, `clearance…` of the role; `permission` when it is new or gone; else the permission's member: `effect`, … */
  readonly member: string
  /** Null: not there. */
  readonly from: JsonValue
  readonly to: JsonValue
  /** What the change opens, in words; absent where it opens nothing. */
  readonly loosens?: string
}

type Definitions = ReadonlyMap<string, RoleDefinition>

const json = (value: unknown): JsonValue => (value ?? null) as JsonValue

export const sameData = (left: unknown, right: unknown): boolean => canonicalJson(json(left)) === canonicalJson(json(right))

const difference = (member: string, from: unknown, to: unknown, loosens?: string | false): readonly RoleDifference[] =>
  sameData(from, to) ? [] : [{ member, from: json(from), to: json(to), ...(loosens ? { loosens } : {}) }]

const absent: Clearance = { confidentiality: 'N', sensitivities: [] }

const clearanceDifferences = (before: Clearance | undefined, after: Clearance | undefined): readonly RoleDifference[] => {
  const [from, to] = [before ?? absent, after ?? absent]
  const raised = !reaches(from.confidentiality, to.confidentiality) && 'clears for more confidential records'
  const wider = to.sensitivities.some((label) => !clears(from.sensitivities, label)) && 'clears for more sensitivities'
  if (sameData(from, to)) return difference('clearance', before, after)
  return [
    ...difference('clearance.confidentiality', from.confidentiality, to.confidentiality, raised),
    ...difference('clearance.sensitivities', from.sensitivities, to.sensitivities, wider),
  ]
}

/** Whether what `names` give, with all they inherit, holds a prohibition. */
const forbids = (definitions: Definitions, names: readonly string[]): boolean =>
  names
    .flatMap((name) => [...closureOf(definitions, name)])
    .some((name) => definitions.get(name)?.permissions.some(({ effect }) => effect === 'forbid'))

const inheritsDifferences = (before: RoleDefinition, after: RoleDefinition, inForce: Definitions): readonly RoleDifference[] => {
  const gone = before.inherits.filter((name) => !after.inherits.includes(name))
  const more = after.inherits.some((name) => !before.inherits.includes(name))
  const loosens = more ? 'inherits more' : forbids(inForce, gone) && 'prohibitions it inherited are gone'
  return difference('inherits', before.inherits, after.inherits, loosens)
}

const isForbid = ({ effect }: Permission): boolean => effect === 'forbid'

/** Whether `wide` speaks of an action or type that `narrow` does not. */
const speaksOfMore = (wide: readonly string[], narrow: readonly string[]): boolean =>
  !narrow.includes(wildcard) && wide.some((name) => !narrow.includes(name))

const holdsForMore = (wide: Permission, narrow: Permission): boolean => {
  if (narrow.purposes.length === 0) return false
  const descent = { breakTheGlass: isForbid(narrow) }
  const covered = coveredBy(narrow.purposes, descent)
  return wide.purposes.length === 0 || [...coveredBy(wide.purposes, descent)].some((purpose) => !covered.has(purpose))
}

const lacksBound = (wide: Permission, narrow: Permission): boolean =>
  narrow.bounds.some((bound) => !wide.bounds.some((other) => sameData(bound, other)))

const effectLoosens = (before: Permission, after: Permission): string | false => {
  if (isForbid(before)) return !isForbid(after) && 'what was forbidden is permitted'
  return before.effect === 'limited' && after.effect === 'permit' && 'the permit has no bounds any more'
}

/** What a permit reaches more, or a forbid less, is looser. Between permit and forbid the effect alone says it. */
const permissionDifferences = (before: Permission, after: Permission): readonly RoleDifference[] => {
  const comparable = isForbid(before) === isForbid(after)
  const [narrow, wide] = isForbid(before) ? [after, before] : [before, after]
  const less = isForbid(before)
  const when = (holds: boolean, permits: string, prohibits: string): string | false => comparable && holds && (less ? prohibits : permits)
  return [
    ...difference('effect', before.effect, after.effect, effectLoosens(before, after)),
    ...difference(
      'resource_type',
      before.resource_type,
      after.resource_type,
      when(speaksOfMore([wide.resource_type], [narrow.resource_type]), 'permits another type of record', 'forbids another type of record'),
    ),
    ...difference(
      'actions',
      before.actions,
      after.actions,
      when(speaksOfMore(wide.actions, narrow.actions), 'permits more actions', 'forbids fewer actions'),
    ),
    ...difference(
      'bounds',
      before.bounds,
      after.bounds,
      when(lacksBound(wide, narrow), 'a bound is gone or says something else', 'forbids inside bounds only'),
    ),
    ...difference(
      'purposes',
      before.purposes,
      after.purposes,
      when(holdsForMore(wide, narrow), 'permits for more purposes', 'forbids for fewer purposes'),
    ),
    // Which of two conditions holds more often cannot be told, so every other one counts.
    ...difference(
      'condition',
      before.condition,
      after.condition,
      when(narrow.condition !== undefined, 'the condition is gone or another one', 'forbids on a condition, or on another one'),
    ),
  ].map((one) => ({ permission: after.id, ...one }))
}

const addedOrRemoved = (before: Permission | undefined, after: Permission | undefined): readonly RoleDifference[] => {
  const loosens = after === undefined ? before?.effect === 'forbid' && 'a prohibition is gone' : !isForbid(after) && 'permits something new'
  const permission = (after ?? before)?.id ?? ''
  return difference('permission', before, after, loosens).map((one) => ({ permission, ...one }))
}

/** Everything that differs; `inForce` is what both roles inherit from as it is today. */
export const roleDifferences = (before: RoleDefinition, after: RoleDefinition, inForce: Definitions): readonly RoleDifference[] => {
  const earlier = new Map(before.permissions.map((permission) => [permission.id, permission]))
  const later = new Map(after.permissions.map((permission) => [permission.id, permission]))
  const found = [
    ...difference('title', before.title, after.title),
    ...inheritsDifferences(before, after, inForce),
    ...clearanceDifferences(before.clearance, after.clearance),
    ...[...later].flatMap(([id, now]) => {
      const then = earlier.get(id)
      return then === undefined ? addedOrRemoved(undefined, now) : permissionDifferences(then, now)
    }),
    ...[...earlier].flatMap(([id, then]) => (later.has(id) ? [] : addedOrRemoved(then, undefined))),
  ]
  if (found.length > 0) return found
  return difference('order of permissions', [...earlier.keys()], [...later.keys()])
}
