/** A change of policy that is proposed, checked as it would be if it were made, and the state that it would lead to. Pure. */
import { errorCatalogue, type FieldViolation } from '../../kernel/errors.ts'
import { type AdministrativeCommand, administer } from '../administer.ts'
import type { AccessEvent } from '../events.ts'
import { isRoleName } from '../policy/names.ts'
import type { RoleDraft } from '../policy/role-draft.ts'
import { noRoles } from '../policy/roles.ts'
import { type SettingsDraft, validateSettings } from '../policy/settings-draft.ts'
import { validateRole } from '../policy/validate-role.ts'
import { type ClinicState, evolve } from '../state.ts'

/** Roles put, roles retired, settings replaced, in that order. */
export interface ProposedPolicy {
  readonly putRoles: readonly RoleDraft[]
  readonly retireRoles: readonly string[]
  /** Undefined: as they are. */
  readonly settings: SettingsDraft | undefined
}

export type Proposal =
  | { readonly kind: 'state'; readonly state: ClinicState }
  | { readonly kind: 'invalid'; readonly fields: readonly FieldViolation[] }

interface Change {
  readonly command: AdministrativeCommand
  /** Where the request holds it. */
  readonly field: string
  /** What findings call it. */
  readonly named: string
}

const changesOf = ({ putRoles, retireRoles, settings }: ProposedPolicy): readonly Change[] => [
  ...putRoles.map((role, index): Change => ({ command: { kind: 'put_role', role }, field: `proposed.put_roles[${index}]`, named: 'role' })),
  ...retireRoles.map(
    (role, index): Change => ({ command: { kind: 'retire_role', role }, field: `proposed.retire_roles[${index}]`, named: 'role' }),
  ),
  ...(settings === undefined
    ? []
    : [{ command: { kind: 'put_settings', settings }, field: 'proposed.settings', named: 'settings' } satisfies Change]),
]

/** A finding of PutRole or PutSettings under the name that the field has here. */
const renamed = ({ field, named }: Change, { field: found, description }: FieldViolation): FieldViolation => ({
  field: found === named ? field : found.startsWith(`${named}.`) ? `${field}${found.slice(named.length)}` : `${field}.${found}`,
  description,
})

/** What is wrong with the proposal whatever the clinic's policy is now. */
export const malformedProposal = (proposed: ProposedPolicy): readonly FieldViolation[] =>
  changesOf(proposed).flatMap((change) => {
    const { command } = change
    if (command.kind === 'put_role') return validateRole(command.role).map((found) => renamed(change, found))
    if (command.kind === 'put_settings') return validateSettings(command.settings).map((found) => renamed(change, found))
    return command.kind === 'retire_role' && !isRoleName(command.role)
      ? [{ field: change.field, description: 'must be 1 to 64 lower-case letters, digits and underscores' }]
      : []
  })

/** A state whose policy, and the grants that end with a role, may be folded on without touching the one it was copied from. */
const forPolicyChanges = (state: ClinicState): ClinicState => {
  const { roles, grants } = state
  return {
    ...state,
    // What is derived from definitions is worked out anew.
    roles: { ...noRoles(), definitions: new Map(roles.definitions), own: new Map(roles.own) },
    grants: { byId: new Map(grants.byId), bySubject: new Map(grants.bySubject) },
  }
}

/**
 * The state as it would be with the proposal applied, or everything that PutRole, RetireRole and PutSettings would refuse. The state given
 * is not touched. `now` is ledger time in milliseconds since the epoch.
 */
export const propose = (state: ClinicState, proposed: ProposedPolicy, now: number): Proposal => {
  const supposed = forPolicyChanges(state)
  const fields: FieldViolation[] = []
  for (const change of changesOf(proposed)) {
    const outcome = administer(supposed, change.command, { scope: 'policy.write' }, now)
    if (outcome.kind === 'error') {
      const found = outcome.fields ?? [{ field: change.named, description: errorCatalogue[outcome.reason].message }]
      fields.push(...found.map((violation) => renamed(change, violation)))
    }
    if (outcome.kind !== 'change') continue
    for (const { type, data } of outcome.events) {
      evolve(supposed, { type, data, id: '', revision: supposed.revision + 1n, time: now, caller: '' } as unknown as AccessEvent)
    }
  }
  return fields.length > 0 ? { kind: 'invalid', fields } : { kind: 'state', state: supposed }
}
