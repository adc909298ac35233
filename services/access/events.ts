/**
 * The vocabulary: every event type that access writes, and the shape of its `data` (the sealed part apart). Type strings are ours and
 * carry a version; a changed shape is a new version with an upcast, never an edit. Persons, patients and records appear only as
 * pseudonyms. Times are RFC 3339 strings; intervals are [from, until).
 */
// biome-ignore lint/style/noExcessiveLinesPerFile: the vocabulary is one table that must be seen whole
import type { Pseudonym, Sealed } from '../audit/vault.ts'
import type { JsonValue } from '../kernel/canonical-json.ts'

/** A subject in an entry: its type is a code and stays readable. */
export interface SubjectReference {
  readonly type: string
  readonly pseudonym: Pseudonym
}

/** Who decided an administrative change: the person named, or the calling software alone. `rule` is what permitted it. */
export interface Actor {
  readonly subject?: SubjectReference
  readonly rule: string
}

interface Administrative {
  readonly actor: Actor
  /** Holds what the shape below names "sealed". */
  readonly sealed?: Sealed
}

export type Effect = 'permit' | 'limited' | 'forbid'

export interface Bound {
  /** `own_patients` and `shared` are checked; every other kind becomes an obligation of that type. */
  readonly kind: string
  readonly codes: readonly string[]
}

export interface Permission {
  /** Unique in its role. */
  readonly id: string
  /** A resource type or `*`. */
  readonly resource_type: string
  /** Actions, or `*`. */
  readonly actions: readonly string[]
  readonly effect: Effect
  readonly bounds: readonly Bound[]
  /** PurposeOfUse codes with their descendants (BTG by descent only where it forbids); empty: any. */
  readonly purposes: readonly string[]
  /** CEL; absent: none. */
  readonly condition?: string
}

/** Which labelled records a role reaches. */
export interface Clearance {
  /** Highest v3-Confidentiality code. */
  readonly confidentiality: Confidentiality
  /** v3-ActCode sensitivities with what lies below them, and EMP, VIP; `*`: all. */
  readonly sensitivities: readonly string[]
}

/** v3-Confidentiality, from unrestricted to very restricted. */
export type Confidentiality = 'U' | 'L' | 'M' | 'N' | 'R' | 'V'

/** What is said of a subject or resource for conditions: codes and numbers, readable for ever. */
export type Properties = { readonly [name: string]: JsonValue | undefined }

export interface ClinicRegistered {
  readonly title: string
  readonly time_zone: string
  readonly administrator: SubjectReference
}

/** sealed: { type, id } */
export interface IdentityIntroduced {
  readonly kind: 'subject' | 'patient'
  readonly type: string
  readonly pseudonym: Pseudonym
  readonly commit: string
  readonly sealed?: Sealed
}

/** sealed: { reason } */
export interface RoleDefined extends Administrative {
  readonly role: string
  readonly title: string
  readonly inherits: readonly string[]
  readonly permissions: readonly Permission[]
  /** Absent: normal records without sensitivities. */
  readonly clearance?: Clearance
}
export interface RoleRetired extends Administrative {
  readonly role: string
}

export interface StaffEnrolled extends Administrative {
  readonly subject: SubjectReference
  readonly own_patient?: Pseudonym
  readonly member_of: readonly SubjectReference[]
}

/** Replaces what enrolment said. */
export interface StaffUpdated extends Administrative {
  readonly subject: SubjectReference
  readonly own_patient?: Pseudonym
  readonly member_of: readonly SubjectReference[]
}

/** sealed: { reason } */
export interface StaffOffboarded extends Administrative {
  readonly subject: SubjectReference
  /** When employment ended; access and cut-off end at the entry itself. */
  readonly effective: string
  readonly unknown_subject: boolean
  /** `digest` is SHA-256 (base64url) over the canonical JSON of the sorted ids that ended. */
  readonly ended: {
    readonly grants: number
    readonly shares: number
    readonly relationships: number
    /** Absent: none. */
    readonly emergencies?: number
    readonly digest: string
  }
}

/** sealed: { reason } */
export interface StaffReinstated extends Administrative {
  readonly subject: SubjectReference
  /** Organisations from now on: offboarding ended the memberships held before. Absent: none. */
  readonly member_of?: readonly SubjectReference[]
}

/** The entry's id is the grant id. sealed: { reason } */
export interface RoleGranted extends Administrative {
  readonly subject: SubjectReference
  readonly role: string
  /** Absent: from this entry on. */
  readonly from?: string
  readonly until?: string
  /** `self_granted` when the only administrator grants to himself. */
  readonly flags: readonly string[]
}

/** sealed: { reason } */
export interface RoleRevoked extends Administrative {
  readonly subject: SubjectReference
  readonly role: string
  readonly grant_ids: readonly string[]
}

/** A grant whose `until` has passed; it gave nothing from `until` on, whether this entry stood or not. */
export interface RoleExpired {
  readonly subject: SubjectReference
  readonly role: string
  readonly grant_id: string
  readonly until: string
}

export interface CareTeamJoined extends Administrative {
  readonly patient: Pseudonym
  readonly subject: SubjectReference
  readonly from?: string
  readonly until?: string
}
export interface CareTeamLeft extends Administrative {
  readonly patient: Pseudonym
  readonly subject: SubjectReference
}

export interface CareTeamExpired {
  readonly patient: Pseudonym
  readonly subject: SubjectReference
  readonly until: string
}

/** The entry's id is the share id. sealed: { resource_ids } */
export interface RecordShared extends Administrative {
  readonly recipient: SubjectReference
  readonly patient: Pseudonym
  readonly resource_types: readonly string[]
  /** Pseudonyms of the records (kind `record`, type = resource type), one for each type and id; absent: every record of those types. */
  readonly records?: readonly Pseudonym[]
  readonly actions: readonly string[]
  readonly purpose: string
  readonly until: string
}

/** sealed: { reason } */
export interface ShareEnded extends Administrative {
  readonly share_id: string
}

export interface ShareExpired {
  readonly share_id: string
  readonly recipient: SubjectReference
  readonly patient: Pseudonym
  readonly until: string
}

/** What staff may do with their own patient record. */
export type OwnRecord = 'deny' | 'read' | 'as_roles_permit'

/** What emergency access may override. */
export type EmergencyOverride = 'consent' | 'confidentiality' | 'permissions'

/** What a clinic settles beside its roles. sealed: { reason } */
export interface SettingsChanged extends Administrative {
  readonly own_record: OwnRecord
  /** Resource types that the protection of employees and VIPs leaves open. */
  readonly open_resource_types: readonly string[]
  /** Resource types, or `*`, that go to a third party only with the patient's consent. */
  readonly consent_to_share: readonly string[]
  readonly emergency: {
    readonly disabled: boolean
    readonly overrides: readonly EmergencyOverride[]
    readonly default_minutes: number
    readonly max_minutes: number
    readonly review_hours: number
    /** Resource types it reaches. An entry from before there was such a choice lacks this and the two below: the defaults hold then. */
    readonly resource_types?: readonly string[]
    /** Actions that need no role. */
    readonly read_actions?: readonly string[]
    /** Further actions, as far as a role of the person has them. */
    readonly write_actions?: readonly string[]
  }
}

export interface SubjectDescribed extends Administrative {
  readonly subject: SubjectReference
  readonly properties: Properties
}
export interface SubjectRemoved extends Administrative {
  readonly subject: SubjectReference
}

/** sealed: { resource_id } */
export interface ResourceDescribed extends Administrative {
  readonly resource_type: string
  /** Pseudonym of kind `record`; of a resource of type `patient` that of the patient. */
  readonly record: Pseudonym
  readonly patient?: Pseudonym
  readonly confidentiality: Confidentiality
  readonly sensitivities: readonly string[]
  readonly properties: Properties
}
/** sealed: { reason } */
export interface ResourceRemoved extends Administrative {
  readonly resource_type: string
  readonly record: Pseudonym
  readonly patient?: Pseudonym
}

/** The entry's id is the consent id. sealed: { reason } */
export interface ConsentRecorded extends Administrative {
  readonly patient: Pseudonym
  /** Absent: anybody. */
  readonly recipient?: SubjectReference
  /** Empty: all. */
  readonly resource_types: readonly string[]
  /** PurposeOfUse codes with their descendants (BTG by descent only where it denies); empty: any. */
  readonly purposes: readonly string[]
  readonly decision: 'permit' | 'deny'
  readonly from?: string
  readonly until?: string
}
/** sealed: { reason } */
export interface ConsentWithdrawn extends Administrative {
  readonly consent_id: string
  readonly patient: Pseudonym
}
export interface ConsentExpired {
  readonly consent_id: string
  readonly patient: Pseudonym
  readonly until: string
}

/** The entry's id is the emergency id. sealed: { reason } */
export interface EmergencyOpened extends Administrative {
  readonly subject: SubjectReference
  readonly patient: Pseudonym
  readonly purpose: 'BTG' | 'ETREAT'
  readonly until: string
  readonly review_due: string
}
/** Closed by somebody, or by itself once `until` had passed (`cause` expired). sealed: { reason } */
export interface EmergencyClosed extends Administrative {
  readonly emergency_id: string
  readonly subject: SubjectReference
  readonly patient: Pseudonym
  readonly cause: 'closed' | 'expired'
}
/** sealed: { note } */
export interface EmergencyReviewed extends Administrative {
  readonly emergency_id: string
  readonly subject: SubjectReference
  readonly patient: Pseudonym
  readonly outcome: 'justified' | 'not_justified' | 'unclear'
}

export interface ObligationData {
  readonly id: string
  readonly type: string
  readonly properties: { readonly codes?: readonly string[] }
}

/**
 * sealed: { resource_id, reason?, session_id?, supported_obligations?, attributes?, absent?, too_long?, incomplete? }; `attributes` are the
 * values of those the policy named, by path, and of labels that were stated; `absent` the paths it named that had none, `too_long` those
 * whose value was not kept for its size. `incomplete`: the policy named more paths than an entry has room for; of one that stands nowhere
 * nothing is known. Without any of them the policy named none.
 */
export interface AccessDecided {
  readonly decision: 'permit' | 'deny'
  readonly reason_code: string
  /** Empty when no rule decided. */
  readonly rule: string
  readonly obligations: readonly ObligationData[]
  readonly intent: 'access' | 'probe'
  readonly subject: SubjectReference
  readonly action: string
  readonly resource_type: string
  readonly patient?: Pseudonym
  readonly purpose: string
  /** Roles in force for the subject at the decision, sorted. */
  readonly roles: readonly string[]
  readonly session?: { readonly issued_at?: string; readonly method?: string }
  /** State revision it rests on. */
  readonly state_revision: number
  /** For `stale_request`: the entry of the permit that no longer holds. */
  readonly supersedes?: string
  /** For a refused administrative, sharing or reporting call: its operation, e.g. `grant_role`. */
  readonly operation?: string
  /** The caller stated properties that took the place of stored ones. */
  readonly override?: true
  /** For a permit by emergency access: what would have been the answer without it. */
  readonly overrode?: { readonly reason_code: string; readonly rule: string }
  readonly sealed?: Sealed
}

/** sealed: { resource_id, reason?, source? } */
export interface AccessRecorded {
  readonly subject: SubjectReference
  readonly action: string
  readonly resource_type: string
  readonly patient?: Pseudonym
  /** `UNSTATED` when none was given. */
  readonly purpose: string
  readonly occurred_at: string
  readonly decision_entry_id?: string
  /** `purpose_unstated`, `future_dated`. */
  readonly flags: readonly string[]
  readonly sealed?: Sealed
}

/** Whether an accounting must show a disclosure, 45 CFR 164.528(a)(1): everything but `accountable` may be left out. */
export type DisclosureCategory =
  | 'accountable'
  | 'treatment_payment_operations'
  | 'to_individual'
  | 'incidental'
  | 'authorized'
  | 'directory'
  | 'national_security'
  | 'custodial'
  | 'limited_data_set'

/** sealed: { recipient_name, recipient_address?, description, purpose, source? } */
export interface DisclosureRecorded {
  readonly patient: Pseudonym
  readonly recorded_by: SubjectReference
  readonly disclosed_at: string
  readonly category: DisclosureCategory
  /** The same for the same patient, recipient and purpose, so that repeats can be grouped; tells nothing else. */
  readonly series: Pseudonym
  /** Kept out of the patient's accounting until then, 45 CFR 164.528(a)(2). */
  readonly suspended_until?: string
  /** `future_dated`. */
  readonly flags: readonly string[]
  readonly sealed?: Sealed
}

/** A concern of a patient, or an answer to one. The entry's id is the concern's. sealed: { text } */
export interface ConcernRecorded {
  readonly patient: Pseudonym
  readonly recorded_by: SubjectReference
  readonly kind: 'dispute' | 'correction' | 'complaint' | 'answer'
  /** The entry it stands beside. */
  readonly about_entry_id?: string
  /** Of an answer: the concern. */
  readonly concern_id?: string
  /** Of an answer. */
  readonly outcome?: 'accepted' | 'partly_accepted' | 'denied' | 'withdrawn' | 'pending'
  readonly raised_at: string
  /** `future_dated`; absent: none. */
  readonly flags?: readonly string[]
  readonly sealed?: Sealed
}

/** Reading the audit log is itself an access. sealed: { filter } under the key of the person reading, when one is named. */
export interface TrailViewed {
  readonly actor: Actor
  /** `access_history`, `role_grants`, `offboardings`, `read_entries`, `get_entry`, … */
  readonly query: string
  readonly streamed: boolean
  readonly subject?: SubjectReference
  readonly patient?: Pseudonym
  readonly sealed?: Sealed
}

/** In `_system`: refusals that belong to no clinic, or in a clinic's ledger: valid tokens without the scope. Counted over a second. */
export interface RefusalsSummarised {
  readonly from: string
  readonly until: string
  readonly refusals: readonly {
    readonly reason: string
    readonly caller: string
    readonly clinic: string
    readonly address: string
    readonly count: number
  }[]
}

/** A ledger was read again and compared with its log. `faults`: the first of them, as `verification.md` names their kinds. */
export interface LedgerChecked {
  /** Entries read, decimal. */
  readonly size: string
  /** Root of the tree of these, base64. */
  readonly root: string
  /** Size of the checkpoint it was compared with, decimal; absent: none was published. */
  readonly checkpoint_size?: string
  readonly result: 'intact' | 'damaged'
  readonly faults: readonly { readonly kind: string; readonly revision: string }[]
  /** What was compared besides: `state`, `projections`. */
  readonly compared: readonly string[]
  readonly cause: 'schedule' | 'asked'
}

/** In `_system`: the newest backup was restored into a scratch database, and compared there with what was signed; or that failed. */
export interface BackupDrilled {
  /** Number of the backup; absent: there was none that could be opened. */
  readonly backup?: number
  /** Ledger time it was made at. */
  readonly backed_up_at?: string
  /** Of the entries in it, and of the bytes that were read of it, decimal. */
  readonly entries: string
  readonly bytes: string
  /** Ledgers, this one among them. */
  readonly clinics: number
  /** From the first object read to the last entry verified, scratch database included. */
  readonly duration_ms: number
  readonly result: 'restored' | 'failed'
  /** What is wrong with it, as docs/reference/backup-format.md names it; absent: nothing. */
  readonly fault?: string
  readonly cause: 'schedule' | 'asked'
}

/** The log of the clinic has a new key; those before it sign beside it until they retire. */
export interface LogKeyAdded {
  readonly actor: Actor
  /** C2SP signed-note verifier key. */
  readonly verifier_key: string
  readonly retiring: readonly string[]
  readonly retire_at: string
}

/** The log was begun anew under another origin: what the one before had signed can no longer be continued. */
export interface LogRestarted {
  readonly retired_origin: string
  readonly origin: string
  /** What the retired one had signed last: decimal, base64. */
  readonly signed_size: string
  readonly signed_root: string
  readonly cause: 'restored_backup' | 'lost_failover' | 'damaged' | 'other'
}

/** The entries before this one were imported from another installation's export. */
export interface LedgerImported {
  readonly actor: Actor
  readonly size: string
  readonly root: string
  readonly origin: string
}

/** The clinic's keys were handed out, encrypted to a recipient: whoever holds its identity reads everything that is not erased. */
export interface KeysExported {
  readonly actor: Actor
  /** SHA-256 of the recipient, base64url. */
  readonly recipient: string
}

export interface EventData {
  readonly 'chartwarden.clinic.registered.v1': ClinicRegistered
  readonly 'chartwarden.identity.introduced.v1': IdentityIntroduced
  readonly 'chartwarden.role.defined.v2': RoleDefined
  readonly 'chartwarden.role.retired.v1': RoleRetired
  readonly 'chartwarden.staff.enrolled.v1': StaffEnrolled
  readonly 'chartwarden.staff.updated.v1': StaffUpdated
  readonly 'chartwarden.staff.offboarded.v1': StaffOffboarded
  readonly 'chartwarden.staff.reinstated.v1': StaffReinstated
  readonly 'chartwarden.role.granted.v1': RoleGranted
  readonly 'chartwarden.role.revoked.v1': RoleRevoked
  readonly 'chartwarden.careteam.joined.v1': CareTeamJoined
  readonly 'chartwarden.careteam.left.v1': CareTeamLeft
  readonly 'chartwarden.record.shared.v1': RecordShared
  readonly 'chartwarden.share.ended.v1': ShareEnded
  readonly 'chartwarden.role.expired.v1': RoleExpired
  readonly 'chartwarden.careteam.expired.v1': CareTeamExpired
  readonly 'chartwarden.share.expired.v1': ShareExpired
  readonly 'chartwarden.settings.changed.v1': SettingsChanged
  readonly 'chartwarden.subject.described.v1': SubjectDescribed
  readonly 'chartwarden.subject.removed.v1': SubjectRemoved
  readonly 'chartwarden.resource.described.v1': ResourceDescribed
  readonly 'chartwarden.resource.removed.v1': ResourceRemoved
  readonly 'chartwarden.consent.recorded.v1': ConsentRecorded
  readonly 'chartwarden.consent.withdrawn.v1': ConsentWithdrawn
  readonly 'chartwarden.consent.expired.v1': ConsentExpired
  readonly 'chartwarden.emergency.opened.v1': EmergencyOpened
  readonly 'chartwarden.emergency.closed.v1': EmergencyClosed
  readonly 'chartwarden.emergency.reviewed.v1': EmergencyReviewed
  readonly 'chartwarden.access.decided.v1': AccessDecided
  readonly 'chartwarden.access.recorded.v1': AccessRecorded
  readonly 'chartwarden.disclosure.recorded.v1': DisclosureRecorded
  readonly 'chartwarden.concern.recorded.v1': ConcernRecorded
  readonly 'chartwarden.trail.viewed.v1': TrailViewed
  readonly 'chartwarden.refusals.summarised.v1': RefusalsSummarised
  readonly 'chartwarden.ledger.checked.v1': LedgerChecked
  readonly 'chartwarden.backup.drilled.v1': BackupDrilled
  readonly 'chartwarden.ledger.imported.v1': LedgerImported
  readonly 'chartwarden.log.keyadded.v1': LogKeyAdded
  readonly 'chartwarden.log.restarted.v1': LogRestarted
  readonly 'chartwarden.keys.exported.v1': KeysExported
}

export type EventType = keyof EventData

/** One event of the vocabulary with its place in the ledger. */
export type AccessEvent = {
  readonly [T in EventType]: {
    readonly type: T
    readonly id: string
    readonly revision: bigint
    /** Ledger time, milliseconds since the epoch. */
    readonly time: number
    readonly caller: string
    readonly data: EventData[T]
  }
}[EventType]

/** Whether a type changes the state that decisions rest on. */
export const stateChanging: Readonly<Record<EventType, boolean>> = {
  'chartwarden.clinic.registered.v1': true,
  'chartwarden.identity.introduced.v1': false,
  'chartwarden.role.defined.v2': true,
  'chartwarden.role.retired.v1': true,
  'chartwarden.staff.enrolled.v1': true,
  'chartwarden.staff.updated.v1': true,
  'chartwarden.staff.offboarded.v1': true,
  'chartwarden.staff.reinstated.v1': true,
  'chartwarden.role.granted.v1': true,
  'chartwarden.role.revoked.v1': true,
  'chartwarden.careteam.joined.v1': true,
  'chartwarden.careteam.left.v1': true,
  'chartwarden.record.shared.v1': true,
  'chartwarden.share.ended.v1': true,
  'chartwarden.role.expired.v1': true,
  'chartwarden.careteam.expired.v1': true,
  'chartwarden.share.expired.v1': true,
  'chartwarden.settings.changed.v1': true,
  'chartwarden.subject.described.v1': true,
  'chartwarden.subject.removed.v1': true,
  'chartwarden.resource.described.v1': true,
  'chartwarden.resource.removed.v1': true,
  'chartwarden.consent.recorded.v1': true,
  'chartwarden.consent.withdrawn.v1': true,
  'chartwarden.consent.expired.v1': true,
  'chartwarden.emergency.opened.v1': true,
  'chartwarden.emergency.closed.v1': true,
  'chartwarden.emergency.reviewed.v1': true,
  'chartwarden.access.decided.v1': false,
  'chartwarden.access.recorded.v1': false,
  'chartwarden.disclosure.recorded.v1': false,
  'chartwarden.concern.recorded.v1': false,
  'chartwarden.trail.viewed.v1': false,
  'chartwarden.refusals.summarised.v1': false,
  'chartwarden.ledger.checked.v1': false,
  'chartwarden.backup.drilled.v1': false,
  'chartwarden.ledger.imported.v1': false,
  'chartwarden.log.keyadded.v1': false,
  'chartwarden.log.restarted.v1': false,
  'chartwarden.keys.exported.v1': false,
}
