import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  Effect as EffectCode,
  type ListRolesRequest,
  type ListRolesResponseSchema,
  type PutRoleRequest,
  PutRoleRequestSchema,
  type PutRoleResponseSchema,
  type RetireRoleRequest,
  RetireRoleRequestSchema,
  type RetireRoleResponseSchema,
  type Role,
  type RoleSchema,
} from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import type { CallContext } from '../../kernel/caller.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Randomness } from '../../kernel/ids.ts'
import type { Administration } from '../administration.ts'
import type { ClinicWriters } from '../clinic-writer.ts'
import type { Effect } from '../events.ts'
import { requirePerson } from '../person.ts'
import type { RoleDraft } from '../policy/role-draft.ts'
import type { RoleDefinition } from '../policy/roles.ts'
import { type AdministrativeMethod, aboutNobody, administrativeCall } from './administrative-call.ts'
import { entryRefOf } from './answers.ts'
import { createFields, maxTypeLength } from './fields.ts'

export interface PolicyDoorOptions {
  readonly administration: Administration
  readonly writers: ClinicWriters
  readonly randomness: Randomness
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
}

const effects: Readonly<Partial<Record<EffectCode, Effect>>> = {
  [EffectCode.PERMIT]: 'permit',
  [EffectCode.LIMITED]: 'limited',
  [EffectCode.FORBID]: 'forbid',
}
const effectCodes = { permit: EffectCode.PERMIT, limited: EffectCode.LIMITED, forbid: EffectCode.FORBID } as const

const draftOf = (role: Role): RoleDraft => ({
  role: role.role,
  title: role.title,
  inherits: role.inherits,
  permissions: role.permissions.map((permission) => {
    const effect = effects[permission.effect]
    return {
      id: permission.id,
      resource_type: permission.resourceType,
      actions: permission.actions,
      ...(effect === undefined ? {} : { effect }),
      bounds: permission.bounds.map(({ kind, codes }) => ({ kind, codes })),
      purposes: permission.purposes,
      condition: permission.condition,
    }
  }),
})

const roleMessage = (role: RoleDefinition): MessageInitShape<typeof RoleSchema> => ({
  role: role.role,
  title: role.title,
  inherits: [...role.inherits],
  permissions: role.permissions.map((permission) => ({
    id: permission.id,
    resourceType: permission.resource_type,
    actions: [...permission.actions],
    effect: effectCodes[permission.effect],
    bounds: permission.bounds.map(({ kind, codes }) => ({ kind, codes: [...codes] })),
    purposes: [...permission.purposes],
  })),
})

const putRole: AdministrativeMethod<typeof PutRoleRequestSchema> = {
  schema: PutRoleRequestSchema,
  operation: 'put_role',
  scope: 'policy.write',
  read: (request, fields) => {
    const reason = fields.reason('reason', request.reason)
    const { role } = request
    if (role === undefined) {
      fields.fault('role', 'is required')
      return aboutNobody({ kind: 'retire_role', role: '' }, '')
    }
    return aboutNobody({ kind: 'put_role', role: draftOf(role) }, reason)
  },
}

const retireRole: AdministrativeMethod<typeof RetireRoleRequestSchema> = {
  schema: RetireRoleRequestSchema,
  operation: 'retire_role',
  scope: 'policy.write',
  read: (request, fields) => {
    const role = fields.text('role', request.role, { max: maxTypeLength })
    return aboutNobody({ kind: 'retire_role', role }, fields.reason('reason', request.reason))
  },
}

/** Handlers of chartwarden.access.v1.PolicyService. */
export const policyServiceHandlers = ({ administration, writers, randomness, now }: PolicyDoorOptions) => ({
  putRole: async (request: PutRoleRequest, context: CallContext): Promise<MessageInitShape<typeof PutRoleResponseSchema>> => {
    const { entry, replayed } = await administrativeCall(administration, randomness, putRole, request, context)
    return { entry: entryRefOf(entry), replayed }
  },
  retireRole: async (request: RetireRoleRequest, context: CallContext): Promise<MessageInitShape<typeof RetireRoleResponseSchema>> => {
    const { entry, replayed } = await administrativeCall(administration, randomness, retireRole, request, context)
    return { entry: entryRefOf(entry), replayed }
  },

  /** Roles hold no identifier of anybody, so reading them needs the scope alone, and makes no entry. */
  listRoles: async (request: ListRolesRequest, context: CallContext): Promise<MessageInitShape<typeof ListRolesResponseSchema>> => {
    const fields = createFields(randomness)
    const clinic = fields.clinic('clinic', request.clinic)
    requirePerson(context.caller, fields.person('on_behalf_of', request.onBehalfOf), now())
    fields.check()
    const writer = await writers.open(clinic)
    await writer.refresh()
    if (writer.state.clinic === undefined) throw new ChartwardenError('CLINIC_NOT_ALLOWED')
    const roles = [...writer.state.roles.definitions.values()].toSorted((left, right) => (left.role < right.role ? -1 : 1))
    return { roles: roles.map(roleMessage), completeToRevision: writer.state.revision }
  },
})
