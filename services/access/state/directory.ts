import type { Pseudonym } from '../../audit/vault.ts'
import type { Confidentiality, Properties } from '../events.ts'
import { PseudonymMap } from './pseudonym-lookup.ts'

/** The resource type whose resources are patients: their labels hold for every record of that patient. */
export const patientResource = 'patient'

/** What the directory says of one resource. */
export interface ResourceState {
  readonly resourceType: string
  /** Of kind `record`; of a patient that of the patient. */
  readonly record: Pseudonym
  readonly patient: Pseudonym | undefined
  readonly confidentiality: Confidentiality
  readonly sensitivities: readonly string[]
  readonly properties: Properties
  /** The entry that described it, for its sealed identifier. */
  readonly entryId: string
}

/** Descriptions of subjects and of resources, patients among the latter. */
export interface Directory {
  readonly subjects: Map<Pseudonym, Properties>
  readonly resources: PseudonymMap<ResourceState>
}

export const noDirectory = (): Directory => ({ subjects: new Map(), resources: new PseudonymMap() })
