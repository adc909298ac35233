/** Administrative commands once identifiers are pseudonyms, and what can come of them. Times are milliseconds since the epoch. */
import type { Pseudonym } from '../../audit/vault.ts'
import type { ErrorReason, FieldViolation } from '../../kernel/errors.ts'
import type { MethodName, Scope } from '../../kernel/scopes.ts'
import type { AccessDecision, SessionFacts } from '../decide.ts'
import type { Confidentiality, EventData, ObligationData, Properties, SubjectReference } from '../events.ts'
import type { RoleDraft } from '../policy/role-draft.ts'
import type { SettingsDraft } from '../policy/settings-draft.ts'

/** Who asks: the calling software by its scope, and the person it names, if any. */
export interface Actor {
  readonly scope: Scope
  readonly subject?: SubjectReference
  /** The person's own sign-in; needed once the person has a cut-off. */
  readonly session?: SessionFacts
}

export interface RegisterClinic {
  readonly kind: 'register_clinic'
  readonly title: string
  readonly timeZone: string
  readonly administrator: SubjectReference
}

export interface EnrolStaff {
  readonly kind: 'enrol_staff'
  readonly subject: SubjectReference
  readonly ownPatient?: Pseudonym
  readonly memberOf: readonly SubjectReference[]
}

export interface UpdateStaff {
  readonly kind: 'update_staff'
  readonly subject: SubjectReference
  /** Absent: the person is no patient of the clinic. */
  readonly ownPatient?: Pseudonym
  /** All of them. */
  readonly memberOf: readonly SubjectReference[]
}

export interface GrantRole {
  readonly kind: 'grant_role'
  readonly subject: SubjectReference
  readonly role: string
  /** Absent: from the entry on, no clock compared. */
  readonly from?: number
  readonly until?: number
}

export interface RevokeRole {
  readonly kind: 'revoke_role'
  readonly subject: SubjectReference
  /** Every grant of this role, unless `grantId` names one. */
  readonly role?: string
  readonly grantId?: string
}

export interface Offboard {
  readonly kind: 'offboard'
  readonly subject: SubjectReference
  /** Absent: now. */
  readonly effective?: number
}

export interface Reinstate {
  readonly kind: 'reinstate'
  readonly subject: SubjectReference
  /** Absent: none; the memberships held before the offboarding do not come back. */
  readonly memberOf?: readonly SubjectReference[]
}

export interface PutRole {
  readonly kind: 'put_role'
  readonly role: RoleDraft
}

export interface RetireRole {
  readonly kind: 'retire_role'
  readonly role: string
}

export interface PutSettings {
  readonly kind: 'put_settings'
  readonly settings: SettingsDraft
}

export interface RotateLogKey {
  readonly kind: 'rotate_log_key'
  /** Absent: 30 days after. */
  readonly retireAt?: number
}

export interface PutCareTeam {
  readonly kind: 'put_care_team'
  readonly patient: Pseudonym
  readonly subject: SubjectReference
  readonly from?: number
  readonly until?: number
}

export interface RemoveCareTeam {
  readonly kind: 'remove_care_team'
  readonly patient: Pseudonym
  readonly subject: SubjectReference
}

export interface ShareRecord {
  readonly kind: 'share_record'
  readonly recipient: SubjectReference
  readonly patient: Pseudonym
  readonly resourceTypes: readonly string[]
  /** One for each type and record id; absent: every record of those types. */
  readonly records?: readonly { readonly resourceType: string; readonly pseudonym: Pseudonym }[]
  readonly actions: readonly string[]
  readonly purpose: string
  /** Required; undefined is refused. */
  readonly until: number | undefined
  readonly supportedObligations: ReadonlySet<string>
}

export interface EndShare {
  readonly kind: 'end_share'
  readonly shareId: string
}

export interface PutSubject {
  readonly kind: 'put_subject'
  readonly subject: SubjectReference
  readonly properties: Properties
}

export interface RemoveSubject {
  readonly kind: 'remove_subject'
  readonly subject: SubjectReference
}

export interface PutResource {
  readonly kind: 'put_resource'
  readonly resourceType: string
  /** Of kind `record`; of a patient that of the patient. */
  readonly record: Pseudonym
  readonly patient?: Pseudonym
  readonly confidentiality: Confidentiality
  readonly sensitivities: readonly string[]
  readonly properties: Properties
}

export interface RemoveResource {
  readonly kind: 'remove_resource'
  readonly resourceType: string
  readonly record: Pseudonym
}

export interface RecordConsent {
  readonly kind: 'record_consent'
  readonly patient: Pseudonym
  /** Absent: anybody. */
  readonly recipient?: SubjectReference
  /** Empty: all. */
  readonly resourceTypes: readonly string[]
  /** Empty: any. */
  readonly purposes: readonly string[]
  readonly decision: 'permit' | 'deny'
  readonly from?: number
  readonly until?: number
}

export interface WithdrawConsent {
  readonly kind: 'withdraw_consent'
  readonly consentId: string
}

/** About the person named, or, where the token names nobody, about the person it is for. */
export interface OpenEmergency {
  readonly kind: 'open_emergency'
  readonly subject: SubjectReference
  readonly patient: Pseudonym
  readonly purpose: 'BTG' | 'ETREAT'
  /** 0: as the clinic settled. */
  readonly minutes: number
}

export interface CloseEmergency {
  readonly kind: 'close_emergency'
  readonly emergencyId: string
}

export interface ReviewEmergency {
  readonly kind: 'review_emergency'
  readonly emergencyId: string
  readonly outcome: 'justified' | 'not_justified' | 'unclear'
}

export type AdministrativeCommand =
  | RegisterClinic
  | EnrolStaff
  | UpdateStaff
  | GrantRole
  | RevokeRole
  | Offboard
  | Reinstate
  | PutRole
  | RetireRole
  | PutSettings
  | RotateLogKey
  | PutCareTeam
  | RemoveCareTeam
  | ShareRecord
  | EndShare
  | PutSubject
  | RemoveSubject
  | PutResource
  | RemoveResource
  | RecordConsent
  | WithdrawConsent
  | OpenEmergency
  | CloseEmergency
  | ReviewEmergency

/** The contract's method of each command; its scope and what the named person needs are in `methodRules`. */
export const commandMethods = {
  register_clinic: 'chartwarden.access.v1.ClinicService/RegisterClinic',
  enrol_staff: 'chartwarden.access.v1.StaffService/EnrolStaff',
  update_staff: 'chartwarden.access.v1.StaffService/UpdateStaff',
  grant_role: 'chartwarden.access.v1.StaffService/GrantRole',
  revoke_role: 'chartwarden.access.v1.StaffService/RevokeRole',
  offboard: 'chartwarden.access.v1.StaffService/Offboard',
  reinstate: 'chartwarden.access.v1.StaffService/Reinstate',
  put_role: 'chartwarden.access.v1.PolicyService/PutRole',
  retire_role: 'chartwarden.access.v1.PolicyService/RetireRole',
  put_settings: 'chartwarden.access.v1.PolicyService/PutSettings',
  rotate_log_key: 'chartwarden.audit.v1.AuditService/RotateLogKey',
  put_care_team: 'chartwarden.access.v1.RelationshipService/PutCareTeam',
  remove_care_team: 'chartwarden.access.v1.RelationshipService/RemoveCareTeam',
  share_record: 'chartwarden.access.v1.RelationshipService/ShareRecord',
  end_share: 'chartwarden.access.v1.RelationshipService/EndShare',
  put_subject: 'chartwarden.access.v1.DirectoryService/PutSubject',
  remove_subject: 'chartwarden.access.v1.DirectoryService/RemoveSubject',
  put_resource: 'chartwarden.access.v1.DirectoryService/PutResource',
  remove_resource: 'chartwarden.access.v1.DirectoryService/RemoveResource',
  record_consent: 'chartwarden.access.v1.ConsentService/RecordConsent',
  withdraw_consent: 'chartwarden.access.v1.ConsentService/WithdrawConsent',
  open_emergency: 'chartwarden.access.v1.EmergencyService/Open',
  close_emergency: 'chartwarden.access.v1.EmergencyService/Close',
  review_emergency: 'chartwarden.access.v1.EmergencyService/Review',
} as const satisfies Record<AdministrativeCommand['kind'], MethodName>

/** An event to be written; the writer gives it id, time and the sealed part. */
export type PlannedEvent = {
  readonly [T in keyof EventData]: { readonly type: T; readonly data: Omit<EventData[T], 'sealed'> }
}[keyof EventData]

/** The state changes: append all events together. */
export interface Change {
  readonly kind: 'change'
  readonly events: readonly PlannedEvent[]
  /** Duties that came with the permission of the person named. */
  readonly obligations: readonly ObligationData[]
  /** From then on plan again. */
  readonly notAfter?: number
}

/** The person named may not, or a patient's directive refuses whoever asks: to be recorded as a deny of the person, or of the calling software. */
export interface Refusal {
  readonly kind: 'refused'
  readonly decision: AccessDecision
  readonly resourceType: string
  readonly action: string
  readonly patient?: Pseudonym
  readonly purpose?: string
}

/** The command cannot be carried out, whoever asks; nothing is recorded. */
export interface CommandError {
  readonly kind: 'error'
  readonly reason: ErrorReason
  readonly fields?: readonly FieldViolation[]
}

/** What the command asks for was done before and still holds: that entry is the answer, whoever asks anew. Nothing is recorded. */
export interface Standing {
  readonly kind: 'standing'
  readonly entryId: string
}

export type AdministrationOutcome = Change | Refusal | CommandError | Standing

export const commandError = (reason: ErrorReason): CommandError => ({ kind: 'error', reason })

export const malformed = (fields: readonly FieldViolation[]): CommandError => ({ kind: 'error', reason: 'INVALID_ARGUMENT', fields })
