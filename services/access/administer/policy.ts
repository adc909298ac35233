import type { Actor } from '../events.ts'
import { administratorRole } from '../policy/administrator.ts'
import { definitionOf } from '../policy/role-draft.ts'
import { inheritsItself, validateInheritance } from '../policy/validate-role.ts'
import type { ClinicState } from '../state.ts'
import { type CommandError, commandError, malformed, type PlannedEvent, type PutRole, type RetireRole } from './commands.ts'

/** Defines or replaces a role; its draft is well formed. */
export const putRole = (state: ClinicState, { role: draft }: PutRole, actor: Actor): PlannedEvent | CommandError => {
  if (draft.role === administratorRole) return commandError('ROLE_RESERVED')
  if (inheritsItself(draft, state.roles)) return commandError('ROLE_CYCLE')
  const violations = validateInheritance(draft, state.roles)
  if (violations.length > 0) return malformed(violations)
  return { type: 'chartwarden.role.defined.v2', data: { actor, ...definitionOf(draft) } }
}

/** Ends a role and every grant of it; roles that inherit it lose what it gave. */
export const retireRole = (state: ClinicState, { role }: RetireRole, actor: Actor): PlannedEvent | CommandError => {
  if (role === administratorRole) return commandError('ROLE_RESERVED')
  if (!state.roles.definitions.has(role)) return commandError('ROLE_UNKNOWN')
  return { type: 'chartwarden.role.retired.v1', data: { actor, role } }
}
