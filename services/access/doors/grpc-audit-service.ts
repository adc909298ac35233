import { create, type MessageInitShape } from '@bufbuild/protobuf'
import {
  EntrySchema,
  type GetEntryRequest,
  type GetEntryResponseSchema,
  type ReadEntriesRequest,
  type ReadEntriesResponseSchema,
  type RecordAccessBatchRequest,
  type RecordAccessBatchResponseSchema,
  type RecordAccessRequest,
  RecordAccessRequestSchema,
  type RecordAccessResponse,
  RecordAccessResponseSchema,
  SealState,
} from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { entryTime } from '../../audit/entry.ts'
import { entryRefOf } from '../../audit/entry-ref.ts'
import { leafHash } from '../../audit/log/tree-hash.ts'
import type { CallContext } from '../../kernel/caller.ts'
import { canonicalJson } from '../../kernel/canonical-json.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import { isUuid, type Randomness } from '../../kernel/ids.ts'
import type { EntryReader, PrivatePart, ShownEntry } from '../read-entries.ts'
import type { FindAccesses, PerformedAccess, RecordAccess } from '../record-access.ts'
import type { FactFound } from '../record-fact.ts'
import { refuseItem, timestampOfText } from './answers.ts'
import { createFields, maxIdLength, maxTypeLength } from './fields.ts'
import { requestForm } from './form.ts'
import { inOrderOfId } from './in-order-of-id.ts'

export interface AuditDoorOptions {
  readonly recordAccess: RecordAccess
  readonly findAccesses: FindAccesses
  readonly reader: EntryReader
  readonly randomness: Randomness
  /** Items of one batch. Defaults to 512. */
  readonly maxBatchItems: number
  /** Faults that are not the caller's, for the log. */
  readonly onFault: (error: unknown, context: CallContext) => void
}

const sealStates: Record<PrivatePart['state'], SealState> = {
  none: SealState.NONE,
  opened: SealState.OPENED,
  no_scope: SealState.NO_SCOPE,
  key_destroyed: SealState.KEY_DESTROYED,
}

export const entryMessage = ({ entry, private: part }: ShownEntry) =>
  create(EntrySchema, {
    id: entry.id,
    revision: entry.revision,
    time: timestampOfText(entryTime(entry.bytes)),
    type: entry.type,
    canonical: entry.bytes,
    private: part.state === 'opened' ? Buffer.from(canonicalJson(part.value), 'utf8') : new Uint8Array(),
    leafHash: leafHash(entry.bytes),
    privateState: sealStates[part.state],
  })

const performedAccessOf = (request: RecordAccessRequest, clinic: string, randomness: Randomness): PerformedAccess => {
  const fields = createFields(randomness)
  const { action, resource } = request
  if (action === undefined) fields.fault('action', 'is required')
  if (resource === undefined) fields.fault('resource', 'is required')
  const occurredAt = fields.moment('occurred_at', request.occurredAt)
  const decisionEntryId = request.decisionEntryId.toLowerCase()
  if (decisionEntryId !== '' && !isUuid(decisionEntryId)) fields.fault('decision_entry_id', 'must be a UUID')
  const access: PerformedAccess = {
    requestId: fields.requestId('request_id', request.requestId),
    clinic: fields.clinic('clinic', clinic),
    subject: fields.subject('subject', request.subject),
    action: fields.text('action.name', action?.name ?? '', { max: maxTypeLength }),
    resource: {
      type: fields.text('resource.type', resource?.type ?? '', { max: maxTypeLength }),
      id: fields.text('resource.id', resource?.id ?? '', { max: maxIdLength }),
      patientId: fields.text('resource.patient_id', resource?.patientId ?? '', { min: 0, max: maxIdLength }),
    },
    purpose: fields.purpose('purpose', request.purpose, { required: false }),
    reason: fields.reason('reason', request.reason),
    ...(occurredAt === undefined ? {} : { occurredAt }),
    decisionEntryId,
    source: fields.text('source', request.source, { min: 0, max: maxIdLength }),
    form: {},
  }
  fields.check()
  return { ...access, form: { ...requestForm(RecordAccessRequestSchema, request), clinic } }
}

/** Handlers of chartwarden.audit.v1.AuditService. */
export const auditServiceHandlers = (options: AuditDoorOptions) => {
  const { recordAccess, findAccesses, reader, randomness, maxBatchItems, onFault } = options

  const record = async (request: RecordAccessRequest, clinic: string, context: CallContext): Promise<RecordAccessResponse> => {
    const { entry, replayed } = await recordAccess(context, performedAccessOf(request, clinic, randomness))
    return create(RecordAccessResponseSchema, { entry: entryRefOf(entry), replayed })
  }

  /** What recording each item would answer now. */
  const validate = async ({ clinic, accesses }: RecordAccessBatchRequest, context: CallContext) => {
    const refused = (thrown: unknown) => ({ case: 'error' as const, value: refuseItem(thrown, clinic, context, onFault) })
    const read = accesses.map((item) => {
      try {
        return { access: performedAccessOf(item, clinic, randomness) }
      } catch (thrown) {
        return { outcome: refused(thrown) }
      }
    })
    const found = (
      await findAccesses(
        context,
        clinic,
        read.flatMap(({ access }) => access ?? []),
      )
    ).values()
    return read.map(({ outcome }) => {
      if (outcome !== undefined) return { outcome }
      const met = found.next().value as FactFound
      if (met.kind === 'mismatch') return { outcome: refused(new ChartwardenError('REQUEST_MISMATCH')) }
      const answer = met.kind === 'new' ? {} : { entry: entryRefOf(met.entry), replayed: true }
      return { outcome: { case: 'response' as const, value: create(RecordAccessResponseSchema, answer) } }
    })
  }

  return {
    recordAccess: (request: RecordAccessRequest, context: CallContext) => record(request, request.clinic, context),

    recordAccessBatch: async (
      request: RecordAccessBatchRequest,
      context: CallContext,
    ): Promise<MessageInitShape<typeof RecordAccessBatchResponseSchema>> => {
      const fields = createFields(randomness)
      fields.clinic('clinic', request.clinic)
      if (request.accesses.length === 0) fields.fault('accesses', 'is required')
      if (request.accesses.length > maxBatchItems) fields.fault('accesses', `has more than ${maxBatchItems} items`)
      for (const [index, item] of request.accesses.entries()) {
        if (item.clinic !== '' && item.clinic !== request.clinic)
          fields.fault(`accesses[${index}].clinic`, 'must be empty or that of the batch')
      }
      fields.check()
      if (request.validateOnly) return { results: await validate(request, context) }
      const results = await inOrderOfId(
        request.accesses,
        (item) => item.requestId.toLowerCase(),
        async (item) => {
          try {
            return { outcome: { case: 'response' as const, value: await record(item, request.clinic, context) } }
          } catch (thrown) {
            return { outcome: { case: 'error' as const, value: refuseItem(thrown, request.clinic, context, onFault) } }
          }
        },
      )
      return { results }
    },

    getEntry: async (request: GetEntryRequest, context: CallContext): Promise<MessageInitShape<typeof GetEntryResponseSchema>> => {
      const fields = createFields(randomness)
      const clinic = fields.clinic('clinic', request.clinic)
      const person = fields.person('on_behalf_of', request.onBehalfOf)
      const { key } = request
      if (key.case === undefined) fields.fault('key', 'is required: an id or a revision')
      if (key.case === 'id' && !isUuid(key.value.toLowerCase())) fields.fault('id', 'must be a UUID')
      fields.check()
      const wanted = key.case === 'revision' ? key.value : (key.value as string).toLowerCase()
      return { entry: entryMessage(await reader.get(context, clinic, person, wanted)) }
    },

    async *readEntries(
      request: ReadEntriesRequest,
      context: CallContext,
    ): AsyncGenerator<MessageInitShape<typeof ReadEntriesResponseSchema>> {
      const fields = createFields(randomness)
      const clinic = fields.clinic('clinic', request.clinic)
      const onBehalfOf = fields.person('on_behalf_of', request.onBehalfOf)
      const { fromRevision, untilRevision, follow } = request
      if (untilRevision !== undefined && untilRevision < (fromRevision ?? 0n)) fields.fault('until_revision', 'lies before from_revision')
      fields.check()
      const entries = reader.read(context, { clinic, onBehalfOf, from: fromRevision ?? 0n, until: untilRevision, follow })
      let items = 0n
      for (;;) {
        const step = await entries.next()
        if (step.done === true) {
          yield { item: { case: 'end', value: { items, completeToRevision: step.value.completeTo } } }
          return
        }
        items += 1n
        yield { item: { case: 'entry', value: entryMessage(step.value) } }
      }
    },
  }
}
