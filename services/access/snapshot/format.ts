/**
 * What a snapshot holds: lines of JSON, each a part of the state or a piece of one, as columns: reading those costs half of what reading
 * rows does. Strings, lists and references that come again and again are written once, ahead of the first row that needs them, and named by
 * their place. Whatever can be worked out again from the rest is left out: what roles effectively permit, compiled conditions, the purposes
 * that a consent covers.
 */
import type { Pseudonym } from '../../audit/vault.ts'
import type { Properties } from '../events.ts'
import type { RoleDefinition } from '../policy/roles.ts'
import type { ConsentState } from '../state/consents.ts'
import type { EmergencyState } from '../state/emergencies.ts'
import type { Settings } from '../state/settings.ts'
import type { SubjectStatus } from '../state/subjects.ts'
import type { ClinicState } from '../state.ts'

/**
 * Raised whenever the shape below, or what the fold makes of an entry, changes. A snapshot of another format is not opened, and the state is
 * folded from the ledger again.
 */
export const snapshotFormat = 2

/** Place in the names, lists or references written so far, or among the rows of a part. */
export type Place = number

/** Milliseconds since the epoch; null where there is none; text where it is no number (JSON has none), which must not become "none". */
export type TimeCell = number | string | null

export interface Header {
  readonly format: number
  readonly revision: string
  /** SHA-256 (base64url) of the entry at that revision: the snapshot belongs to the ledger that has this very entry there. */
  readonly anchor: string
  readonly clinic: NonNullable<ClinicState['clinic']> | null
  readonly settings: Settings
}

export interface ReferenceRow {
  readonly type: string
  readonly pseudonym: Pseudonym
}

export interface SubjectRow {
  readonly reference: Place
  readonly status: SubjectStatus
  readonly known: boolean
  readonly ownPatient: Place | null
  readonly memberOf: readonly Place[]
  readonly cutOff: TimeCell
  readonly offboarding: string | null
}

interface PeriodRow {
  readonly from: TimeCell
  readonly until: TimeCell
}

export interface GrantRow extends PeriodRow {
  readonly id: string
  readonly subject: Place
  readonly role: Place
  readonly grantor: Place | null
  readonly revision: string
}

export interface MembershipRow extends PeriodRow {
  readonly subject: Place
  readonly patient: Place
}

export interface ShareRow {
  readonly id: string
  readonly recipient: Place
  readonly patient: Place
  readonly resourceTypes: Place
  /** How many of the records are its own, in order; null: every record. */
  readonly recordCount: number | null
  readonly actions: Place
  readonly purpose: Place
  readonly until: TimeCell
}

export interface DescribedSubjectRow {
  readonly subject: Place
  readonly properties: Properties
}

export interface ResourceRow {
  readonly record: Pseudonym
  readonly resourceType: Place
  readonly patient: Place | null
  readonly confidentiality: Place
  readonly sensitivities: Place
  readonly properties: Properties
  readonly entryId: string
}

export interface ConsentRow extends PeriodRow {
  readonly id: string
  readonly patient: Place
  readonly recipient: Place | null
  readonly resourceTypes: Place | null
  readonly purposes: Place
  readonly decision: ConsentState['decision']
}

export interface EmergencyRow extends PeriodRow {
  readonly id: string
  readonly subject: Place
  readonly patient: Place
  readonly purpose: EmergencyState['purpose']
  readonly closed: boolean
  readonly reviewDue: TimeCell
}

/** Rows, column by column; all columns are of one length. */
export type Columns<Row> = { readonly [Column in keyof Row]: readonly Row[Column][] }

/** The parts that are rows. */
export interface RowParts {
  readonly references: ReferenceRow
  readonly subjects: SubjectRow
  readonly grants: GrantRow
  readonly memberships: MembershipRow
  readonly shares: ShareRow
  readonly describedSubjects: DescribedSubjectRow
  readonly resources: ResourceRow
  readonly consents: ConsentRow
  readonly emergencies: EmergencyRow
  readonly reviewedEmergencies: EmergencyRow
}

/**
 * The state's indexes have each an order of their own, which lists made from them follow: `…Order` are places among the rows of a part, in
 * the order of its second index.
 */
export type Parts = { readonly [P in keyof RowParts]: Columns<RowParts[P]> } & {
  readonly header: Header
  readonly names: readonly string[]
  readonly lists: readonly (readonly string[])[]
  readonly roles: readonly RoleDefinition[]
  readonly grantOrder: readonly Place[]
  /** Of the shares of the line after it. */
  readonly sharedRecords: readonly Pseudonym[]
  readonly shareOrder: readonly Place[]
  readonly recipients: readonly Place[]
  readonly consentOrder: readonly Place[]
  readonly emergencyOrder: readonly Place[]
  readonly employeePatients: readonly Place[]
}

export type Part = keyof Parts
