import { createHash } from 'node:crypto'
import type { Pseudonym } from '../../audit/vault.ts'
import { canonicalJson } from '../../kernel/canonical-json.ts'
import type { FieldViolation } from '../../kernel/errors.ts'
import { clockToleranceMs } from '../decide.ts'
import type { Actor, StaffOffboarded, SubjectReference } from '../events.ts'
import { type ClinicState, emergenciesOpen, grantsHeld, membershipsHeld, sharesReceived } from '../state.ts'
import {
  type CommandError,
  commandError,
  type EnrolStaff,
  type Offboard,
  type PlannedEvent,
  type Reinstate,
  type Standing,
  type UpdateStaff,
} from './commands.ts'
import { timeText } from './times.ts'

/** Each membership is looked at in a check of a share. */
const maxMemberships = 64

export const membershipViolations = (subject: SubjectReference, memberOf: readonly SubjectReference[]): readonly FieldViolation[] => [
  ...(memberOf.length > maxMemberships ? [{ field: 'member_of', description: `names more than ${maxMemberships}` }] : []),
  ...(memberOf.some(({ pseudonym }) => pseudonym === subject.pseudonym) ? [{ field: 'member_of', description: 'names the person' }] : []),
  ...(new Set(memberOf.map(({ pseudonym }) => pseudonym)).size < memberOf.length
    ? [{ field: 'member_of', description: 'names the same organisation twice' }]
    : []),
]

export const enrolStaff = (state: ClinicState, command: EnrolStaff, actor: Actor): PlannedEvent | CommandError => {
  const { subject, ownPatient, memberOf } = command
  const known = state.subjects.get(subject.pseudonym)
  if (known !== undefined) return commandError(known.status === 'offboarded' ? 'SUBJECT_FORMER' : 'SUBJECT_EXISTS')
  return {
    type: 'chartwarden.staff.enrolled.v1',
    data: { actor, subject, ...(ownPatient === undefined ? {} : { own_patient: ownPatient }), member_of: memberOf },
  }
}

/** Takes effect at once: an own patient is protected from then on, and the one named before no longer. */
export const updateStaff = (state: ClinicState, command: UpdateStaff, actor: Actor): PlannedEvent | CommandError => {
  const { subject, ownPatient, memberOf } = command
  const refused = notEmployed(state, subject)
  if (refused !== undefined) return refused
  return {
    type: 'chartwarden.staff.updated.v1',
    data: { actor, subject, ...(ownPatient === undefined ? {} : { own_patient: ownPatient }), member_of: memberOf },
  }
}

/**
 * What an offboarding at this moment ends: everything in force or to come that the subject holds or received. The digest lets a report
 * that names them be checked against the entry.
 */
const endedBy = (state: ClinicState, subject: Pseudonym, now: number): StaffOffboarded['ended'] => {
  const grants = grantsHeld(state, subject, now).map(({ id }) => id)
  const shares = sharesReceived(state, subject, now).map(({ id }) => id)
  const relationships = membershipsHeld(state, subject, now).map(({ patient }) => `careteam/${patient}/${subject}`)
  const emergencies = emergenciesOpen(state, subject, now).map(({ id }) => id)
  const ids = [...grants, ...shares, ...relationships, ...emergencies].sort()
  const digest = createHash('sha256').update(canonicalJson(ids), 'utf8').digest('base64url')
  return {
    grants: grants.length,
    shares: shares.length,
    relationships: relationships.length,
    ...(emergencies.length === 0 ? {} : { emergencies: emergencies.length }),
    digest,
  }
}

/** Whether the clinic knows this identifier from anywhere: enrolled once, shared with once, or the organisation of someone. */
const isKnown = (state: ClinicState, subject: Pseudonym): boolean => {
  const entry = state.subjects.get(subject)
  if (entry !== undefined) return entry.known
  if (state.shares.recipients.has(subject)) return true
  return state.subjects.values().some(({ memberOf }) => memberOf.some(({ pseudonym }) => pseudonym === subject))
}

/**
 * Ends employment, whoever it is; once ended, the entry that ended it is the answer to every further request. Offboarding the last
 * administrator works too; the calling software can still grant on its own scope.
 */
export const offboardSubject = (
  state: ClinicState,
  command: Offboard,
  actor: Actor,
  now: number,
): PlannedEvent | CommandError | Standing => {
  const { subject, effective } = command
  const before = state.subjects.get(subject.pseudonym)?.offboarding
  if (before !== undefined) return { kind: 'standing', entryId: before }
  // Clocks differ: a caller's "now" may lie a little ahead of ledger time, and must not leave a leaver with access.
  if (effective !== undefined && effective > now + clockToleranceMs) return commandError('FUTURE_EFFECTIVE')
  return {
    type: 'chartwarden.staff.offboarded.v1',
    data: {
      actor,
      subject,
      effective: timeText(Math.min(effective ?? now, now)),
      unknown_subject: !isKnown(state, subject.pseudonym),
      ended: endedBy(state, subject.pseudonym, now),
    },
  }
}

export const reinstateSubject = (state: ClinicState, command: Reinstate, actor: Actor): PlannedEvent | CommandError => {
  const { subject, memberOf = [] } = command
  const known = state.subjects.get(subject.pseudonym)
  if (known === undefined) return commandError('SUBJECT_UNKNOWN')
  if (known.status !== 'offboarded') return commandError('SUBJECT_NOT_FORMER')
  return {
    type: 'chartwarden.staff.reinstated.v1',
    data: { actor, subject, ...(memberOf.length === 0 ? {} : { member_of: memberOf }) },
  }
}

/** Why this subject cannot be given anything now; undefined when it can. */
export const notEmployed = (state: ClinicState, subject: SubjectReference): CommandError | undefined => {
  const known = state.subjects.get(subject.pseudonym)
  if (known === undefined) return commandError('SUBJECT_UNKNOWN')
  return known.status === 'offboarded' ? commandError('SUBJECT_FORMER') : undefined
}
