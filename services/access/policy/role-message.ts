/** Roles as the contract carries them, and back. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import { Effect as EffectCode, type Role, type RoleSchema } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import type { Effect } from '../events.ts'
import type { RoleDraft } from './role-draft.ts'

const effects: Readonly<Partial<Record<EffectCode, Effect>>> = {
  [EffectCode.PERMIT]: 'permit',
  [EffectCode.LIMITED]: 'limited',
  [EffectCode.FORBID]: 'forbid',
}
const effectCodes = { permit: EffectCode.PERMIT, limited: EffectCode.LIMITED, forbid: EffectCode.FORBID } as const

/** What a message proposes; nothing of it is checked. */
export const roleDraftOf = (role: Role): RoleDraft => ({
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
  ...(role.clearance === undefined
    ? {}
    : { clearance: { confidentiality: role.clearance.confidentiality, sensitivities: role.clearance.sensitivities } }),
})

/** A role, proposed or in force, as a message. */
export const roleMessage = (role: RoleDraft): MessageInitShape<typeof RoleSchema> => ({
  role: role.role,
  title: role.title,
  inherits: [...role.inherits],
  permissions: role.permissions.map((permission) => ({
    id: permission.id ?? '',
    resourceType: permission.resource_type,
    actions: [...permission.actions],
    effect: permission.effect === undefined ? EffectCode.UNSPECIFIED : effectCodes[permission.effect],
    bounds: permission.bounds.map(({ kind, codes }) => ({ kind, codes: [...codes] })),
    purposes: [...permission.purposes],
    condition: permission.condition ?? '',
  })),
  ...(role.clearance === undefined
    ? {}
    : { clearance: { confidentiality: role.clearance.confidentiality, sensitivities: [...role.clearance.sensitivities] } }),
})
