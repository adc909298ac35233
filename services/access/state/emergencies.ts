import type { Pseudonym } from '../../audit/vault.ts'
import type { SubjectReference } from '../events.ts'

/** One emergency access that still owes a review. Milliseconds since the epoch. */
export interface EmergencyState {
  /** Id of the entry that opened it. */
  readonly id: string
  readonly subject: SubjectReference
  readonly patient: Pseudonym
  readonly purpose: 'BTG' | 'ETREAT'
  readonly from: number
  /** Exclusive: when it ends by itself, or when it was closed or the person offboarded. */
  readonly until: number
  /** An entry says that it is over. */
  readonly closed: boolean
  readonly reviewDue: number
}

/** In the order in which they were opened. Reviewed ones are gone; those of people who left stay owed. */
export interface Emergencies {
  readonly byId: Map<string, EmergencyState>
  /** Those no entry has closed: subject → emergencies. */
  readonly openBySubject: Map<Pseudonym, readonly EmergencyState[]>
  /** Those reviewed after they had ended by themselves and before an entry said so, by id: that entry is still to come. */
  readonly reviewed: Map<string, EmergencyState>
}

export const noEmergencies = (): Emergencies => ({ byId: new Map(), openBySubject: new Map(), reviewed: new Map() })

export const openEmergency = (emergencies: Emergencies, emergency: EmergencyState): void => {
  const { pseudonym } = emergency.subject
  emergencies.byId.set(emergency.id, emergency)
  emergencies.openBySubject.set(pseudonym, [...(emergencies.openBySubject.get(pseudonym) ?? []), emergency])
}

/** Ends it at a moment; never later than it would have ended by itself. The review stays owed. */
export const closeEmergency = (emergencies: Emergencies, id: string, time: number): void => {
  emergencies.reviewed.delete(id)
  const emergency = emergencies.byId.get(id)
  if (emergency === undefined) return
  emergencies.byId.set(id, { ...emergency, closed: true, until: Math.min(emergency.until, time) })
  const { pseudonym } = emergency.subject
  const kept = (emergencies.openBySubject.get(pseudonym) ?? []).filter((other) => other.id !== id)
  if (kept.length === 0) emergencies.openBySubject.delete(pseudonym)
  else emergencies.openBySubject.set(pseudonym, kept)
}

export const closeEmergenciesOf = (emergencies: Emergencies, subject: Pseudonym, time: number): void => {
  for (const { id } of emergencies.openBySubject.get(subject) ?? []) closeEmergency(emergencies, id, time)
  for (const { id, subject: of } of emergencies.reviewed.values()) if (of.pseudonym === subject) emergencies.reviewed.delete(id)
}

/** Nothing is owed any more, except the entry that says that it is over where there is none yet. */
export const reviewEmergency = (emergencies: Emergencies, id: string): void => {
  const emergency = emergencies.byId.get(id)
  if (emergency === undefined) return
  closeEmergency(emergencies, id, Number.POSITIVE_INFINITY)
  emergencies.byId.delete(id)
  if (!emergency.closed) emergencies.reviewed.set(id, emergency)
}
