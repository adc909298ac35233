import type { Pseudonym } from '../../audit/vault.ts'
import type { Period } from './period.ts'

/** A subject's place on a patient's care team. */
export interface MembershipState extends Period {
  readonly patient: Pseudonym
  readonly subject: Pseudonym
}

/** Subject → patient → membership: a check asks for one pair, an offboarding for all of one subject. */
export type CareTeams = Map<Pseudonym, Map<Pseudonym, MembershipState>>

/** Joining again replaces the period. */
export const join = (careTeams: CareTeams, membership: MembershipState): void => {
  const ofSubject = careTeams.get(membership.subject)
  if (ofSubject === undefined) careTeams.set(membership.subject, new Map([[membership.patient, membership]]))
  else ofSubject.set(membership.patient, membership)
}

export const leave = (careTeams: CareTeams, subject: Pseudonym, patient: Pseudonym): void => {
  const ofSubject = careTeams.get(subject)
  if (ofSubject === undefined) return
  ofSubject.delete(patient)
  if (ofSubject.size === 0) careTeams.delete(subject)
}
