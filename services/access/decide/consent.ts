/**
 * What the patient decided (step 4 of docs/explanation/deciding.md), and whether a share with a third party has the consent that the clinic
 * demands.
 */
import type { Pseudonym } from '../../audit/vault.ts'
import type { SubjectReference } from '../events.ts'
import type { ReasonCode } from '../reasons.ts'
import type { ConsentState } from '../state/consents.ts'
import { isInForce } from '../state/period.ts'
import type { ClinicState } from '../state.ts'

/** Who would see what. */
export interface Disclosure {
  readonly patient: Pseudonym
  readonly recipient: Pseudonym
  /** Organisations of the recipient. */
  readonly memberOf: readonly SubjectReference[]
  readonly resourceType: string
  /** Undefined: purposes are not consulted. */
  readonly purpose: string | undefined
}

export interface Directive {
  /** Undefined: no directive speaks of it. */
  readonly consent: ConsentState | undefined
  /** When that may change by itself. */
  readonly until: number
}

/** How closely a directive names the recipient; undefined when it means somebody else. */
const closeness = ({ recipient }: ConsentState, disclosure: Disclosure): number | undefined => {
  if (recipient === undefined) return 0
  if (recipient.pseudonym === disclosure.recipient) return 2
  return disclosure.memberOf.some(({ pseudonym }) => pseudonym === recipient.pseudonym) ? 1 : undefined
}

/** The directive that decides: the one that names the recipient most closely, among equals one that denies, then the older. */
export const directiveFor = (state: ClinicState, disclosure: Disclosure, now: number): Directive => {
  let consent: ConsentState | undefined
  let closest = -1
  let until = Number.POSITIVE_INFINITY
  for (const other of state.consents.byPatient.get(disclosure.patient) ?? []) {
    const close = closeness(other, disclosure)
    if (close === undefined) continue
    if (other.resourceTypes !== undefined && !other.resourceTypes.has(disclosure.resourceType)) continue
    if (disclosure.purpose !== undefined && !other.coveredPurposes.has(disclosure.purpose)) continue
    if (other.until !== undefined && now >= other.until) continue
    if (!isInForce(other, now)) {
      until = Math.min(until, other.from ?? until)
      continue
    }
    until = Math.min(until, other.until ?? until)
    if (close > closest || (close === closest && consent?.decision === 'permit' && other.decision === 'deny')) {
      consent = other
      closest = close
    }
  }
  return { consent, until }
}

/** Whether somebody is none of the clinic's own: not enrolled as staff, or working for another organisation. A patient is no third party to the own record. */
export const isThirdParty = (state: ClinicState, { type, pseudonym }: SubjectReference, patient: Pseudonym): boolean => {
  const subject = state.subjects.get(pseudonym)
  if (subject === undefined || !subject.known) return true
  if (type === 'patient') return subject.ownPatient !== patient
  return type !== 'staff' || subject.memberOf.length > 0
}

/** Whether the clinic shares records of a type with third parties only with a consent. */
export const demandsConsent = (state: ClinicState, resourceType: string): boolean => {
  const { consent_to_share: types } = state.settings
  return types.includes('*') || types.includes(resourceType)
}

export interface ConsentVerdict {
  /** Undefined: no objection. */
  readonly reasonCode: Extract<ReasonCode, 'consent_denied' | 'consent_required'> | undefined
  readonly rule: string
  readonly until: number
}

/** Whether records may be shared with a recipient, as far as the patient's directives and the clinic's settings go. */
export const sharingVerdict = (state: ClinicState, recipient: SubjectReference, disclosure: Disclosure, now: number): ConsentVerdict => {
  const { consent, until } = directiveFor(state, disclosure, now)
  if (consent?.decision === 'deny') return { reasonCode: 'consent_denied', rule: `consent/${consent.id}`, until }
  if (consent !== undefined) return { reasonCode: undefined, rule: `consent/${consent.id}`, until }
  const required = demandsConsent(state, disclosure.resourceType) && isThirdParty(state, recipient, disclosure.patient)
  return { reasonCode: required ? 'consent_required' : undefined, rule: '', until }
}
