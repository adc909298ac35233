import type { Pseudonym } from '../audit/vault.ts'
import type { ClinicWriter } from './clinic-writer.ts'
import { knownPatient } from './decide/labels-of.ts'
import { patientResource } from './state/directory.ts'

interface NamedResource {
  readonly type: string
  /** Empty: none in particular. */
  readonly id: string
}

/**
 * The identifier of the patient whom a request names; empty for none. A resource of type `patient` is the patient of that id, so that every
 * entry about it stands in that patient's history.
 */
export const patientIdOf = ({ type, id, patientId }: NamedResource & { readonly patientId: string }): string =>
  patientId === '' && type === patientResource ? id : patientId

/** The patient of a record that names none itself, as the directory knows it; undefined for none. */
export const describedPatient =
  ({ type, id }: NamedResource) =>
  ({ vault, state }: Pick<ClinicWriter, 'vault' | 'state'>): Pseudonym | undefined =>
    id === '' ? undefined : knownPatient(state.directory.resources.get(vault.pseudonym({ kind: 'record', type, id })))
