import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  type EndShareRequest,
  EndShareRequestSchema,
  type EndShareResponseSchema,
  type PutCareTeamRequest,
  PutCareTeamRequestSchema,
  type PutCareTeamResponseSchema,
  type RemoveCareTeamRequest,
  RemoveCareTeamRequestSchema,
  type RemoveCareTeamResponseSchema,
  type ShareRecordRequest,
  ShareRecordRequestSchema,
  type ShareRecordResponseSchema,
} from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { entryRefOf } from '../../audit/entry-ref.ts'
import type { CallContext } from '../../kernel/caller.ts'
import { isUuid, type Randomness } from '../../kernel/ids.ts'
import type { Administration } from '../administration.ts'
import {
  type AdministrativeMethod,
  aboutNobody,
  administrativeCall,
  patientIdentity,
  referenceOf,
  subjectIdentity,
} from './administrative-call.ts'
import { obligationMessages } from './answers.ts'
import { type Fields, maxIdLength, maxTypeLength } from './fields.ts'

export interface RelationshipDoorOptions {
  readonly administration: Administration
  readonly randomness: Randomness
}

const maxSharedItems = 512

const texts = (fields: Fields, field: string, values: readonly string[], max: number, required: boolean): readonly string[] => {
  if (required && values.length === 0) fields.fault(field, 'is required')
  if (values.length > maxSharedItems) fields.fault(field, `has more than ${maxSharedItems} items`)
  return values.slice(0, maxSharedItems).map((value, index) => fields.text(`${field}[${index}]`, value, { max }))
}

const putCareTeam: AdministrativeMethod<typeof PutCareTeamRequestSchema> = {
  schema: PutCareTeamRequestSchema,
  operation: 'put_care_team',
  scope: 'relationship.write',
  read: (request, fields) => {
    const patient = patientIdentity(fields.text('patient_id', request.patientId, { max: maxIdLength }))
    const subject = fields.subject('subject', request.subject)
    const from = fields.moment('from', request.from)
    const until = fields.moment('until', request.until)
    return (vault) => ({
      command: {
        kind: 'put_care_team',
        patient: vault.pseudonym(patient),
        subject: referenceOf(vault, subject),
        ...(from === undefined ? {} : { from }),
        ...(until === undefined ? {} : { until }),
      },
      identities: [patient, subjectIdentity(subject)],
    })
  },
}

const removeCareTeam: AdministrativeMethod<typeof RemoveCareTeamRequestSchema> = {
  schema: RemoveCareTeamRequestSchema,
  operation: 'remove_care_team',
  scope: 'relationship.write',
  read: (request, fields) => {
    const patient = patientIdentity(fields.text('patient_id', request.patientId, { max: maxIdLength }))
    const subject = fields.subject('subject', request.subject)
    return (vault) => ({
      command: { kind: 'remove_care_team', patient: vault.pseudonym(patient), subject: referenceOf(vault, subject) },
      identities: [patient, subjectIdentity(subject)],
    })
  },
}

const shareRecord: AdministrativeMethod<typeof ShareRecordRequestSchema> = {
  schema: ShareRecordRequestSchema,
  operation: 'share_record',
  scope: 'relationship.write',
  read: (request, fields) => {
    const recipient = fields.subject('recipient', request.recipient)
    const patient = patientIdentity(fields.text('patient_id', request.patientId, { max: maxIdLength }))
    const resourceTypes = texts(fields, 'resource_types', request.resourceTypes, maxTypeLength, true)
    const resourceIds = texts(fields, 'resource_ids', request.resourceIds, maxIdLength, false)
    const actions = texts(fields, 'actions', request.actions, maxTypeLength, true)
    const purpose = fields.purpose('purpose', request.purpose, { required: true })
    const until = fields.moment('until', request.until)
    const supportedObligations = new Set(texts(fields, 'supported_obligations', request.supportedObligations, maxTypeLength, false))
    // An entry has room for about a thousand pseudonyms of records.
    if (resourceTypes.length * resourceIds.length > maxSharedItems) {
      fields.fault('resource_ids', `times resource_types are more than ${maxSharedItems}; share them in several calls`)
    }
    return (vault) => ({
      command: {
        kind: 'share_record',
        recipient: referenceOf(vault, recipient),
        patient: vault.pseudonym(patient),
        resourceTypes,
        ...(resourceIds.length === 0
          ? {}
          : {
              records: resourceTypes.flatMap((resourceType) =>
                resourceIds.map((id) => ({ resourceType, pseudonym: vault.pseudonym({ kind: 'record', type: resourceType, id }) })),
              ),
            }),
        actions,
        purpose,
        until,
        supportedObligations,
      },
      identities: [patient, subjectIdentity(recipient)],
      ...(resourceIds.length === 0 ? {} : { sealed: { under: vault.pseudonym(patient), value: { resource_ids: resourceIds } } }),
    })
  },
}

const endShare: AdministrativeMethod<typeof EndShareRequestSchema> = {
  schema: EndShareRequestSchema,
  operation: 'end_share',
  scope: 'relationship.write',
  read: (request, fields) => {
    const shareId = request.shareId.toLowerCase()
    if (!isUuid(shareId)) fields.fault('share_id', 'must be a UUID')
    return aboutNobody({ kind: 'end_share', shareId }, fields.reason('reason', request.reason))
  },
}

/** Handlers of chartwarden.access.v1.RelationshipService. */
export const relationshipServiceHandlers = ({ administration, randomness }: RelationshipDoorOptions) => ({
  putCareTeam: async (request: PutCareTeamRequest, context: CallContext): Promise<MessageInitShape<typeof PutCareTeamResponseSchema>> => {
    const { entry, replayed } = await administrativeCall(administration, randomness, putCareTeam, request, context)
    return { entry: entryRefOf(entry), replayed }
  },
  removeCareTeam: async (
    request: RemoveCareTeamRequest,
    context: CallContext,
  ): Promise<MessageInitShape<typeof RemoveCareTeamResponseSchema>> => {
    const { entry, replayed } = await administrativeCall(administration, randomness, removeCareTeam, request, context)
    return { entry: entryRefOf(entry), replayed }
  },
  shareRecord: async (request: ShareRecordRequest, context: CallContext): Promise<MessageInitShape<typeof ShareRecordResponseSchema>> => {
    const { entry, replayed, obligations } = await administrativeCall(administration, randomness, shareRecord, request, context)
    return { entry: entryRefOf(entry), shareId: entry.id, replayed, obligations: obligationMessages(obligations) }
  },
  endShare: async (request: EndShareRequest, context: CallContext): Promise<MessageInitShape<typeof EndShareResponseSchema>> => {
    const { entry, replayed } = await administrativeCall(administration, randomness, endShare, request, context)
    return { entry: entryRefOf(entry), replayed }
  },
})
