import type { Properties } from '../events.ts'
import type { RoleDefinition } from '../policy/roles.ts'
import type { MembershipState } from '../state/care-teams.ts'
import type { ConsentState } from '../state/consents.ts'
import type { ResourceState } from '../state/directory.ts'
import type { EmergencyState } from '../state/emergencies.ts'
import type { GrantState } from '../state/grants.ts'
import type { ShareState } from '../state/shares.ts'
import type { SubjectState } from '../state/subjects.ts'
import type { ClinicState } from '../state.ts'

/** Rows in the order of their first index, and again in the order of the second. */
export interface Indexed<Row> {
  readonly rows: readonly Row[]
  readonly order: readonly Row[]
}

/** A state as it was at one revision: lists of rows that never change. */
export interface CapturedState extends Pick<ClinicState, 'revision' | 'clinic' | 'settings'> {
  readonly roles: readonly RoleDefinition[]
  readonly subjects: readonly SubjectState[]
  readonly grants: Indexed<GrantState>
  readonly memberships: readonly MembershipState[]
  readonly shares: Indexed<ShareState>
  readonly recipients: readonly string[]
  readonly describedSubjects: readonly (readonly [pseudonym: string, properties: Properties])[]
  readonly resources: readonly ResourceState[]
  readonly consents: Indexed<ConsentState>
  readonly emergencies: Indexed<EmergencyState>
  readonly reviewedEmergencies: readonly EmergencyState[]
  readonly employeePatients: readonly string[]
}

/**
 * Takes hold of a state as it is now. The fold replaces rows and never changes one, so the lists alone are copied: a few milliseconds for a
 * big clinic, after which the state may go on changing while this is written out.
 */
export const captureState = (state: ClinicState): CapturedState => {
  const {
    revision,
    clinic,
    settings,
    roles,
    subjects,
    grants,
    careTeams,
    shares,
    directory,
    consents,
    emergencies,
    employeePatients,
    ...others
  } = state
  // The compiler refuses a new part of the state here: it must be captured, written and restored, and the format raised.
  others satisfies Record<string, never>
  return {
    revision,
    clinic,
    settings,
    roles: [...roles.definitions.values()],
    subjects: [...subjects.values()],
    grants: { rows: [...grants.byId.values()], order: [...grants.bySubject.values()].flat() },
    memberships: [...careTeams.values()].flatMap((ofSubject) => [...ofSubject.values()]),
    shares: {
      rows: [...shares.byId.values()],
      order: [...shares.byRecipient.values()].flatMap((ofRecipient) => [...ofRecipient.values()].flat()),
    },
    recipients: [...shares.recipients],
    describedSubjects: [...directory.subjects],
    resources: [...directory.resources.values()],
    consents: { rows: [...consents.byId.values()], order: [...consents.byPatient.values()].flat() },
    emergencies: { rows: [...emergencies.byId.values()], order: [...emergencies.openBySubject.values()].flat() },
    reviewedEmergencies: [...emergencies.reviewed.values()],
    employeePatients: [...employeePatients],
  }
}
