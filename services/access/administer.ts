/**
 * Administration and sharing as decisions: a command, who asks, and the state it rests on, in; what to append, a refusal to record, or an
 * error, out. In this order: well formed, permitted, possible.
 */
import type { Pseudonym } from '../audit/vault.ts'
import { canonicalJson, type JsonValue } from '../kernel/canonical-json.ts'
import type { FieldViolation } from '../kernel/errors.ts'
import { type Authority, authorise } from './administer/authority.ts'
import { registerClinic } from './administer/clinic.ts'
import {
  type Actor,
  type AdministrationOutcome,
  type AdministrativeCommand,
  type CommandError,
  commandError,
  malformed,
  type PlannedEvent,
  type RegisterClinic,
  type Standing,
} from './administer/commands.ts'
import { consentTests, consentViolations, recordConsent, withdrawConsent } from './administer/consents.ts'
import {
  directoryTests,
  putResource,
  putSubject,
  removeResource,
  removeSubject,
  resourceViolations,
  subjectViolations,
} from './administer/directory.ts'
import { closeEmergency, emergencyTests, openEmergency, openViolations, reviewEmergency } from './administer/emergencies.ts'
import { grantRole, revokeRole } from './administer/grants.ts'
import { rotateLogKey, rotationViolations } from './administer/log-key.ts'
import { putRole, retireRole } from './administer/policy.ts'
import { endShare, isShared, putCareTeam, removeCareTeam, shareRecord, shareViolations } from './administer/relationships.ts'
import { putSettings } from './administer/settings.ts'
import { enrolStaff, membershipViolations, offboardSubject, reinstateSubject, updateStaff } from './administer/staff.ts'
import { periodViolations, timeViolations } from './administer/times.ts'
import type { AccessEvent, EventType, StaffEnrolled, StaffUpdated, SubjectReference } from './events.ts'
import { validateSettings } from './policy/settings-draft.ts'
import { validateRole } from './policy/validate-role.ts'
import { isNotOver, periodOf } from './state/period.ts'
import { settingsIn } from './state/settings.ts'
import { type ClinicState, grantsHeld } from './state.ts'

export type { Actor, AdministrationOutcome, AdministrativeCommand } from './administer/commands.ts'

type ClinicCommand = Exclude<AdministrativeCommand, RegisterClinic>

const violationsOf = (state: ClinicState, command: ClinicCommand, now: number): readonly FieldViolation[] => {
  switch (command.kind) {
    case 'enrol_staff':
    case 'update_staff':
      return membershipViolations(command.subject, command.memberOf)
    case 'reinstate':
      return membershipViolations(command.subject, command.memberOf ?? [])
    case 'grant_role':
    case 'put_care_team':
      return periodViolations(command, now)
    case 'revoke_role':
      return command.role === undefined && command.grantId === undefined
        ? [{ field: 'role', description: 'name a role or a grant_id' }]
        : []
    case 'offboard':
      return timeViolations('effective', command.effective)
    case 'put_role':
      return validateRole(command.role)
    case 'put_settings':
      return validateSettings(command.settings)
    case 'rotate_log_key':
      return rotationViolations(command, now)
    case 'share_record':
      return shareViolations(command, now)
    case 'put_subject':
      return subjectViolations(command)
    case 'put_resource':
      return resourceViolations(command)
    case 'record_consent':
      return consentViolations(command, now)
    case 'open_emergency':
      return openViolations(state, command)
    case 'close_emergency':
    case 'review_emergency':
    case 'remove_subject':
    case 'remove_resource':
    case 'withdraw_consent':
    case 'retire_role':
    case 'remove_care_team':
    case 'end_share':
      return []
  }
}

const plan = (state: ClinicState, command: ClinicCommand, { actor }: Authority, now: number): PlannedEvent | CommandError | Standing => {
  switch (command.kind) {
    case 'enrol_staff':
      return enrolStaff(state, command, actor)
    case 'update_staff':
      return updateStaff(state, command, actor)
    case 'grant_role':
      return grantRole(state, command, actor, now)
    case 'revoke_role':
      return revokeRole(state, command, actor, now)
    case 'offboard':
      return offboardSubject(state, command, actor, now)
    case 'reinstate':
      return reinstateSubject(state, command, actor)
    case 'put_role':
      return putRole(state, command, actor)
    case 'retire_role':
      return retireRole(state, command, actor)
    case 'put_settings':
      return putSettings(command, actor)
    case 'rotate_log_key':
      return rotateLogKey(command, actor, now)
    case 'put_care_team':
      return putCareTeam(state, command, actor)
    case 'remove_care_team':
      return removeCareTeam(state, command, actor, now)
    case 'share_record':
      return shareRecord(state, command, actor)
    case 'end_share':
      return endShare(command, actor)
    case 'put_subject':
      return putSubject(state, command, actor)
    case 'remove_subject':
      return removeSubject(state, command, actor)
    case 'put_resource':
      return putResource(command, actor)
    case 'remove_resource':
      return removeResource(state, command, actor)
    case 'record_consent':
      return recordConsent(command, actor)
    case 'withdraw_consent':
      return withdrawConsent(state, command, actor, now)
    case 'open_emergency':
      return openEmergency(state, command, actor, now)
    case 'close_emergency':
      return closeEmergency(state, command, actor, now)
    case 'review_emergency':
      return reviewEmergency(state, command, actor, now)
  }
}

/** The `until` a new grant, membership or share is given must still lie ahead when it is stored. */
const ownUntil = (command: ClinicCommand): number => ('until' in command ? command.until : undefined) ?? Number.POSITIVE_INFINITY

/**
 * What a command comes to on this state. `now` is ledger time in milliseconds since the epoch. Registration gives four events, every other
 * change one. Pure; never throws for a command of the right shape.
 */
export const administer = (state: ClinicState, command: AdministrativeCommand, actor: Actor, now: number): AdministrationOutcome => {
  if (command.kind === 'register_clinic') return registerClinic(state, command, actor)
  if (state.clinic === undefined) return commandError('CLINIC_NOT_ALLOWED')
  const violations = violationsOf(state, command, now)
  if (violations.length > 0) return malformed(violations)
  // A share that is not there has no types to decide on.
  if (command.kind === 'end_share' && !isShared(state, command.shareId, now)) return commandError('SHARE_UNKNOWN')
  // Nor does one that is reviewed say any more whose it was.
  if (command.kind === 'close_emergency' && !state.emergencies.byId.has(command.emergencyId)) return commandError('EMERGENCY_UNKNOWN')
  const authority = authorise(state, command, actor, now)
  if (authority.kind === 'refused') return authority
  const planned = plan(state, command, authority, now)
  if ('kind' in planned) return planned
  const notAfter = Math.min(authority.until, ownUntil(command))
  return {
    kind: 'change',
    events: [planned],
    obligations: authority.obligations,
    ...(Number.isFinite(notAfter) ? { notAfter } : {}),
  }
}

const same = (left: unknown, right: unknown): boolean => canonicalJson(left as JsonValue) === canonicalJson(right as JsonValue)

const isActive = (state: ClinicState, { pseudonym }: SubjectReference): boolean => state.subjects.get(pseudonym)?.status === 'active'

const isGranted = (state: ClinicState, id: string, now: number): boolean => {
  const grant = state.grants.byId.get(id)
  return grant !== undefined && isNotOver(grant, now)
}

const membership = (state: ClinicState, subject: SubjectReference, patient: Pseudonym, now: number) => {
  const found = state.careTeams.get(subject.pseudonym)?.get(patient)
  return found !== undefined && isNotOver(found, now) ? found : undefined
}

type Test<T extends EventType> = (
  state: ClinicState,
  original: Extract<AccessEvent, { type: T }>,
  command: AdministrativeCommand,
  now: number,
) => boolean

const sameMembers = (left: readonly SubjectReference[], right: readonly SubjectReference[]): boolean =>
  same(left.map(({ pseudonym }) => pseudonym).sort(), right.map(({ pseudonym }) => pseudonym).sort())

/** Whether a person is what an enrolment or an update said. */
const isAsSaid = (state: ClinicState, { subject, own_patient: ownPatient, member_of: memberOf }: StaffEnrolled | StaffUpdated): boolean => {
  const known = state.subjects.get(subject.pseudonym)
  return known?.status === 'active' && known.ownPatient === ownPatient && sameMembers(known.memberOf, memberOf)
}

const tests: { readonly [T in EventType]?: Test<T> } = {
  'chartwarden.clinic.registered.v1': (state) => state.clinic !== undefined,
  'chartwarden.staff.enrolled.v1': (state, { data }) => isAsSaid(state, data),
  'chartwarden.staff.updated.v1': (state, { data }) => isAsSaid(state, data),
  'chartwarden.staff.offboarded.v1': (state, { data }) => state.subjects.get(data.subject.pseudonym)?.status === 'offboarded',
  'chartwarden.staff.reinstated.v1': (state, { data }) =>
    isActive(state, data.subject) && sameMembers(state.subjects.get(data.subject.pseudonym)?.memberOf ?? [], data.member_of ?? []),
  'chartwarden.role.defined.v2': (state, { data: { actor: _, sealed: __, ...definition } }) =>
    same(state.roles.definitions.get(definition.role) ?? null, definition),
  'chartwarden.settings.changed.v1': (state, { data }) => same(state.settings, settingsIn(data)),
  'chartwarden.log.keyadded.v1': () => true,
  'chartwarden.role.retired.v1': (state, { data }) => !state.roles.definitions.has(data.role),
  'chartwarden.role.granted.v1': (state, { id }, _, now) => isGranted(state, id, now),
  'chartwarden.role.revoked.v1': (state, { data }, command, now) =>
    command.kind === 'revoke_role' && command.grantId === undefined
      ? grantsHeld(state, data.subject.pseudonym, now).every(({ role }) => role !== data.role)
      : data.grant_ids.every((id) => !isGranted(state, id, now)),
  'chartwarden.careteam.joined.v1': (state, { data }, _, now) => {
    const found = membership(state, data.subject, data.patient, now)
    const asked = periodOf(data)
    return found !== undefined && found.from === asked.from && found.until === asked.until
  },
  'chartwarden.careteam.left.v1': (state, { data }, _, now) => membership(state, data.subject, data.patient, now) === undefined,
  'chartwarden.record.shared.v1': (state, { id }, _, now) => isShared(state, id, now),
  'chartwarden.share.ended.v1': (state, { data }, _, now) => !isShared(state, data.share_id, now),
  ...directoryTests,
  ...consentTests,
  ...emergencyTests,
  'chartwarden.access.decided.v1': (_, { data }) => data.decision === 'deny',
}

/**
 * Whether what an earlier identical request brought about still holds, so that its answer may be given again. `original` is the first event
 * of that request: the change itself, or the recorded refusal, which always holds. One that no longer holds is STALE_REQUEST.
 */
export const stillHolds = (state: ClinicState, command: AdministrativeCommand, original: AccessEvent, now: number): boolean => {
  const test = tests[original.type] as Test<EventType> | undefined
  return test?.(state, original, command, now) ?? false
}
