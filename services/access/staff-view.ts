/** Staff as people read them: identifiers and reasons opened, in order of identifier. */
import type { Identities } from '../audit/identities.ts'
import type { Ledger } from '../audit/ledger.ts'
import type { Pseudonym } from '../audit/vault.ts'
import type { Moment } from './past-states.ts'
import { openReasons, type ShownSubject, shownSubject } from './shown.ts'
import type { SubjectState, SubjectStatus } from './state/subjects.ts'
import { grantsHeld } from './state.ts'

export interface ShownGrant {
  readonly grantId: string
  readonly role: string
  readonly from: number | undefined
  readonly until: number | undefined
  readonly grantor: ShownSubject | undefined
  /** Empty unless the caller may unseal. */
  readonly reason: string
}

export interface ShownStaff {
  readonly subject: ShownSubject
  readonly status: SubjectStatus
  readonly grants: readonly ShownGrant[]
  readonly cutOff: number | undefined
  readonly memberOf: readonly ShownSubject[]
  /** A patient of the clinic too. */
  readonly isPatient: boolean
}

export interface StaffView {
  /** One person at that moment; undefined when nobody of this pseudonym is known. */
  one(moment: Moment, pseudonym: Pseudonym, unseal: boolean): Promise<ShownStaff | undefined>
  /** A page in order of type and identifier after the one named; `more` says whether others follow. */
  page(
    moment: Moment,
    options: { readonly after: ShownSubject | undefined; readonly size: number; readonly includeFormer: boolean; readonly unseal: boolean },
  ): Promise<{ readonly staff: readonly ShownStaff[]; readonly more: boolean }>
}

export interface StaffViewOptions {
  readonly ledger: Ledger
  readonly identities: Identities
}

const compare = (left: ShownSubject, right: ShownSubject): number => {
  if (left.type !== right.type) return left.type < right.type ? -1 : 1
  if (left.id === right.id) return 0
  return left.id < right.id ? -1 : 1
}

export const createStaffView = ({ ledger, identities }: StaffViewOptions): StaffView => {
  const show = async ({ view, time }: Moment, subjects: readonly SubjectState[], unseal: boolean): Promise<ShownStaff[]> => {
    const { clinic, vault, state } = view
    const held = subjects.map((subject) => ({ subject, grants: grantsHeld(state, subject.reference.pseudonym, time) }))
    const references = held.flatMap(({ subject, grants }) => [
      subject.reference,
      ...subject.memberOf,
      ...grants.flatMap(({ grantor }) => (grantor === undefined ? [] : [grantor])),
    ])
    const resolved = await identities.resolve(
      clinic,
      vault,
      references.map(({ pseudonym }) => pseudonym),
    )
    const reasons = unseal
      ? await openReasons(
          ledger,
          view,
          held.flatMap(({ grants }) => grants.map(({ id }) => id)),
        )
      : new Map<string, string>()
    return held.map(({ subject, grants }) => ({
      subject: shownSubject(subject.reference, resolved),
      status: subject.status,
      grants: grants.map((grant) => ({
        grantId: grant.id,
        role: grant.role,
        from: grant.from,
        until: grant.until,
        grantor: grant.grantor === undefined ? undefined : shownSubject(grant.grantor, resolved),
        reason: reasons.get(grant.id) ?? '',
      })),
      cutOff: subject.cutOff,
      memberOf: subject.memberOf.map((organisation) => shownSubject(organisation, resolved)),
      isPatient: subject.ownPatient !== undefined,
    }))
  }

  return {
    one: async (moment, pseudonym, unseal) => {
      const subject = moment.view.state.subjects.get(pseudonym)
      return subject === undefined ? undefined : (await show(moment, [subject], unseal))[0]
    },
    page: async (moment, { after, size, includeFormer, unseal }) => {
      const { clinic, vault, state } = moment.view
      const wanted = [...state.subjects.values()].filter((subject) => includeFormer || subject.status !== 'offboarded')
      const resolved = await identities.resolve(
        clinic,
        vault,
        wanted.map(({ reference }) => reference.pseudonym),
      )
      const ordered = wanted
        .map((subject) => ({ subject, name: shownSubject(subject.reference, resolved) }))
        .filter(({ name }) => after === undefined || compare(name, after) > 0)
        .toSorted((left, right) => compare(left.name, right.name))
      const page = ordered.slice(0, size).map(({ subject }) => subject)
      return { staff: await show(moment, page, unseal), more: ordered.length > size }
    },
  }
}
