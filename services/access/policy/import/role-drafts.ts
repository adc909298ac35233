import { definitionOf, type RoleDraft } from '../role-draft.ts'
import type { RoleDefinition } from '../roles.ts'
import { validateRole } from '../validate-role.ts'
import type { ImportProblem } from './table.ts'

/** A role as a file states it, and where. */
export interface StatedRole {
  readonly draft: RoleDraft
  /** The line, from 1, of a field under the contract's name, such as `role.permissions[0].actions`. */
  lineOf(field: string): number
}

/**
 * The roles that a file's roles define; what is wrong with any of them goes to `problems`. What could not be read as it stands is not
 * looked at further, since most of what would be said of it would follow from that.
 */
export const definitionsOf = (stated: readonly StatedRole[], problems: ImportProblem[]): readonly RoleDefinition[] => {
  if (problems.length > 0) return []
  const seen = new Map<string, number>()
  for (const { draft, lineOf } of stated) {
    const line = lineOf('role.role')
    const earlier = seen.get(draft.role)
    if (earlier !== undefined) {
      problems.push({ file: 'roles', line, message: `role ${JSON.stringify(draft.role)} stands on line ${earlier} already` })
    }
    seen.set(draft.role, earlier ?? line)
    for (const { field, description } of validateRole(draft)) {
      problems.push({ file: 'roles', line: lineOf(field), message: `role ${JSON.stringify(draft.role)}: ${field} ${description}` })
    }
  }
  return problems.length > 0 ? [] : stated.map(({ draft }) => definitionOf(draft))
}
