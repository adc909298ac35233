import type { Pseudonym } from '../../audit/vault.ts'
import type { SubjectReference } from '../events.ts'

/** `suspended` is part of the vocabulary of answers; no event of today leads to it. */
export type SubjectStatus = 'active' | 'suspended' | 'offboarded'

/** A person, service or organisation as the ledger knows it. */
export interface SubjectState {
  readonly reference: SubjectReference
  readonly status: SubjectStatus
  /** False for one that was barred without ever having been known: most likely a mistyped identifier. */
  readonly known: boolean
  readonly ownPatient: Pseudonym | undefined
  /** Organisations the person works for; a share with one reaches the person. */
  readonly memberOf: readonly SubjectReference[]
  /** Sign-ins at or before this moment are void; milliseconds since the epoch. Never lowered. */
  readonly cutOff: number | undefined
  /** Id of the entry that ended employment, while it is ended. */
  readonly offboarding: string | undefined
}

export type Subjects = Map<Pseudonym, SubjectState>

/**
 * Makes a subject known. One that was offboarded stays so, whatever enrols it: only a reinstatement ends that.
 */
export const enrol = (
  subjects: Subjects,
  reference: SubjectReference,
  ownPatient: Pseudonym | undefined,
  memberOf: readonly SubjectReference[],
): void => {
  const before = subjects.get(reference.pseudonym)
  if (before?.status === 'offboarded') return
  subjects.set(reference.pseudonym, {
    reference,
    status: before?.status ?? 'active',
    known: true,
    ownPatient,
    memberOf,
    cutOff: before?.cutOff,
    offboarding: undefined,
  })
}

/** Replaces what enrolment said. Somebody who left, or never came, is not touched. */
export const update = (
  subjects: Subjects,
  { pseudonym }: SubjectReference,
  ownPatient: Pseudonym | undefined,
  memberOf: readonly SubjectReference[],
): void => {
  const before = subjects.get(pseudonym)
  if (before === undefined || before.status === 'offboarded') return
  subjects.set(pseudonym, { ...before, ownPatient, memberOf })
}

/** Whether the patient is, or was, somebody of the clinic. A patient's own sign-in makes nobody an employee. */
export const isEmployee = (subjects: Subjects, patient: Pseudonym): boolean =>
  subjects.values().some(({ reference, ownPatient }) => ownPatient === patient && reference.type !== 'patient')

/**
 * Ends employment. Memberships in organisations end with it, since each of them reaches what is shared with that organisation; the own
 * patient identifier stays, since it can only ever restrict.
 */
export const offboard = (subjects: Subjects, reference: SubjectReference, known: boolean, time: number, entryId: string): void => {
  const before = subjects.get(reference.pseudonym)
  subjects.set(reference.pseudonym, {
    reference,
    status: 'offboarded',
    known,
    ownPatient: before?.ownPatient,
    memberOf: [],
    cutOff: Math.max(before?.cutOff ?? time, time),
    offboarding: before?.offboarding ?? entryId,
  })
}

/** Makes a former subject active again, with nothing but the memberships named; the cut-off stays. */
export const reinstate = (subjects: Subjects, reference: SubjectReference, memberOf: readonly SubjectReference[]): void => {
  const before = subjects.get(reference.pseudonym)
  subjects.set(reference.pseudonym, {
    reference,
    status: 'active',
    known: true,
    ownPatient: before?.ownPatient,
    memberOf,
    cutOff: before?.cutOff,
    offboarding: undefined,
  })
}
