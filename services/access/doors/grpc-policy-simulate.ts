/** PolicyService.Simulate: what a proposed policy would change. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  type NotSimulatedSchema,
  type SimulatedChangeSchema,
  type SimulateRequest,
  SimulateRequestSchema,
  type SimulateResponseSchema,
} from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { Decision } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import { entryRefOf } from '../../audit/entry-ref.ts'
import type { CallContext } from '../../kernel/caller.ts'
import type { JsonValue } from '../../kernel/canonical-json.ts'
import type { Randomness } from '../../kernel/ids.ts'
import type { AccessDecision } from '../decide.ts'
import { roleDraftOf } from '../policy/role-message.ts'
import { settingsDraftOf } from '../policy/settings-message.ts'
import type { ProposedPolicy } from '../simulate/propose.ts'
import type { Simulate, Simulated, SimulateQuestion } from '../simulate.ts'
import { obligationMessages } from './answers.ts'
import { createFields, type Fields } from './fields.ts'
import { digestOf, recordedQuery, requestForm } from './form.ts'
import { questionOf } from './grpc-access-service.ts'

export interface SimulateDoorOptions {
  readonly simulate: Simulate
  readonly randomness: Randomness
}

const maxRoles = 100
const maxDecisions = 10_000

const proposedOf = (fields: Fields, request: SimulateRequest): ProposedPolicy => {
  const { putRoles = [], retireRoles = [], settings } = request.proposed ?? {}
  if (request.proposed === undefined) fields.fault('proposed', 'is required')
  if (putRoles.length > maxRoles) fields.fault('proposed.put_roles', `has more than ${maxRoles} items`)
  if (retireRoles.length > maxRoles) fields.fault('proposed.retire_roles', `has more than ${maxRoles} items`)
  return {
    putRoles: putRoles.map(roleDraftOf),
    retireRoles,
    settings: settings === undefined ? undefined : settingsDraftOf(settings),
  }
}

const questionsOf = (fields: Fields, { clinic, questions }: SimulateRequest, randomness: Randomness): SimulateQuestion['questions'] => {
  if (questions.case === 'check' && questions.value.clinic !== '' && questions.value.clinic !== clinic) {
    fields.fault('check.clinic', 'must be empty or that of the call')
  }
  if (questions.case === undefined) fields.fault('check', 'name one question, or last_decisions')
  if (questions.case === 'lastDecisions' && (questions.value < 1 || questions.value > maxDecisions)) {
    fields.fault('last_decisions', `must lie between 1 and ${maxDecisions}`)
  }
  fields.check()
  if (questions.case !== 'check') return { kind: 'last_decisions', count: questions.value ?? 0 }
  const { requestId: _, clinic: __, reason: ___, intent: ____, ...question } = questionOf(questions.value, clinic, randomness, 'check.')
  return { kind: 'check', question }
}

/** What was asked, for the sealed part of its entry: a whole policy may be larger than an entry, so it stands by its names and its digest. */
const filterOf = (request: SimulateRequest): JsonValue => {
  const { proposed = {}, check, lastDecisions } = requestForm(SimulateRequestSchema, request)
  const { requestId: _, reason: __, intent: ___, clinic: ____, ...asked } = (check ?? {}) as { readonly [name: string]: JsonValue }
  return recordedQuery({
    proposed: {
      put_roles: request.proposed?.putRoles.map(({ role }) => role) ?? [],
      retire_roles: request.proposed?.retireRoles ?? [],
      settings: request.proposed?.settings !== undefined,
      digest: digestOf(proposed),
    },
    check: check === undefined ? undefined : asked,
    last_decisions: lastDecisions,
  })
}

const outcome = ({ decision, reasonCode, rule, obligations }: AccessDecision) => ({
  decision: decision === 'permit' ? Decision.PERMIT : Decision.DENY,
  reasonCode,
  rule,
  obligations: obligationMessages(obligations),
})

const changeMessage = ({
  recorded,
  subject,
  request,
  today,
  proposed,
}: Simulated['changes'][number]): MessageInitShape<typeof SimulatedChangeSchema> => ({
  ...(recorded === undefined ? {} : { recorded: entryRefOf(recorded) }),
  subject,
  action: request.action,
  resourceType: request.resourceType,
  purpose: request.purpose ?? '',
  today: outcome(today),
  proposed: outcome(proposed),
})

const exceptionMessage = ({
  recorded,
  reason,
  attributes,
}: Simulated['notSimulated'][number]): MessageInitShape<typeof NotSimulatedSchema> => ({
  recorded: entryRefOf(recorded),
  reason,
  attributes: [...attributes],
})

/** The handler of Simulate. */
export const simulateHandler = ({ simulate, randomness }: SimulateDoorOptions) => ({
  simulate: async (request: SimulateRequest, context: CallContext): Promise<MessageInitShape<typeof SimulateResponseSchema>> => {
    const fields = createFields(randomness)
    const clinic = fields.clinic('clinic', request.clinic)
    const onBehalfOf = fields.person('on_behalf_of', request.onBehalfOf)
    const proposed = proposedOf(fields, request)
    const questions = questionsOf(fields, request, randomness)
    const simulated = await simulate(context, {
      clinic,
      ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
      proposed,
      questions,
      filter: filterOf(request),
    })
    return {
      decided: simulated.decided,
      changes: simulated.changes.map(changeMessage),
      changed: simulated.changed,
      notSimulated: simulated.notSimulated.map(exceptionMessage),
      notSimulatedCount: simulated.notSimulatedCount,
      entry: entryRefOf(simulated.entry),
      completeToRevision: simulated.revision,
    }
  },
})
