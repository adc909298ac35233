/** Emergency accesses as reviewers read them: identifiers and reasons opened, oldest first. */
import type { Identities } from '../audit/identities.ts'
import type { Ledger } from '../audit/ledger.ts'
import type { ClinicWriter } from './clinic-writer.ts'
import { openReasons, type ShownSubject, shownPatient, shownSubject } from './shown.ts'
import type { EmergencyState } from './state/emergencies.ts'

export interface ShownEmergency extends Pick<EmergencyState, 'id' | 'purpose' | 'from' | 'until' | 'reviewDue'> {
  readonly subject: ShownSubject
  readonly patientId: string
  /** Empty unless the caller may unseal. */
  readonly reason: string
  readonly overdue: boolean
}

/** Where a page ended: emergencies are in the order of their opening, and two may have been opened in one millisecond. */
export type EmergencyPlace = Pick<EmergencyState, 'from' | 'id'>

export interface EmergencyView {
  /** Those that owe a review, open ones among them, after the place named; `more` says whether others follow. */
  unreviewed(
    writer: ClinicWriter,
    options: { readonly after: EmergencyPlace | undefined; readonly size: number; readonly unseal: boolean },
  ): Promise<{ readonly emergencies: readonly ShownEmergency[]; readonly more: boolean; readonly completeTo: bigint }>
}

export interface EmergencyViewOptions {
  readonly ledger: Pick<Ledger, 'find'>
  readonly identities: Identities
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
}

const byOpening = (left: EmergencyPlace, right: EmergencyPlace): number => left.from - right.from || (left.id < right.id ? -1 : 1)

export const createEmergencyView = ({ ledger, identities, now }: EmergencyViewOptions): EmergencyView => ({
  unreviewed: async (writer, { after, size, unseal }) => {
    const { clinic, vault, state } = writer
    const time = now()
    const completeTo = state.revision
    const owed = [...state.emergencies.byId.values()]
      .filter((emergency) => after === undefined || (emergency.id !== after.id && byOpening(emergency, after) > 0))
      .sort(byOpening)
    const page = owed.slice(0, size)
    const resolved = await identities.resolve(
      clinic,
      vault,
      page.flatMap(({ subject, patient }) => [subject.pseudonym, patient]),
    )
    const ids = page.map(({ id }) => id)
    const reasons = unseal && ids.length > 0 ? await openReasons(ledger, writer, ids) : new Map<string, string>()
    const emergencies = page.map(({ id, subject, patient, purpose, from, until, reviewDue }) => ({
      id,
      subject: shownSubject(subject, resolved),
      patientId: shownPatient(patient, resolved),
      purpose,
      reason: reasons.get(id) ?? '',
      from,
      until,
      reviewDue,
      overdue: time >= reviewDue,
    }))
    return { emergencies, more: owed.length > size, completeTo }
  },
})
