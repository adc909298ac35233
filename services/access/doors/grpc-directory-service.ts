import type { JsonObject, MessageInitShape } from '@bufbuild/protobuf'
import {
  type GetResourceRequest,
  type GetResourceResponseSchema,
  type GetSubjectRequest,
  type GetSubjectResponseSchema,
  type PutResourceRequest,
  PutResourceRequestSchema,
  type PutResourceResponseSchema,
  type PutSubjectRequest,
  PutSubjectRequestSchema,
  type PutSubjectResponseSchema,
  type RemoveResourceRequest,
  RemoveResourceRequestSchema,
  type RemoveResourceResponseSchema,
  type RemoveSubjectRequest,
  RemoveSubjectRequestSchema,
  type RemoveSubjectResponseSchema,
} from '../../../proto/gen/chartwarden/access/v1/directory_pb.js'
import { entryRefOf } from '../../audit/entry-ref.ts'
import type { Identities } from '../../audit/identities.ts'
import type { Identity } from '../../audit/vault.ts'
import type { CallContext } from '../../kernel/caller.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Randomness } from '../../kernel/ids.ts'
import type { Administration } from '../administration.ts'
import { isConfidentiality } from '../policy/labels.ts'
import type { AuthoriseReading } from '../reading.ts'
import { shownPatient, shownSubject } from '../shown.ts'
import { patientResource, type ResourceState } from '../state/directory.ts'
import {
  type AdministrativeMethod,
  aboutSubject,
  administrativeCall,
  patientIdentity,
  referenceOf,
  subjectIdentity,
} from './administrative-call.ts'
import { createFields, type Fields, maxIdLength, maxTypeLength } from './fields.ts'

export interface DirectoryDoorOptions {
  readonly administration: Administration
  readonly authorise: AuthoriseReading
  readonly identities: Identities
  readonly randomness: Randomness
}

const subjectNeeds = { resourceType: 'staff_account', action: 'update' } as const
const resourceNeeds = { resourceType: 'directory', action: 'update' } as const

const putSubject: AdministrativeMethod<typeof PutSubjectRequestSchema> = {
  schema: PutSubjectRequestSchema,
  operation: 'put_subject',
  scope: 'directory.write',
  read: (request, fields) => {
    const subject = fields.subject('subject', request.subject)
    const properties = request.subject?.properties ?? {}
    return aboutSubject(subject, '', (reference) => ({ kind: 'put_subject', subject: reference, properties }))
  },
}

const removeSubject: AdministrativeMethod<typeof RemoveSubjectRequestSchema> = {
  schema: RemoveSubjectRequestSchema,
  operation: 'remove_subject',
  scope: 'directory.write',
  read: (request, fields) => {
    const subject = fields.subject('subject', request.subject)
    return aboutSubject(subject, '', (reference) => ({ kind: 'remove_subject', subject: reference }))
  },
}

/** Who a resource is, for the directory: a patient by the pseudonym that every record of the patient carries, anything else by its own. */
const recordIdentity = (type: string, id: string): Identity =>
  type === patientResource ? patientIdentity(id) : { kind: 'record', type, id }

const readResource = (fields: Fields, field: string, type: string, id: string) => ({
  type: fields.text(`${field}type`, type, { max: maxTypeLength }),
  id: fields.text(`${field}id`, id, { max: maxIdLength }),
})

const putResource: AdministrativeMethod<typeof PutResourceRequestSchema> = {
  schema: PutResourceRequestSchema,
  operation: 'put_resource',
  scope: 'directory.write',
  read: (request, fields) => {
    const { resource, confidentiality = '', sensitivities = [] } = request.description ?? {}
    if (resource === undefined) fields.fault('description.resource', 'is required')
    const { type, id } = readResource(fields, 'description.resource.', resource?.type ?? '', resource?.id ?? '')
    const named = fields.text('description.resource.patient_id', resource?.patientId ?? '', { min: 0, max: maxIdLength })
    if (type === patientResource && named !== '' && named !== id) {
      fields.fault('description.resource.patient_id', 'must be empty or the id: a resource of type "patient" is that patient')
    }
    if (confidentiality !== '' && !isConfidentiality(confidentiality)) {
      fields.fault('description.confidentiality', 'must be one of U, L, M, N, R and V')
    }
    const level = isConfidentiality(confidentiality) ? confidentiality : 'N'
    const patientId = type === patientResource ? id : named
    return (vault) => {
      const patient = patientId === '' ? undefined : vault.pseudonym(patientIdentity(patientId))
      return {
        command: {
          kind: 'put_resource',
          resourceType: type,
          record: vault.pseudonym(recordIdentity(type, id)),
          ...(patient === undefined ? {} : { patient }),
          confidentiality: level,
          sensitivities,
          properties: resource?.properties ?? {},
        },
        identities: patientId === '' ? [] : [patientIdentity(patientId)],
        sealed: { ...(patient === undefined ? {} : { under: patient }), value: { resource_id: id } },
      }
    }
  },
}

const removeResource: AdministrativeMethod<typeof RemoveResourceRequestSchema> = {
  schema: RemoveResourceRequestSchema,
  operation: 'remove_resource',
  scope: 'directory.write',
  read: (request, fields) => {
    const { type, id } = readResource(fields, 'resource_', request.resourceType, request.resourceId)
    const reason = fields.reason('reason', request.reason)
    return (vault) => ({
      command: { kind: 'remove_resource', resourceType: type, record: vault.pseudonym(recordIdentity(type, id)) },
      identities: [],
      ...(reason === '' ? {} : { sealed: { under: 'ofEvent', value: { reason } } }),
    })
  },
}

/** Handlers of chartwarden.access.v1.DirectoryService. */
export const directoryServiceHandlers = ({ administration, authorise, identities, randomness }: DirectoryDoorOptions) => {
  return {
    putSubject: async (request: PutSubjectRequest, context: CallContext): Promise<MessageInitShape<typeof PutSubjectResponseSchema>> => {
      const { entry, replayed } = await administrativeCall(administration, randomness, putSubject, request, context)
      return { entry: entryRefOf(entry), replayed }
    },
    removeSubject: async (
      request: RemoveSubjectRequest,
      context: CallContext,
    ): Promise<MessageInitShape<typeof RemoveSubjectResponseSchema>> => {
      const { entry, replayed } = await administrativeCall(administration, randomness, removeSubject, request, context)
      return { entry: entryRefOf(entry), replayed }
    },
    putResource: async (request: PutResourceRequest, context: CallContext): Promise<MessageInitShape<typeof PutResourceResponseSchema>> => {
      const { entry, replayed, notes } = await administrativeCall(administration, randomness, putResource, request, context)
      return { entry: entryRefOf(entry), replayed, notes: [...notes] }
    },
    removeResource: async (
      request: RemoveResourceRequest,
      context: CallContext,
    ): Promise<MessageInitShape<typeof RemoveResourceResponseSchema>> => {
      const { entry, replayed } = await administrativeCall(administration, randomness, removeResource, request, context)
      return { entry: entryRefOf(entry), replayed }
    },

    getSubject: async (request: GetSubjectRequest, context: CallContext): Promise<MessageInitShape<typeof GetSubjectResponseSchema>> => {
      const fields = createFields(randomness)
      const clinic = fields.clinic('clinic', request.clinic)
      const onBehalfOf = fields.person('on_behalf_of', request.onBehalfOf)
      const subject = fields.subject('subject', request.subject)
      fields.check()
      const { writer } = await authorise(context, {
        clinic,
        ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
        query: 'get_subject',
        scope: 'directory.read',
        needs: subjectNeeds,
        record: 'decision',
        streamed: false,
        filter: {},
      })
      const { vault, state } = writer
      const completeToRevision = state.revision
      const reference = referenceOf(vault, subject)
      const properties = state.directory.subjects.get(reference.pseudonym)
      if (properties === undefined) throw new ChartwardenError('SUBJECT_UNDESCRIBED')
      const shown = shownSubject(reference, await identities.resolve(clinic, vault, [vault.pseudonym(subjectIdentity(subject))]))
      return { subject: { ...shown, properties: properties as JsonObject }, completeToRevision }
    },

    getResource: async (request: GetResourceRequest, context: CallContext): Promise<MessageInitShape<typeof GetResourceResponseSchema>> => {
      const fields = createFields(randomness)
      const clinic = fields.clinic('clinic', request.clinic)
      const onBehalfOf = fields.person('on_behalf_of', request.onBehalfOf)
      const { type, id } = readResource(fields, 'resource_', request.resourceType, request.resourceId)
      fields.check()
      // Labels tell of somebody's health: who looked stands in the patient's history, and what is shown is what stood there then.
      let seen: { readonly described: ResourceState | undefined; readonly revision: bigint } | undefined
      const { writer } = await authorise(context, {
        clinic,
        ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
        query: 'get_resource',
        scope: 'directory.read',
        needs: resourceNeeds,
        record: 'viewing',
        streamed: false,
        patientIn: ({ vault, state }) => {
          const record = vault.pseudonym(recordIdentity(type, id))
          const described = state.directory.resources.get(record)
          seen = { described, revision: state.revision }
          return type === patientResource ? record : described?.patient
        },
        filter: { resource_type: type, resource_id: id },
      })
      const { vault } = writer
      if (seen === undefined)
        throw new ChartwardenError('INTERNAL', { cause: new Error('a viewing was recorded without a look at the state') })
      const { described, revision: completeToRevision } = seen
      if (described === undefined) throw new ChartwardenError('RESOURCE_UNDESCRIBED')
      const { patient, confidentiality, sensitivities, properties } = described
      const patientId = patient === undefined ? '' : shownPatient(patient, await identities.resolve(clinic, vault, [patient]))
      return {
        description: {
          // The identifier of a record is the asker's own word; only of a patient is it one that can be erased.
          resource: { type, id: type === patientResource ? patientId : id, patientId, properties: properties as JsonObject },
          confidentiality,
          sensitivities: [...sensitivities],
        },
        completeToRevision,
      }
    },
  }
}
