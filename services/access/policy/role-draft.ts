import type { Bound, Clearance, Confidentiality, Effect, Permission } from '../events.ts'
import { isPermissionId } from './names.ts'
import type { RoleDefinition } from './roles.ts'

/** A permission as someone proposes it. */
export interface PermissionDraft {
  /** Empty or absent: assigned. */
  readonly id?: string
  readonly resource_type: string
  readonly actions: readonly string[]
  /** Absent: unspecified, which is refused. */
  readonly effect?: Effect
  readonly bounds: readonly Bound[]
  readonly purposes: readonly string[]
  /** CEL; empty or absent: none. */
  readonly condition?: string
}

/** A clearance as someone proposes it. */
export interface ClearanceDraft {
  /** Empty: N. */
  readonly confidentiality: string
  readonly sensitivities: readonly string[]
}

/** A role as someone proposes it. */
export interface RoleDraft {
  readonly role: string
  readonly title: string
  readonly inherits: readonly string[]
  readonly permissions: readonly PermissionDraft[]
  /** Absent: normal records without sensitivities. */
  readonly clearance?: ClearanceDraft
}

/** Absent where it says no more than its absence does, so that equal roles have equal definitions. */
const clearanceOf = (draft: ClearanceDraft | undefined): { readonly clearance?: Clearance } => {
  if (draft === undefined) return {}
  const confidentiality = (draft.confidentiality === '' ? 'N' : draft.confidentiality) as Confidentiality
  if (confidentiality === 'N' && draft.sensitivities.length === 0) return {}
  return { clearance: { confidentiality, sensitivities: [...draft.sensitivities] } }
}

/**
 * An id from what the permission says and not from its place, so that rules in old entries still name the same permission after another
 * was put before it. Equal ones are told apart by a number.
 */
const assignedId = (draft: PermissionDraft, taken: ReadonlySet<string>): string => {
  const described = `${draft.resource_type}.${draft.actions.join('+')}`
  const base = isPermissionId(described) && described.length <= 120 ? described : `${draft.resource_type}.several`
  for (let number = 1; ; number += 1) {
    const id = number === 1 ? base : `${base}~${number}`
    if (!taken.has(id)) return id
  }
}

/** The role that a validated draft defines, every permission with its id. */
export const definitionOf = (draft: RoleDraft): RoleDefinition => {
  const taken = new Set(draft.permissions.flatMap(({ id }) => (id === undefined || id === '' ? [] : [id])))
  const permissions = draft.permissions.map((permission): Permission => {
    const id = permission.id === undefined || permission.id === '' ? assignedId(permission, taken) : permission.id
    taken.add(id)
    return {
      id,
      resource_type: permission.resource_type,
      actions: [...permission.actions],
      effect: permission.effect ?? 'forbid',
      bounds: permission.bounds.map(({ kind, codes }) => ({ kind, codes: [...codes] })),
      purposes: [...permission.purposes],
      ...(permission.condition === undefined || permission.condition === '' ? {} : { condition: permission.condition }),
    }
  })
  return { role: draft.role, title: draft.title, inherits: [...draft.inherits], permissions, ...clearanceOf(draft.clearance) }
}
