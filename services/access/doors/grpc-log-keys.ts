import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  type RotateLogKeyRequest,
  RotateLogKeyRequestSchema,
  type RotateLogKeyResponseSchema,
} from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { entryRefOf } from '../../audit/entry-ref.ts'
import type { LogKeys } from '../../audit/log/log-keys.ts'
import { formatVerifierKey } from '../../audit/log/note.ts'
import type { CallContext } from '../../kernel/caller.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Randomness } from '../../kernel/ids.ts'
import type { PlannedEvent } from '../administer/commands.ts'
import type { Administration } from '../administration.ts'
import { type AdministrativeMethod, aboutNobody, administrativeCall } from './administrative-call.ts'

/** What the keys of logs are rotated with; undefined where nothing is signed. */
export interface LogKeyRotation {
  readonly keys: LogKeys
  /** The origin that the clinic's log has now. */
  readonly originOf: (clinic: string) => Promise<string>
}

export interface LogKeyDoorOptions {
  readonly administration: Administration
  readonly rotation: LogKeyRotation | undefined
  readonly randomness: Randomness
}

/** Names the keys in the entry. The new one is made under the entry's id, so that a repeat names, and activates, the same. */
const naming =
  ({ keys, originOf }: LogKeyRotation, clinic: string) =>
  async (event: PlannedEvent, id: string): Promise<PlannedEvent> => {
    if (event.type !== 'chartwarden.log.keyadded.v1') return event
    const origin = await originOf(clinic)
    const retiring = await keys.current(clinic)
    const added = await keys.prepare(clinic, id)
    if (added === undefined) throw new ChartwardenError('CLINIC_NOT_ALLOWED')
    const name = (key: typeof added): string => formatVerifierKey(key.verifierKey(origin))
    return { type: event.type, data: { ...event.data, verifier_key: name(added), retiring: retiring.map(name) } }
  }

const rotateLogKey = (rotation: LogKeyRotation): AdministrativeMethod<typeof RotateLogKeyRequestSchema> => ({
  schema: RotateLogKeyRequestSchema,
  operation: 'rotate_log_key',
  scope: 'ledger.operate',
  read: (request, fields) => {
    const retireAt = fields.moment('retire_at', request.retireAt)
    const prepare = aboutNobody({ kind: 'rotate_log_key', ...(retireAt === undefined ? {} : { retireAt }) }, '')
    return () => ({ ...prepare(), complete: naming(rotation, request.clinic) })
  },
})

/**
 * Handler of `RotateLogKey`. The new key signs once the entry that names it is durable; a call that is cut off between the two is finished by
 * its repeat.
 */
export const logKeyHandlers = ({ administration, rotation, randomness }: LogKeyDoorOptions) => ({
  rotateLogKey: async (
    request: RotateLogKeyRequest,
    context: CallContext,
  ): Promise<MessageInitShape<typeof RotateLogKeyResponseSchema>> => {
    if (rotation === undefined) throw new ChartwardenError('LOG_OFF')
    const { event, entry, replayed } = await administrativeCall(administration, randomness, rotateLogKey(rotation), request, context)
    if (event.type !== 'chartwarden.log.keyadded.v1')
      throw new ChartwardenError('INTERNAL', { cause: new Error('a rotation was recorded as another event') })
    const { verifier_key: verifierKey, retire_at: retireAt } = event.data
    await rotation.keys.activate(request.clinic, entry.id, { revision: entry.revision, retireOthersAt: Date.parse(retireAt) })
    return { entry: entryRefOf(entry), verifierKey, replayed }
  },
})
