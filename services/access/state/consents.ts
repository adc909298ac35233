import type { Pseudonym } from '../../audit/vault.ts'
import type { SubjectReference } from '../events.ts'
import { coveredBy, purposes as everyPurpose } from '../policy/purposes.ts'
import type { Period } from './period.ts'
import { PseudonymMap } from './pseudonym-lookup.ts'

/** A directive of one patient. */
export interface ConsentState extends Period {
  /** Id of the entry that recorded it. */
  readonly id: string
  readonly patient: Pseudonym
  /** Undefined: anybody. */
  readonly recipient: SubjectReference | undefined
  /** Undefined: all. */
  readonly resourceTypes: ReadonlySet<string> | undefined
  /** As recorded; empty: any. */
  readonly purposes: readonly string[]
  /** With everything below them. */
  readonly coveredPurposes: ReadonlySet<string>
  readonly decision: 'permit' | 'deny'
}

/** Directives that no entry has ended; those whose `until` has passed are among them. */
export interface Consents {
  readonly byId: Map<string, ConsentState>
  readonly byPatient: Map<Pseudonym, readonly ConsentState[]>
}

export const noConsents = (): Consents => ({ byId: new Map(), byPatient: new PseudonymMap() })

const any: ReadonlySet<string> = new Set(everyPurpose)

/** A refusal for treatment is one for an emergency too: break the glass is below it wherever something is denied. */
export const consentPurposes = (decision: 'permit' | 'deny', purposes: readonly string[]): ReadonlySet<string> =>
  purposes.length === 0 ? any : coveredBy(purposes, { breakTheGlass: decision === 'deny' })

export const addConsent = (consents: Consents, consent: ConsentState): void => {
  consents.byId.set(consent.id, consent)
  consents.byPatient.set(consent.patient, [...(consents.byPatient.get(consent.patient) ?? []), consent])
}

export const endConsent = (consents: Consents, id: string): void => {
  const consent = consents.byId.get(id)
  if (consent === undefined) return
  consents.byId.delete(id)
  const kept = (consents.byPatient.get(consent.patient) ?? []).filter((other) => other.id !== id)
  if (kept.length === 0) consents.byPatient.delete(consent.patient)
  else consents.byPatient.set(consent.patient, kept)
}
