/**
 * A clinic's state, folded from its state-changing entries: everything decisions rest on and nothing else. It holds pseudonyms only and so
 * survives any erasure. One owner holds it and folds each entry once, in order; everybody else only reads.
 */
import { noState } from '../audit/ledger.ts'
import type { Pseudonym } from '../audit/vault.ts'
import { type AccessEvent, type StaffUpdated, type SubjectReference, stateChanging } from './events.ts'
import { defineRole, noRoles, type Roles, retireRole } from './policy/roles.ts'
import { type CareTeams, join, leave, type MembershipState } from './state/care-teams.ts'
import { addConsent, type Consents, consentPurposes, endConsent, noConsents } from './state/consents.ts'
import { type Directory, noDirectory } from './state/directory.ts'
import {
  closeEmergenciesOf,
  closeEmergency,
  type Emergencies,
  type EmergencyState,
  noEmergencies,
  openEmergency,
  reviewEmergency,
} from './state/emergencies.ts'
import { addGrant, endGrants, type GrantState, type Grants, noGrants } from './state/grants.ts'
import { isInForce, isNotOver, periodOf } from './state/period.ts'
import { PseudonymSet } from './state/pseudonym-lookup.ts'
import { defaultSettings, type Settings, settingsIn } from './state/settings.ts'
import { addShare, endShare, endSharesWith, noShares, type ShareState, type Shares } from './state/shares.ts'
import { enrol, isEmployee, offboard, reinstate, type Subjects, update } from './state/subjects.ts'

export interface ClinicState {
  /** State revision: the revision of the last state-changing entry folded; -1 at first. */
  revision: bigint
  /** Undefined until the clinic is registered. */
  clinic: { readonly title: string; readonly timeZone: string; readonly administrator: SubjectReference } | undefined
  readonly roles: Roles
  readonly subjects: Subjects
  readonly grants: Grants
  readonly careTeams: CareTeams
  readonly shares: Shares
  settings: Settings
  readonly directory: Directory
  readonly consents: Consents
  readonly emergencies: Emergencies
  /** Patients that are employees, or were: their records are protected from colleagues. */
  readonly employeePatients: PseudonymSet
}

export const emptyState = (): ClinicState => ({
  revision: noState,
  clinic: undefined,
  roles: noRoles(),
  subjects: new Map(),
  grants: noGrants(),
  careTeams: new Map(),
  shares: noShares(),
  settings: defaultSettings,
  directory: noDirectory(),
  consents: noConsents(),
  emergencies: noEmergencies(),
  employeePatients: new PseudonymSet(),
})

/** What is given to an offboarded subject is void, so that a reinstatement starts from nothing whatever was written in between. */
const mayHold = (state: ClinicState, { pseudonym }: SubjectReference): boolean => state.subjects.get(pseudonym)?.status !== 'offboarded'

/** Properties end too: a condition on one of them must not hold for whoever comes back. */
const endEverything = (state: ClinicState, subject: Pseudonym, time: number): void => {
  closeEmergenciesOf(state.emergencies, subject, time)
  state.directory.subjects.delete(subject)
  endGrants(state.grants, subject, () => true)
  endSharesWith(state.shares, subject)
  state.careTeams.delete(subject)
}

const endGrantsOfRole = (state: ClinicState, role: string): void => {
  for (const subject of [...state.grants.bySubject.keys()]) endGrants(state.grants, subject, (grant) => grant.role === role)
}

/** The identifier held before protects nobody any more, unless it is another person's too. */
const updateSubject = (state: ClinicState, { subject, own_patient: ownPatient, member_of: memberOf }: StaffUpdated): void => {
  const before = state.subjects.get(subject.pseudonym)?.ownPatient
  update(state.subjects, subject, ownPatient, memberOf)
  for (const patient of [before, ownPatient]) {
    if (patient === undefined) continue
    if (isEmployee(state.subjects, patient)) state.employeePatients.add(patient)
    else state.employeePatients.delete(patient)
  }
}

const apply = (state: ClinicState, event: AccessEvent): void => {
  switch (event.type) {
    case 'chartwarden.clinic.registered.v1': {
      const { title, time_zone: timeZone, administrator } = event.data
      state.clinic = { title, timeZone, administrator }
      return
    }
    case 'chartwarden.role.defined.v2': {
      const { role, title, inherits, permissions, clearance } = event.data
      return defineRole(state.roles, { role, title, inherits, permissions, ...(clearance === undefined ? {} : { clearance }) })
    }
    case 'chartwarden.role.retired.v1':
      // The grants end too: a role defined anew under the same name must not come back to those who held the old one.
      endGrantsOfRole(state, event.data.role)
      return retireRole(state.roles, event.data.role)
    case 'chartwarden.staff.enrolled.v1':
      // A patient's own sign-in makes nobody an employee.
      if (event.data.own_patient !== undefined && event.data.subject.type !== 'patient') state.employeePatients.add(event.data.own_patient)
      return enrol(state.subjects, event.data.subject, event.data.own_patient, event.data.member_of)
    case 'chartwarden.staff.updated.v1':
      return updateSubject(state, event.data)
    case 'chartwarden.staff.offboarded.v1':
      endEverything(state, event.data.subject.pseudonym, event.time)
      return offboard(state.subjects, event.data.subject, !event.data.unknown_subject, event.time, event.id)
    case 'chartwarden.staff.reinstated.v1':
      return reinstate(state.subjects, event.data.subject, event.data.member_of ?? [])
    case 'chartwarden.role.granted.v1': {
      const { subject, role, actor } = event.data
      if (!mayHold(state, subject)) return
      return addGrant(state.grants, {
        ...periodOf(event.data),
        id: event.id,
        subject,
        role,
        grantor: actor.subject,
        revision: event.revision,
      })
    }
    case 'chartwarden.role.revoked.v1': {
      const ended = new Set(event.data.grant_ids)
      return endGrants(state.grants, event.data.subject.pseudonym, (grant) => ended.has(grant.id))
    }
    case 'chartwarden.careteam.joined.v1': {
      const { patient, subject } = event.data
      if (!mayHold(state, subject)) return
      return join(state.careTeams, { ...periodOf(event.data), patient, subject: subject.pseudonym })
    }
    case 'chartwarden.careteam.left.v1':
      return leave(state.careTeams, event.data.subject.pseudonym, event.data.patient)
    case 'chartwarden.record.shared.v1': {
      const { recipient, patient, resource_types: resourceTypes, records, actions, purpose, until } = event.data
      if (!mayHold(state, recipient)) return
      return addShare(state.shares, {
        id: event.id,
        recipient,
        patient,
        resourceTypes,
        records,
        actions,
        purpose,
        until: Date.parse(until),
      })
    }
    case 'chartwarden.share.ended.v1':
    case 'chartwarden.share.expired.v1':
      return endShare(state.shares, event.data.share_id)
    case 'chartwarden.role.expired.v1': {
      const { subject, grant_id: id } = event.data
      return endGrants(state.grants, subject.pseudonym, (grant) => grant.id === id)
    }
    case 'chartwarden.careteam.expired.v1':
      return leave(state.careTeams, event.data.subject.pseudonym, event.data.patient)
    case 'chartwarden.settings.changed.v1':
      state.settings = settingsIn(event.data)
      return
    case 'chartwarden.subject.described.v1': {
      const { subject, properties } = event.data
      if (mayHold(state, subject)) state.directory.subjects.set(subject.pseudonym, properties)
      return
    }
    case 'chartwarden.subject.removed.v1':
      state.directory.subjects.delete(event.data.subject.pseudonym)
      return
    case 'chartwarden.resource.described.v1': {
      const { resource_type: resourceType, record, patient, confidentiality, sensitivities, properties } = event.data
      state.directory.resources.set(record, {
        resourceType,
        record,
        patient,
        confidentiality,
        sensitivities,
        properties,
        entryId: event.id,
      })
      return
    }
    case 'chartwarden.resource.removed.v1':
      state.directory.resources.delete(event.data.record)
      return
    case 'chartwarden.consent.recorded.v1': {
      const { patient, recipient, resource_types: types, purposes, decision } = event.data
      return addConsent(state.consents, {
        ...periodOf(event.data),
        id: event.id,
        patient,
        recipient,
        resourceTypes: types.length === 0 ? undefined : new Set(types),
        purposes,
        coveredPurposes: consentPurposes(decision, purposes),
        decision,
      })
    }
    case 'chartwarden.consent.withdrawn.v1':
    case 'chartwarden.consent.expired.v1':
      return endConsent(state.consents, event.data.consent_id)
    case 'chartwarden.emergency.opened.v1': {
      const { subject, patient, purpose, until, review_due: reviewDue } = event.data
      const emergency = {
        id: event.id,
        subject,
        patient,
        purpose,
        from: event.time,
        until: Date.parse(until),
        closed: false,
        reviewDue: Date.parse(reviewDue),
      }
      openEmergency(state.emergencies, emergency)
      // Nothing given to a former person comes into force; that somebody opened it is reviewed all the same.
      if (!mayHold(state, subject)) closeEmergency(state.emergencies, event.id, event.time)
      return
    }
    case 'chartwarden.emergency.closed.v1':
      return closeEmergency(state.emergencies, event.data.emergency_id, event.time)
    case 'chartwarden.emergency.reviewed.v1':
      return reviewEmergency(state.emergencies, event.data.emergency_id)
    default:
      // The compiler refuses a new state-changing type here: it must be folded above.
      event.type satisfies
        | 'chartwarden.identity.introduced.v1'
        | 'chartwarden.access.decided.v1'
        | 'chartwarden.access.recorded.v1'
        | 'chartwarden.disclosure.recorded.v1'
        | 'chartwarden.concern.recorded.v1'
        | 'chartwarden.trail.viewed.v1'
        | 'chartwarden.refusals.summarised.v1'
        | 'chartwarden.ledger.checked.v1'
        | 'chartwarden.backup.drilled.v1'
        | 'chartwarden.ledger.imported.v1'
        | 'chartwarden.log.keyadded.v1'
        | 'chartwarden.log.restarted.v1'
        | 'chartwarden.keys.exported.v1'
  }
}

/**
 * Folds one entry into the state. Entries that change no state are ignored, and so is one that is in the state already. An unknown type
 * never gets here: whoever reads the ledger must refuse a state-changing type this version does not know.
 */
export const evolve = (state: ClinicState, event: AccessEvent): void => {
  if (stateChanging[event.type] !== true || event.revision <= state.revision) return
  apply(state, event)
  state.revision = event.revision
}

/** Grants of a subject that are in force at a moment. */
export const grantsInForce = (state: ClinicState, subject: Pseudonym, now: number): readonly GrantState[] =>
  (state.grants.bySubject.get(subject) ?? []).filter((grant) => isInForce(grant, now))

/** Grants of a subject that are in force or to come. */
export const grantsHeld = (state: ClinicState, subject: Pseudonym, now: number): readonly GrantState[] =>
  (state.grants.bySubject.get(subject) ?? []).filter((grant) => isNotOver(grant, now))

/** Emergency accesses of a subject that are open. */
export const emergenciesOpen = (state: ClinicState, subject: Pseudonym, now: number): readonly EmergencyState[] =>
  (state.emergencies.openBySubject.get(subject) ?? []).filter(({ until }) => now < until)

/** Care team memberships of a subject that are in force or to come. */
export const membershipsHeld = (state: ClinicState, subject: Pseudonym, now: number): readonly MembershipState[] =>
  [...(state.careTeams.get(subject)?.values() ?? [])].filter((membership) => isNotOver(membership, now))

/** Shares with this subject itself that are in force; those with its organisations are theirs. */
export const sharesReceived = (state: ClinicState, subject: Pseudonym, now: number): readonly ShareState[] =>
  [...(state.shares.byRecipient.get(subject)?.values() ?? [])].flat().filter((share) => now < share.until)
