import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  type GetSettingsRequest,
  type GetSettingsResponseSchema,
  type ListRolesRequest,
  type ListRolesResponseSchema,
  type PutRoleRequest,
  PutRoleRequestSchema,
  type PutRoleResponseSchema,
  type PutSettingsRequest,
  PutSettingsRequestSchema,
  type PutSettingsResponseSchema,
  type RetireRoleRequest,
  RetireRoleRequestSchema,
  type RetireRoleResponseSchema,
} from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { entryRefOf } from '../../audit/entry-ref.ts'
import type { CallContext } from '../../kernel/caller.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Randomness } from '../../kernel/ids.ts'
import type { Administration } from '../administration.ts'
import type { ClinicWriters } from '../clinic-writer.ts'
import { requirePerson } from '../person.ts'
import { roleDraftOf, roleMessage } from '../policy/role-message.ts'
import { settingsDraftOf, settingsMessage } from '../policy/settings-message.ts'
import type { ClinicState } from '../state.ts'
import { type AdministrativeMethod, aboutNobody, administrativeCall } from './administrative-call.ts'
import { createFields, maxTypeLength } from './fields.ts'

export interface PolicyDoorOptions {
  readonly administration: Administration
  readonly writers: ClinicWriters
  readonly randomness: Randomness
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
}

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
    return aboutNobody({ kind: 'put_role', role: roleDraftOf(role) }, reason)
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

const putSettings: AdministrativeMethod<typeof PutSettingsRequestSchema> = {
  schema: PutSettingsRequestSchema,
  operation: 'put_settings',
  scope: 'policy.write',
  read: (request, fields) => {
    const reason = fields.reason('reason', request.reason)
    const { settings } = request
    if (settings === undefined) {
      fields.fault('settings', 'is required')
      return aboutNobody({ kind: 'retire_role', role: '' }, '')
    }
    return aboutNobody({ kind: 'put_settings', settings: settingsDraftOf(settings) }, reason)
  },
}

/** Handlers of chartwarden.access.v1.PolicyService. */
export const policyServiceHandlers = ({ administration, writers, randomness, now }: PolicyDoorOptions) => {
  /** Policy holds no identifier of anybody, so reading it needs the scope alone, and makes no entry. */
  const currentState = async (
    request: Pick<ListRolesRequest | GetSettingsRequest, 'clinic' | 'onBehalfOf'>,
    context: CallContext,
  ): Promise<ClinicState> => {
    const fields = createFields(randomness)
    const clinic = fields.clinic('clinic', request.clinic)
    requirePerson(context.caller, fields.person('on_behalf_of', request.onBehalfOf), now())
    fields.check()
    const writer = await writers.open(clinic)
    await writer.refresh()
    if (writer.state.clinic === undefined) throw new ChartwardenError('CLINIC_NOT_ALLOWED')
    return writer.state
  }

  return {
    putRole: async (request: PutRoleRequest, context: CallContext): Promise<MessageInitShape<typeof PutRoleResponseSchema>> => {
      const { entry, replayed, notes } = await administrativeCall(administration, randomness, putRole, request, context)
      return { entry: entryRefOf(entry), replayed, notes: [...notes] }
    },
    retireRole: async (request: RetireRoleRequest, context: CallContext): Promise<MessageInitShape<typeof RetireRoleResponseSchema>> => {
      const { entry, replayed } = await administrativeCall(administration, randomness, retireRole, request, context)
      return { entry: entryRefOf(entry), replayed }
    },
    listRoles: async (request: ListRolesRequest, context: CallContext): Promise<MessageInitShape<typeof ListRolesResponseSchema>> => {
      const { roles, revision } = await currentState(request, context)
      const sorted = [...roles.definitions.values()].toSorted((left, right) => (left.role < right.role ? -1 : 1))
      return { roles: sorted.map(roleMessage), completeToRevision: revision }
    },
    putSettings: async (request: PutSettingsRequest, context: CallContext): Promise<MessageInitShape<typeof PutSettingsResponseSchema>> => {
      const { entry, replayed, notes } = await administrativeCall(administration, randomness, putSettings, request, context)
      return { entry: entryRefOf(entry), replayed, notes: [...notes] }
    },
    getSettings: async (request: GetSettingsRequest, context: CallContext): Promise<MessageInitShape<typeof GetSettingsResponseSchema>> => {
      const { settings, revision } = await currentState(request, context)
      return { settings: settingsMessage(settings), completeToRevision: revision }
    },
  }
}
