import type { Pseudonym } from '../../audit/vault.ts'
import type { Confidentiality } from '../events.ts'
import { isConfidentiality, moreConfidential } from '../policy/labels.ts'
import { patientResource, type ResourceState } from '../state/directory.ts'
import type { SubjectState } from '../state/subjects.ts'
import type { ClinicState } from '../state.ts'
import type { AccessRequest } from './request.ts'

/** What a record is labelled, from wherever the label comes. */
export interface Labels {
  readonly confidentiality: Confidentiality
  readonly sensitivities: readonly string[]
}

export const unlabelled: Labels = { confidentiality: 'N', sensitivities: [] }

const unstated: Partial<Labels> = {}

const stated = ({ stated }: AccessRequest): Partial<Labels> => {
  const properties = stated?.resource
  if (properties === undefined || (properties['confidentiality'] === undefined && properties['sensitivities'] === undefined))
    return unstated
  const { confidentiality, sensitivities } = properties
  return {
    ...(typeof confidentiality === 'string' && isConfidentiality(confidentiality) ? { confidentiality } : {}),
    ...(Array.isArray(sensitivities) ? { sensitivities: sensitivities.filter((code): code is string => typeof code === 'string') } : {}),
  }
}

/** The subject's own patient record: its protection from colleagues is not meant for its owner. */
export const isOwnRecord = (subject: SubjectState, request: AccessRequest): boolean =>
  request.patient !== undefined && request.patient === subject.ownPatient

/** What the directory says of the one record asked for. Its pseudonym may cost work, so it is not asked for where nothing is described. */
export const descriptionOf = ({ directory: { resources } }: ClinicState, request: AccessRequest): ResourceState | undefined =>
  resources.size === 0 || request.record === undefined ? undefined : resources.find(request.record)

/** The patient whose record a description is of. */
const patientOf = ({ resourceType, record, patient }: ResourceState): Pseudonym | undefined =>
  patient ?? (resourceType === patientResource ? record : undefined)

/** The patient whom the directory knows of the record asked for. */
export const knownPatient = (described: ResourceState | undefined): Pseudonym | undefined =>
  described === undefined ? undefined : patientOf(described)

/** The request as one about the patient whom the directory knows, where it names none: leaving a patient out must open nothing. */
export const withKnownPatient = (request: AccessRequest, described: ResourceState | undefined): AccessRequest => {
  if (described === undefined || request.patient !== undefined) return request
  const patient = patientOf(described)
  return patient === undefined ? request : { ...request, patient }
}

/**
 * Labels of the record, of its patient, of employment, and those the caller states. Stated ones only ever restrict further, unless the
 * caller may override what is stored.
 */
export const labelsOf = (
  state: ClinicState,
  subject: SubjectState,
  request: AccessRequest,
  ofRecord: ResourceState | undefined = descriptionOf(state, request),
): Labels => {
  const { resources } = state.directory
  const { patient } = request
  const ofPatient = patient === undefined ? undefined : resources.find(patient)
  const employee = patient !== undefined && patient !== subject.ownPatient && state.employeePatients.holds(patient)
  const said = stated(request)
  if (ofPatient === undefined && ofRecord === undefined && !employee && said === unstated) return unlabelled
  // The many records with one plain description need nothing joined.
  if (ofPatient === undefined && !employee && said === unstated && ofRecord !== undefined && ofRecord.sensitivities.length < 2)
    return ofRecord

  const override = request.stated?.override === true
  const stored = [ofRecord, ofPatient].filter((resource) => resource !== undefined)
  const levels = [
    ...(override && said.confidentiality !== undefined ? [] : stored.map(({ confidentiality }) => confidentiality)),
    ...(said.confidentiality === undefined ? [] : [said.confidentiality]),
  ]
  const sensitivities = new Set([
    ...(override && said.sensitivities !== undefined ? [] : stored.flatMap((resource) => resource.sensitivities)),
    ...(said.sensitivities ?? []),
    ...(employee ? ['EMP'] : []),
  ])
  return { confidentiality: levels.reduce(moreConfidential, levels[0] ?? 'N'), sensitivities: [...sensitivities].sort() }
}
