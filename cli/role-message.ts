import type { MessageInitShape } from '@bufbuild/protobuf'
import { Effect, type RoleSchema } from '../proto/gen/chartwarden/access/v1/administration_pb.js'
import type { RoleDraft } from '../services/access/policy/role-draft.ts'

const effects = { permit: Effect.PERMIT, limited: Effect.LIMITED, forbid: Effect.FORBID } as const

/** A role as data, as the API takes it. */
export const roleMessage = (role: RoleDraft): MessageInitShape<typeof RoleSchema> => ({
  role: role.role,
  title: role.title,
  inherits: [...role.inherits],
  permissions: role.permissions.map((permission) => ({
    id: permission.id ?? '',
    resourceType: permission.resource_type,
    actions: [...permission.actions],
    effect: permission.effect === undefined ? Effect.UNSPECIFIED : effects[permission.effect],
    bounds: permission.bounds.map(({ kind, codes }) => ({ kind, codes: [...codes] })),
    purposes: [...permission.purposes],
    condition: permission.condition ?? '',
  })),
})
