import { create, type MessageShape } from '@bufbuild/protobuf'
import type { Timestamp } from '@bufbuild/protobuf/wkt'
import {
  type RecordConcernRequest,
  RecordConcernRequestSchema,
  RecordConcernResponseSchema,
  type RecordDisclosureRequest,
  RecordDisclosureRequestSchema,
  RecordDisclosureResponseSchema,
} from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { ConcernKind, ConcernOutcome, DisclosureCategory } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import { entryRefOf } from '../../audit/entry-ref.ts'
import type { CallContext } from '../../kernel/caller.ts'
import { isUuid, type Randomness } from '../../kernel/ids.ts'
import type { DisclosureCategory as Category, ConcernRecorded } from '../events.ts'
import type { Concern, RecordConcern } from '../record-concern.ts'
import type { Disclosure, RecordDisclosure } from '../record-disclosure.ts'
import { createFields, type Fields, maxIdLength } from './fields.ts'
import { requestForm } from './form.ts'

export interface RecordingDoorOptions {
  readonly recordDisclosure: RecordDisclosure
  readonly recordConcern: RecordConcern
  readonly randomness: Randomness
}

const categories: Readonly<Record<number, Category>> = {
  [DisclosureCategory.ACCOUNTABLE]: 'accountable',
  [DisclosureCategory.TREATMENT_PAYMENT_OPERATIONS]: 'treatment_payment_operations',
  [DisclosureCategory.TO_INDIVIDUAL]: 'to_individual',
  [DisclosureCategory.INCIDENTAL]: 'incidental',
  [DisclosureCategory.AUTHORIZED]: 'authorized',
  [DisclosureCategory.DIRECTORY]: 'directory',
  [DisclosureCategory.NATIONAL_SECURITY]: 'national_security',
  [DisclosureCategory.CUSTODIAL]: 'custodial',
  [DisclosureCategory.LIMITED_DATA_SET]: 'limited_data_set',
}

const kinds: Readonly<Record<number, ConcernRecorded['kind']>> = {
  [ConcernKind.DISPUTE]: 'dispute',
  [ConcernKind.CORRECTION]: 'correction',
  [ConcernKind.COMPLAINT]: 'complaint',
  [ConcernKind.ANSWER]: 'answer',
}

const outcomes: Readonly<Record<number, NonNullable<ConcernRecorded['outcome']>>> = {
  [ConcernOutcome.ACCEPTED]: 'accepted',
  [ConcernOutcome.PARTLY_ACCEPTED]: 'partly_accepted',
  [ConcernOutcome.DENIED]: 'denied',
  [ConcernOutcome.WITHDRAWN]: 'withdrawn',
  [ConcernOutcome.PENDING]: 'pending',
}

const maxRecipientLength = 200
const maxTextLength = 500
/** Further ahead than any record can mean, and near enough for a date reckoned from it to be one. */
const latest = Date.UTC(2200, 0, 1)

/** Text that says something: white space alone does not. */
const words = (fields: Fields, field: string, value: string, max: number): string => {
  if (value !== '' && value.trim() === '') fields.fault(field, 'is required')
  return fields.text(field, value, { max })
}

const moment = (fields: Fields, field: string, value: Timestamp | undefined): number | undefined => {
  const millis = fields.moment(field, value)
  if (millis !== undefined && millis >= latest) fields.fault(field, 'lies after the year 2199')
  return millis
}

const entryIdOf = (fields: Fields, field: string, value: string): string => {
  const id = value.toLowerCase()
  if (id !== '' && !isUuid(id)) fields.fault(field, 'must be a UUID')
  return id
}

const codeOf = <Code extends string>(fields: Fields, field: string, codes: Readonly<Record<number, Code>>, value: number): Code => {
  const code = codes[value]
  if (code === undefined) fields.fault(field, value === 0 ? 'is required' : 'is not one of the values of the contract')
  return code ?? (Object.values(codes)[0] as Code)
}

const disclosureOf = (request: RecordDisclosureRequest, randomness: Randomness): Disclosure => {
  const fields = createFields(randomness)
  const disclosedAt = moment(fields, 'disclosed_at', request.disclosedAt)
  const suspendedUntil = moment(fields, 'suspended_until', request.suspendedUntil)
  if (disclosedAt !== undefined && suspendedUntil !== undefined && suspendedUntil <= disclosedAt) {
    fields.fault('suspended_until', 'must lie after disclosed_at')
  }
  const disclosure: Disclosure = {
    requestId: fields.requestId('request_id', request.requestId),
    clinic: fields.clinic('clinic', request.clinic),
    recordedBy: fields.subject('recorded_by', request.recordedBy),
    patientId: fields.text('patient_id', request.patientId, { max: maxIdLength }),
    ...(disclosedAt === undefined ? {} : { disclosedAt }),
    recipientName: words(fields, 'recipient_name', request.recipientName, maxRecipientLength),
    recipientAddress: fields.text('recipient_address', request.recipientAddress, { min: 0, max: maxTextLength }),
    description: words(fields, 'description', request.description, maxTextLength),
    purpose: words(fields, 'purpose', request.purpose, maxTextLength),
    category: codeOf(fields, 'category', categories, request.category),
    ...(suspendedUntil === undefined ? {} : { suspendedUntil }),
    source: fields.text('source', request.source, { min: 0, max: maxIdLength }),
    form: {},
  }
  fields.check()
  return { ...disclosure, form: requestForm(RecordDisclosureRequestSchema, request) }
}

/** An answer names its concern and its outcome; nothing else does. */
const answersOf = (fields: Fields, request: RecordConcernRequest): Concern['answers'] => {
  const concernId = entryIdOf(fields, 'concern_id', request.concernId)
  if (request.kind === ConcernKind.ANSWER) {
    if (concernId === '') fields.fault('concern_id', 'is required with kind ANSWER')
    return { concernId, outcome: codeOf(fields, 'outcome', outcomes, request.outcome) }
  }
  if (concernId !== '') fields.fault('concern_id', 'is for kind ANSWER only')
  if (request.outcome !== ConcernOutcome.UNSPECIFIED) fields.fault('outcome', 'is for kind ANSWER only')
  return undefined
}

const concernOf = (request: RecordConcernRequest, randomness: Randomness): Concern => {
  const fields = createFields(randomness)
  const raisedAt = moment(fields, 'raised_at', request.raisedAt)
  const answers = answersOf(fields, request)
  const concern: Concern = {
    requestId: fields.requestId('request_id', request.requestId),
    clinic: fields.clinic('clinic', request.clinic),
    recordedBy: fields.subject('recorded_by', request.recordedBy),
    patientId: fields.text('patient_id', request.patientId, { max: maxIdLength }),
    kind: codeOf(fields, 'kind', kinds, request.kind),
    aboutEntryId: entryIdOf(fields, 'about_entry_id', request.aboutEntryId),
    ...(answers === undefined ? {} : { answers }),
    text: words(fields, 'text', request.text, maxTextLength),
    ...(raisedAt === undefined ? {} : { raisedAt }),
    form: {},
  }
  fields.check()
  return { ...concern, form: requestForm(RecordConcernRequestSchema, request) }
}

/** Handlers of chartwarden.audit.v1.AuditService for what the clinic itself has to record of disclosures and concerns. */
export const recordingHandlers = ({ recordDisclosure, recordConcern, randomness }: RecordingDoorOptions) => ({
  recordDisclosure: async (
    request: RecordDisclosureRequest,
    context: CallContext,
  ): Promise<MessageShape<typeof RecordDisclosureResponseSchema>> => {
    const { entry, replayed } = await recordDisclosure(context, disclosureOf(request, randomness))
    return create(RecordDisclosureResponseSchema, { entry: entryRefOf(entry), replayed })
  },

  recordConcern: async (request: RecordConcernRequest, context: CallContext): Promise<MessageShape<typeof RecordConcernResponseSchema>> => {
    const { entry, replayed } = await recordConcern(context, concernOf(request, randomness))
    return create(RecordConcernResponseSchema, { entry: entryRefOf(entry), replayed })
  },
})
