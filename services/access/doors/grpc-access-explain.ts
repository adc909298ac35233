/** Why, who can and what can: the methods of AccessService that permit nothing. Each is recorded before it is answered. */
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import {
  type AllowedActionSchema,
  type ExplainRequest,
  ExplainRequestSchema,
  type ExplainResponseSchema,
  RuleOutcome,
  WhatCanList,
  type WhatCanRequest,
  WhatCanRequestSchema,
  type WhatCanResponseSchema,
  type WhoCanRequest,
  WhoCanRequestSchema,
  type WhoCanResponseSchema,
} from '../../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { type Action, Decision, type Resource } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import { entryRefOf } from '../../audit/entry-ref.ts'
import type { CallContext } from '../../kernel/caller.ts'
import type { JsonValue } from '../../kernel/canonical-json.ts'
import type { Randomness } from '../../kernel/ids.ts'
import type { Question } from '../check.ts'
import type { AccessDecision } from '../decide.ts'
import type { Explain } from '../explain.ts'
import { patientIdOf } from '../patient-of.ts'
import { patientResource } from '../state/directory.ts'
import type { WhatCan, WhatCanQuestion } from '../what-can.ts'
import type { WhoCan } from '../who-can.ts'
import { obligationMessages, timestampOf } from './answers.ts'
import { createFields, type Fields, maxIdLength, maxTypeLength } from './fields.ts'
import { recordedQuery, requestForm } from './form.ts'
import { maxContextBytes, maxObligations, questionOf } from './grpc-access-service.ts'
import { pageSize } from './paging.ts'

export interface ExplainDoorOptions {
  readonly explain: Explain
  readonly whoCan: WhoCan
  readonly whatCan: WhatCan
  readonly randomness: Randomness
}

const outcomes = { permits: RuleOutcome.PERMITS, refuses: RuleOutcome.REFUSES, not_met: RuleOutcome.NOT_MET } as const

/** What a decision says, as messages do. */
const decided = ({ reasonCode, rule, obligations, notAfter }: AccessDecision) => ({
  reasonCode,
  rule,
  obligations: obligationMessages(obligations),
  ...(notAfter === undefined ? {} : { until: timestampOf(notAfter) }),
})

/** The whole question, for the sealed part of its entry and for what its pages are bound to. */
const filterOf = <Schema extends DescMessage>(schema: Schema, request: MessageShape<Schema>): JsonValue => {
  const { clinic: _, onBehalfOf: __, pageSize: ___, pageToken: ____, ...filter } = requestForm(schema, request)
  return recordedQuery(filter)
}

const explainFilter = (request: ExplainRequest): JsonValue => {
  const { check, asOf } = requestForm(ExplainRequestSchema, request)
  const { requestId: _, reason: __, intent: ___, clinic: ____, ...asked } = (check ?? {}) as { readonly [name: string]: JsonValue }
  return recordedQuery({ check: asked, ...(asOf === undefined ? {} : { asOf }) })
}

const readAction = (fields: Fields, action: Action | undefined, named: boolean): Question['action'] => {
  const properties = fields.json('action.properties', action?.properties, maxContextBytes)
  return {
    name: named ? fields.text('action.name', action?.name ?? '', { max: maxTypeLength }) : '',
    ...(properties === undefined ? {} : { properties }),
  }
}

const readResource = (
  fields: Fields,
  resource: Resource | undefined,
  required: { readonly type: boolean; readonly id: boolean },
): Question['resource'] => {
  const properties = fields.resourceProperties('resource.properties', resource?.properties, maxContextBytes)
  const { type = '', id = '', patientId = '' } = resource ?? {}
  if (type === '' && id !== '') fields.fault('resource.type', 'is required with an id')
  if (type === patientResource && patientId !== '' && id !== '' && patientId !== id) {
    fields.fault('resource.patient_id', 'must be empty or the id: a resource of type "patient" is that patient')
  }
  return {
    type: fields.text('resource.type', type, { min: required.type ? 1 : 0, max: maxTypeLength }),
    id: fields.text('resource.id', id, { min: required.id ? 1 : 0, max: maxIdLength }),
    patientId: fields.text('resource.patient_id', patientId, { min: 0, max: maxIdLength }),
    ...(properties === undefined ? {} : { properties }),
  }
}

const readRest = (fields: Fields, request: WhoCanRequest | WhatCanRequest) => {
  const context = fields.json('context', request.context, maxContextBytes)
  if (request.supportedObligations.length > maxObligations) fields.fault('supported_obligations', `has more than ${maxObligations} items`)
  return {
    purpose: fields.purpose('purpose', request.purpose, { required: true }),
    ...(context === undefined ? {} : { context }),
    supportedObligations: request.supportedObligations.map((type, index) =>
      fields.text(`supported_obligations[${index}]`, type, { max: maxTypeLength }),
    ),
  }
}

const readPerson = (fields: Fields, request: Pick<WhoCanRequest | WhatCanRequest | ExplainRequest, 'clinic' | 'onBehalfOf'>) => {
  const clinic = fields.clinic('clinic', request.clinic)
  const onBehalfOf = fields.person('on_behalf_of', request.onBehalfOf)
  return { clinic, ...(onBehalfOf === undefined ? {} : { onBehalfOf }) }
}

const readMoment = (fields: Fields, request: WhoCanRequest | WhatCanRequest) => {
  const asOf = fields.moment('as_of', request.asOf)
  return asOf === undefined ? {} : { asOf }
}

const lists: Readonly<Partial<Record<WhatCanList, WhatCanQuestion['list']>>> = {
  [WhatCanList.UNSPECIFIED]: 'actions',
  [WhatCanList.ACTIONS]: 'actions',
  [WhatCanList.RESOURCES]: 'resources',
}

const whatCanQuestion = (request: WhatCanRequest, randomness: Randomness): WhatCanQuestion => {
  const fields = createFields(randomness)
  const list = lists[request.list]
  if (list === undefined) fields.fault('list', 'is not a known list')
  const ofResources = list === 'resources'
  const subject = fields.subject('subject', request.subject)
  const stated = fields.json('subject.properties', request.subject?.properties, maxContextBytes)
  const { resource } = request
  if (ofResources && resource?.id !== undefined && resource.id !== '')
    fields.fault('resource.id', 'must be empty: records are what is listed')
  if (ofResources && resource?.patientId !== undefined && resource.patientId !== '') {
    fields.fault('resource.patient_id', 'must be empty: records of every patient are listed')
  }
  const question: WhatCanQuestion = {
    ...readPerson(fields, request),
    query: 'what_can',
    list: list ?? 'actions',
    question: {
      subject: { ...subject, ...(stated === undefined ? {} : { properties: stated }) },
      action: readAction(fields, request.action, ofResources),
      resource: readResource(fields, resource, { type: ofResources, id: false }),
      ...readRest(fields, request),
    },
    subject,
    ...(resource === undefined ? {} : { patientId: patientIdOf(resource) }),
    pageSize: pageSize(fields, request.pageSize),
    pageToken: request.pageToken,
    ...readMoment(fields, request),
    filter: filterOf(WhatCanRequestSchema, request),
  }
  fields.check()
  return question
}

/** Handlers of Explain, WhoCan and WhatCan. */
export const explainHandlers = ({ explain, whoCan, whatCan, randomness }: ExplainDoorOptions) => ({
  explain: async (request: ExplainRequest, context: CallContext): Promise<MessageInitShape<typeof ExplainResponseSchema>> => {
    const fields = createFields(randomness)
    const common = readPerson(fields, request)
    const { check } = request
    if (check === undefined) fields.fault('check', 'is required')
    else if (check.clinic !== '' && check.clinic !== request.clinic) fields.fault('check.clinic', 'must be empty or that of the call')
    const asOf = fields.moment('as_of', request.asOf)
    fields.check()
    if (check === undefined) return {}
    const { requestId: _, clinic: __, reason: ___, intent: ____, ...question } = questionOf(check, request.clinic, randomness, 'check.')
    const { decision, rules, needed, until, entry, revision } = await explain(context, {
      ...common,
      question,
      asOf,
      filter: explainFilter(request),
    })
    const { until: _permitUntil, ...answer } = decided(decision)
    return {
      decision: decision.decision === 'permit' ? Decision.PERMIT : Decision.DENY,
      ...answer,
      rules: rules.map(({ step, rule, outcome, reasonCode, detail }) => ({ step, rule, outcome: outcomes[outcome], reasonCode, detail })),
      needed: [...needed],
      entry: entryRefOf(entry),
      completeToRevision: revision,
      ...(until === undefined ? {} : { until: timestampOf(until) }),
    }
  },

  whoCan: async (request: WhoCanRequest, context: CallContext): Promise<MessageInitShape<typeof WhoCanResponseSchema>> => {
    const fields = createFields(randomness)
    const common = readPerson(fields, request)
    const question = {
      action: readAction(fields, request.action, true),
      resource: readResource(fields, request.resource, { type: true, id: true }),
      ...readRest(fields, request),
    }
    const subjectType = fields.text('subject_type', request.subjectType, { min: 0, max: maxTypeLength })
    const size = pageSize(fields, request.pageSize)
    const moment = readMoment(fields, request)
    fields.check()
    const { able, nextPageToken, entry, revision, notes } = await whoCan(context, {
      ...common,
      query: 'who_can',
      question,
      subjectType,
      patientId: patientIdOf(question.resource),
      pageSize: size,
      pageToken: request.pageToken,
      ...moment,
      filter: filterOf(WhoCanRequestSchema, request),
    })
    return {
      subjects: able.map(({ subject, decision }) => ({ subject, ...decided(decision) })),
      nextPageToken,
      entry: entryRefOf(entry),
      completeToRevision: revision,
      notes: [...notes],
    }
  },

  whatCan: async (request: WhatCanRequest, context: CallContext): Promise<MessageInitShape<typeof WhatCanResponseSchema>> => {
    const { able, nextPageToken, entry, revision, notes } = await whatCan(context, whatCanQuestion(request, randomness))
    return {
      allowed: able.map(
        ({ action, resource, decision }): MessageInitShape<typeof AllowedActionSchema> => ({ action, resource, ...decided(decision) }),
      ),
      nextPageToken,
      entry: entryRefOf(entry),
      completeToRevision: revision,
      notes: [...notes],
    }
  },
})
