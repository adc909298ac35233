/** What the clinic's software tells about subjects and resources. Whoever it describes need not be enrolled, but must not be a former one. */
import { canonicalJson, type JsonValue } from '../../kernel/canonical-json.ts'
import type { FieldViolation } from '../../kernel/errors.ts'
import type { Actor, ResourceDescribed, ResourceRemoved, SubjectDescribed, SubjectRemoved } from '../events.ts'
import { isConfidentiality, isLabelCode, maxLabels } from '../policy/labels.ts'
import { isResourceType } from '../policy/names.ts'
import { labelNames, propertyViolations } from '../policy/properties.ts'
import type { ClinicState } from '../state.ts'
import {
  type CommandError,
  commandError,
  type PlannedEvent,
  type PutResource,
  type PutSubject,
  type RemoveResource,
  type RemoveSubject,
} from './commands.ts'

export const subjectViolations = ({ properties }: PutSubject): readonly FieldViolation[] =>
  propertyViolations('subject.properties', properties)

export const resourceViolations = (command: PutResource): readonly FieldViolation[] => {
  const { resourceType, confidentiality, sensitivities, properties } = command
  return [
    ...(isResourceType(resourceType)
      ? []
      : [{ field: 'description.resource.type', description: 'must be 1 to 64 letters, digits and _ . : / -' }]),
    ...(isConfidentiality(confidentiality)
      ? []
      : [{ field: 'description.confidentiality', description: 'must be one of U, L, M, N, R and V' }]),
    ...(sensitivities.length > maxLabels ? [{ field: 'description.sensitivities', description: `has more than ${maxLabels} items` }] : []),
    ...(sensitivities.every(isLabelCode)
      ? []
      : [{ field: 'description.sensitivities', description: 'each must be a code of 1 to 64 letters, digits and _ . : / -' }]),
    ...(new Set(sensitivities).size < sensitivities.length
      ? [{ field: 'description.sensitivities', description: 'names the same twice' }]
      : []),
    ...propertyViolations('description.resource.properties', properties, labelNames),
  ]
}

export const putSubject = (state: ClinicState, { subject, properties }: PutSubject, actor: Actor): PlannedEvent | CommandError =>
  state.subjects.get(subject.pseudonym)?.status === 'offboarded'
    ? commandError('SUBJECT_FORMER')
    : { type: 'chartwarden.subject.described.v1', data: { actor, subject, properties } }

export const removeSubject = (state: ClinicState, { subject }: RemoveSubject, actor: Actor): PlannedEvent | CommandError =>
  state.directory.subjects.has(subject.pseudonym)
    ? { type: 'chartwarden.subject.removed.v1', data: { actor, subject } }
    : commandError('SUBJECT_UNDESCRIBED')

export const putResource = (command: PutResource, actor: Actor): PlannedEvent => {
  const { resourceType, record, patient, confidentiality, sensitivities, properties } = command
  return {
    type: 'chartwarden.resource.described.v1',
    data: {
      actor,
      resource_type: resourceType,
      record,
      ...(patient === undefined ? {} : { patient }),
      confidentiality,
      sensitivities,
      properties,
    },
  }
}

export const removeResource = (state: ClinicState, { resourceType, record }: RemoveResource, actor: Actor): PlannedEvent | CommandError => {
  const described = state.directory.resources.get(record)
  if (described === undefined) return commandError('RESOURCE_UNDESCRIBED')
  const { patient } = described
  return {
    type: 'chartwarden.resource.removed.v1',
    data: { actor, resource_type: resourceType, record, ...(patient === undefined ? {} : { patient }) },
  }
}

const same = (left: unknown, right: unknown): boolean => canonicalJson(left as JsonValue) === canonicalJson(right as JsonValue)

/** Whether what such an entry brought about still holds. */
export const directoryTests = {
  'chartwarden.subject.described.v1': ({ directory }: ClinicState, { data }: { readonly data: SubjectDescribed }): boolean =>
    same(directory.subjects.get(data.subject.pseudonym) ?? null, data.properties),
  'chartwarden.subject.removed.v1': ({ directory }: ClinicState, { data }: { readonly data: SubjectRemoved }): boolean =>
    !directory.subjects.has(data.subject.pseudonym),
  'chartwarden.resource.described.v1': ({ directory }: ClinicState, { data }: { readonly data: ResourceDescribed }): boolean => {
    const found = directory.resources.get(data.record)
    if (found === undefined) return false
    const { patient, confidentiality, sensitivities, properties } = found
    return same(
      { patient, confidentiality, sensitivities, properties },
      {
        patient: data.patient,
        confidentiality: data.confidentiality,
        sensitivities: data.sensitivities,
        properties: data.properties,
      },
    )
  },
  'chartwarden.resource.removed.v1': ({ directory }: ClinicState, { data }: { readonly data: ResourceRemoved }): boolean =>
    !directory.resources.has(data.record),
}
