/** What a role gives with all it inherits, and by which way: inheritance hides rights from whoever reads the role alone. */
import type { Clearance, Permission } from '../events.ts'
import type { RoleDefinition } from './roles.ts'

export interface EffectiveRight {
  readonly permission: Permission
  /** The roles from the one asked about to the one that defines it, by the shortest way. */
  readonly path: readonly string[]
}

export interface EffectiveRights {
  readonly rights: readonly EffectiveRight[]
  readonly clearances: readonly { readonly clearance: Clearance; readonly path: readonly string[] }[]
  /** Ways to inherited roles that are not in force, which give nothing. */
  readonly missing: readonly (readonly string[])[]
}

/** Nearest roles first; undefined for a role that is not in force. */
export const effectiveRights = (definitions: ReadonlyMap<string, RoleDefinition>, role: string): EffectiveRights | undefined => {
  if (!definitions.has(role)) return undefined
  const paths = new Map<string, readonly string[]>([[role, [role]]])
  const rights: EffectiveRight[] = []
  const clearances: { clearance: Clearance; path: readonly string[] }[] = []
  const missing: (readonly string[])[] = []
  // A Map goes on to what is added while it is walked.
  for (const [name, path] of paths) {
    const definition = definitions.get(name)
    if (definition === undefined) {
      missing.push(path)
      continue
    }
    rights.push(...definition.permissions.map((permission) => ({ permission, path })))
    if (definition.clearance !== undefined) clearances.push({ clearance: definition.clearance, path })
    for (const inherited of definition.inherits) if (!paths.has(inherited)) paths.set(inherited, [...path, inherited])
  }
  return { rights, clearances, missing }
}

/** `office_lead -> receptionist#appointment.create` */
export const rightPathText = ({ path, permission }: EffectiveRight): string => `${path.join(' -> ')}#${permission.id}`
