import { create, type MessageInitShape } from '@bufbuild/protobuf'
import {
  type CheckBatchRequest,
  type CheckBatchResponseSchema,
  type CheckRequest,
  type CheckResponse,
  CheckResponseSchema,
  type CheckStreamRequest,
  type CheckStreamResponseSchema,
  Intent,
} from '../../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { Decision } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import { entryRefOf } from '../../audit/entry-ref.ts'
import type { CallContext } from '../../kernel/caller.ts'
import type { Clock } from '../../kernel/clock.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import { requireClinic } from '../../kernel/grpc/require-clinic.ts'
import type { Randomness } from '../../kernel/ids.ts'
import type { Answer, Check, Question } from '../check.ts'
import { patientResource } from '../state/directory.ts'
import { itemErrorOf, obligationMessages, refuseItem } from './answers.ts'
import { createFields, maxIdLength, maxTypeLength } from './fields.ts'
import { inOrderOfId } from './in-order-of-id.ts'
import { mergeInFlight } from './merge-in-flight.ts'

export interface AccessDoorOptions {
  readonly check: Check
  readonly randomness: Randomness
  /** Items of one batch. Defaults to 512. */
  readonly maxBatchItems: number
  /** A stream may last for days; each of its questions is given this long, in milliseconds. */
  readonly defaultDeadlineMs: number
  readonly clock: Clock
  /** Questions of one stream that may be decided at once; more wait, which slows the sender. */
  readonly maxStreamInFlight: number
  /** Faults that are not the caller's, for the log. */
  readonly onFault: (error: unknown, context: CallContext) => void
}

export const maxContextBytes = 8 * 1024
export const maxObligations = 64

/** A question as the application knows it. `prefix` stands before the names of fields where the question is part of another message. */
export const questionOf = (request: CheckRequest, clinic: string, randomness: Randomness, prefix = ''): Question => {
  const fields = createFields(randomness, prefix)
  const { subject, action, resource } = request
  if (resource === undefined) fields.fault('resource', 'is required')
  if (action === undefined) fields.fault('action', 'is required')
  if (request.supportedObligations.length > maxObligations) fields.fault('supported_obligations', `has more than ${maxObligations} items`)
  const session = fields.session('session', request.session)
  const requestContext = fields.json('context', request.context, maxContextBytes)
  const subjectProperties = fields.json('subject.properties', subject?.properties, maxContextBytes)
  const actionProperties = fields.json('action.properties', action?.properties, maxContextBytes)
  const resourceProperties = fields.resourceProperties('resource.properties', resource?.properties, maxContextBytes)
  if (resource?.type === patientResource && resource.patientId !== '' && resource.patientId !== resource.id) {
    fields.fault('resource.patient_id', 'must be empty or the id: a resource of type "patient" is that patient')
  }
  const question: Question = {
    requestId: fields.requestId('request_id', request.requestId),
    clinic: fields.clinic('clinic', clinic),
    subject: { ...fields.subject('subject', subject), ...(subjectProperties === undefined ? {} : { properties: subjectProperties }) },
    action: {
      name: action === undefined ? '' : fields.text('action.name', action.name, { max: maxTypeLength }),
      ...(actionProperties === undefined ? {} : { properties: actionProperties }),
    },
    resource: {
      type: resource === undefined ? '' : fields.text('resource.type', resource.type, { max: maxTypeLength }),
      id: resource === undefined ? '' : fields.text('resource.id', resource.id, { max: maxIdLength }),
      patientId: resource === undefined ? '' : fields.text('resource.patient_id', resource.patientId, { min: 0, max: maxIdLength }),
      ...(resourceProperties === undefined ? {} : { properties: resourceProperties }),
    },
    purpose: fields.purpose('purpose', request.purpose, { required: true }),
    reason: fields.reason('reason', request.reason),
    ...(requestContext === undefined ? {} : { context: requestContext }),
    ...(session === undefined ? {} : { session }),
    intent: intentOf(request.intent, fields),
    supportedObligations: request.supportedObligations.map((type, index) =>
      fields.text(`supported_obligations[${index}]`, type, { max: maxTypeLength }),
    ),
  }
  fields.check()
  return question
}

const intentOf = (intent: Intent, fields: { fault(field: string, description: string): void }): Question['intent'] => {
  switch (intent) {
    case Intent.UNSPECIFIED:
    case Intent.ACCESS:
      return 'access'
    case Intent.PROBE:
      return 'probe'
    default:
      fields.fault('intent', 'is not a known intent')
      return 'access'
  }
}

const responseOf = (requestId: string, { decided, entry, replayed }: Answer): CheckResponse =>
  create(CheckResponseSchema, {
    requestId,
    decision: decided.decision === 'permit' ? Decision.PERMIT : Decision.DENY,
    reasonCode: decided.reason_code,
    rule: decided.rule,
    obligations: obligationMessages(decided.obligations),
    entry: entryRefOf(entry),
    replayed,
  })

/** Handlers of chartwarden.access.v1.AccessService. */
export const accessServiceHandlers = (options: AccessDoorOptions) => {
  const { check, clock, randomness, maxBatchItems, defaultDeadlineMs, maxStreamInFlight, onFault } = options

  const answer = async (request: CheckRequest, clinic: string, context: CallContext): Promise<CheckResponse> => {
    const question = questionOf(request, clinic, randomness)
    return responseOf(question.requestId, await check(context, question))
  }

  /** An item's answer or its own refusal: an item never fails its neighbours. */
  const settle = async (request: CheckRequest, clinic: string, context: CallContext) => {
    try {
      return { outcome: { case: 'response' as const, value: await answer(request, clinic, context) } }
    } catch (thrown) {
      return { outcome: { case: 'error' as const, value: refuseItem(thrown, clinic, context, onFault) } }
    }
  }

  return {
    check: (request: CheckRequest, context: CallContext): Promise<CheckResponse> => answer(request, request.clinic, context),

    checkBatch: async (request: CheckBatchRequest, context: CallContext): Promise<MessageInitShape<typeof CheckBatchResponseSchema>> => {
      const fields = createFields(randomness)
      fields.clinic('clinic', request.clinic)
      if (request.checks.length === 0) fields.fault('checks', 'is required')
      if (request.checks.length > maxBatchItems) fields.fault('checks', `has more than ${maxBatchItems} items`)
      for (const [index, item] of request.checks.entries()) {
        if (item.clinic !== '' && item.clinic !== request.clinic)
          fields.fault(`checks[${index}].clinic`, 'must be empty or that of the batch')
      }
      fields.check()
      return {
        results: await inOrderOfId(
          request.checks,
          (item) => item.requestId.toLowerCase(),
          (item) => settle(item, request.clinic, context),
        ),
      }
    },

    checkStream: (
      requests: AsyncIterable<CheckStreamRequest>,
      context: CallContext,
    ): AsyncIterable<MessageInitShape<typeof CheckStreamResponseSchema>> =>
      mergeInFlight(requests, maxStreamInFlight, async ({ seq, check: item }) => {
        if (item === undefined) {
          const error = new ChartwardenError('INVALID_ARGUMENT', { message: 'check: is required' })
          return { seq, result: { outcome: { case: 'error' as const, value: itemErrorOf(error) } } }
        }
        let leave: (() => void) | undefined
        try {
          requireClinic(context, item.clinic)
          leave = await context.enter?.(item.clinic)
        } catch (thrown) {
          return { seq, result: { outcome: { case: 'error' as const, value: itemErrorOf(thrown) } } }
        }
        const deadline = Math.min(context.deadline, clock.monotonic() + defaultDeadlineMs)
        const result = await settle(item, item.clinic, { ...context, deadline })
        leave?.()
        return { seq, result }
      }),
  }
}
