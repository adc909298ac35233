import { definitionOf } from '../services/access/policy/role-draft.ts'
import { roleDraftOf } from '../services/access/policy/role-message.ts'
import type { RoleDefinition } from '../services/access/policy/roles.ts'
import { ChartwardenError } from '../services/kernel/errors.ts'
import type { Connection } from './connection.ts'
import type { ClinicOptions } from './input/common-options.ts'
import { clinicFields } from './request.ts'

export interface RolesInForce {
  /** In order of name. */
  readonly roles: readonly RoleDefinition[]
  /** State revision they are complete to. */
  readonly revision: bigint
}

/** Every role a clinic has, as data. */
export const rolesInForce = async (policy: Connection['policy'], options: ClinicOptions): Promise<RolesInForce> => {
  const { roles, completeToRevision } = await policy.listRoles(clinicFields(options))
  return { roles: roles.map((role) => definitionOf(roleDraftOf(role))), revision: completeToRevision }
}

/** One of them. Throws ROLE_UNKNOWN. */
export const roleNamed = (roles: readonly RoleDefinition[], name: string): RoleDefinition => {
  const found = roles.find(({ role }) => role === name)
  if (found === undefined) throw new ChartwardenError('ROLE_UNKNOWN', { message: `No role "${name}" is in force in this clinic.` })
  return found
}
