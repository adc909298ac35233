/** What a token may be for. The published table of methods and scopes is `methodRules`. */
export const scopes = {
  'access.check': 'Ask for decisions.',
  'access.record': 'Record accesses that took place.',
  'disclosure.record': 'Record disclosures outside the clinic.',
  'concern.record': 'Record what patients dispute, ask to correct or complain of, and the answers.',
  act: "Name a person in on_behalf_of; the person is decided against that person's own roles. Such a token must name one on each administrative, sharing or reporting call.",
  'clinic.register': 'Register clinics; exempt from naming the clinic.',
  'staff.read': 'Read staff and what they hold.',
  'staff.write': 'Enrol and reinstate staff, grant and revoke roles.',
  'staff.offboard': "End a person's access.",
  'policy.read': 'Read roles and settings.',
  'policy.write': 'Define and retire roles, change settings.',
  'policy.explain': 'Ask why, who can and what somebody can.',
  'policy.simulate': 'Decide with a proposed policy without applying it; recorded decisions need `audit.unseal` too.',
  'relationship.write': 'Change care teams and shares.',
  'consent.read': 'Read what patients decided.',
  'consent.write': 'Record and withdraw consents.',
  'emergency.use': 'Open and close emergency access.',
  'emergency.review': 'List and review emergency accesses.',
  'directory.read': 'Read descriptions of subjects and resources.',
  'directory.write': 'Describe subjects and resources.',
  'audit.read': 'Read entries.',
  'audit.unseal': 'See free text and the sealed parts of entries.',
  'report.read': 'Query reports.',
  'directory.override': 'Let properties of a request override stored ones.',
  'ledger.verify': 'Fetch checkpoints, tiles and proofs; have a ledger checked.',
  'ledger.operate': 'Add keys to the logs of clinics.',
  'ledger.export': 'Export entries with their proofs.',
  'ledger.keys': "Export a clinic's keys, encrypted to a recipient; needs `ledger.export` too.",
} as const

export type Scope = keyof typeof scopes

export const isScope = (text: string): text is Scope => Object.hasOwn(scopes, text)

/**
 * What a person named in on_behalf_of must hold, as a permission on the person's own roles. `own_or_review`: an emergency access of the
 * person's own, or the permission to review.
 */
export type PersonNeeds = { readonly resourceType: string; readonly action: string } | 'share_of_each_type' | 'own_or_review' | 'nothing'

export interface MethodRule {
  /** What the token must be for. */
  readonly scope: Scope
  /** What a person named in on_behalf_of must hold. */
  readonly person: PersonNeeds
}

const staffAccount = { resourceType: 'staff_account', action: 'update' } as const
const clinicSettings = { resourceType: 'clinic_settings', action: 'update' } as const
const careTeam = { resourceType: 'care_team', action: 'update' } as const
const auditLog = { resourceType: 'audit_log', action: 'read' } as const
const directory = { resourceType: 'directory', action: 'update' } as const
const consentUpdate = { resourceType: 'consent', action: 'update' } as const
const consentRead = { resourceType: 'consent', action: 'read' } as const
const emergencyOpen = { resourceType: 'emergency_access', action: 'open' } as const
const emergencyReview = { resourceType: 'emergency_access', action: 'review' } as const

/**
 * Method (`package.Service/Method`) → scope of the token → what the named person needs (docs/explanation/deciding.md). Simulate over
 * recorded decisions opens their sealed parts: it needs the scope `audit.unseal` too, and of the person the right to read the audit log. PatientReport with names needs of the person the right to
 * read staff accounts too.
 */
export const methodRules = {
  'chartwarden.access.v1.AccessService/Check': { scope: 'access.check', person: 'nothing' },
  'chartwarden.access.v1.AccessService/CheckBatch': { scope: 'access.check', person: 'nothing' },
  'chartwarden.access.v1.AccessService/CheckStream': { scope: 'access.check', person: 'nothing' },
  'chartwarden.access.v1.AccessService/Explain': { scope: 'policy.explain', person: auditLog },
  'chartwarden.access.v1.AccessService/WhoCan': { scope: 'policy.explain', person: auditLog },
  'chartwarden.access.v1.AccessService/WhatCan': { scope: 'policy.explain', person: auditLog },
  'chartwarden.access.v1.ClinicService/RegisterClinic': { scope: 'clinic.register', person: 'nothing' },
  'chartwarden.access.v1.ClinicService/ListClinics': { scope: 'staff.read', person: 'nothing' },
  'chartwarden.access.v1.StaffService/EnrolStaff': { scope: 'staff.write', person: staffAccount },
  'chartwarden.access.v1.StaffService/UpdateStaff': { scope: 'staff.write', person: staffAccount },
  'chartwarden.access.v1.StaffService/GrantRole': { scope: 'staff.write', person: staffAccount },
  'chartwarden.access.v1.StaffService/RevokeRole': { scope: 'staff.write', person: staffAccount },
  'chartwarden.access.v1.StaffService/Offboard': { scope: 'staff.offboard', person: staffAccount },
  'chartwarden.access.v1.StaffService/Reinstate': { scope: 'staff.write', person: staffAccount },
  'chartwarden.access.v1.StaffService/GetStaff': { scope: 'staff.read', person: staffAccount },
  'chartwarden.access.v1.StaffService/ListStaff': { scope: 'staff.read', person: staffAccount },
  'chartwarden.access.v1.PolicyService/PutRole': { scope: 'policy.write', person: clinicSettings },
  'chartwarden.access.v1.PolicyService/RetireRole': { scope: 'policy.write', person: clinicSettings },
  'chartwarden.access.v1.PolicyService/ListRoles': { scope: 'policy.read', person: 'nothing' },
  'chartwarden.access.v1.PolicyService/PutSettings': { scope: 'policy.write', person: clinicSettings },
  'chartwarden.access.v1.PolicyService/GetSettings': { scope: 'policy.read', person: 'nothing' },
  'chartwarden.access.v1.PolicyService/Simulate': { scope: 'policy.simulate', person: clinicSettings },
  'chartwarden.access.v1.RelationshipService/PutCareTeam': { scope: 'relationship.write', person: careTeam },
  'chartwarden.access.v1.RelationshipService/RemoveCareTeam': { scope: 'relationship.write', person: careTeam },
  'chartwarden.access.v1.RelationshipService/ShareRecord': { scope: 'relationship.write', person: 'share_of_each_type' },
  'chartwarden.access.v1.RelationshipService/EndShare': { scope: 'relationship.write', person: 'share_of_each_type' },
  'chartwarden.access.v1.DirectoryService/PutSubject': { scope: 'directory.write', person: staffAccount },
  'chartwarden.access.v1.DirectoryService/RemoveSubject': { scope: 'directory.write', person: staffAccount },
  'chartwarden.access.v1.DirectoryService/GetSubject': { scope: 'directory.read', person: staffAccount },
  'chartwarden.access.v1.DirectoryService/PutResource': { scope: 'directory.write', person: directory },
  'chartwarden.access.v1.DirectoryService/RemoveResource': { scope: 'directory.write', person: directory },
  'chartwarden.access.v1.DirectoryService/GetResource': { scope: 'directory.read', person: directory },
  'chartwarden.access.v1.ConsentService/RecordConsent': { scope: 'consent.write', person: consentUpdate },
  'chartwarden.access.v1.ConsentService/WithdrawConsent': { scope: 'consent.write', person: consentUpdate },
  'chartwarden.access.v1.ConsentService/ListConsents': { scope: 'consent.read', person: consentRead },
  'chartwarden.access.v1.EmergencyService/Open': { scope: 'emergency.use', person: emergencyOpen },
  'chartwarden.access.v1.EmergencyService/Close': { scope: 'emergency.use', person: 'own_or_review' },
  'chartwarden.access.v1.EmergencyService/Review': { scope: 'emergency.review', person: emergencyReview },
  'chartwarden.access.v1.EmergencyService/ListUnreviewed': { scope: 'emergency.review', person: emergencyReview },
  'chartwarden.audit.v1.AuditService/RecordAccess': { scope: 'access.record', person: 'nothing' },
  'chartwarden.audit.v1.AuditService/RecordAccessBatch': { scope: 'access.record', person: 'nothing' },
  'chartwarden.audit.v1.AuditService/RecordDisclosure': { scope: 'disclosure.record', person: 'nothing' },
  'chartwarden.audit.v1.AuditService/RecordConcern': { scope: 'concern.record', person: 'nothing' },
  'chartwarden.audit.v1.AuditService/GetEntry': { scope: 'audit.read', person: auditLog },
  'chartwarden.audit.v1.AuditService/ReadEntries': { scope: 'audit.read', person: auditLog },
  'chartwarden.audit.v1.AuditService/GetCheckpoint': { scope: 'ledger.verify', person: 'nothing' },
  'chartwarden.audit.v1.AuditService/ProveInclusion': { scope: 'ledger.verify', person: 'nothing' },
  'chartwarden.audit.v1.AuditService/ProveConsistency': { scope: 'ledger.verify', person: 'nothing' },
  'chartwarden.audit.v1.AuditService/AwaitReceipt': { scope: 'ledger.verify', person: 'nothing' },
  'chartwarden.audit.v1.AuditService/RotateLogKey': { scope: 'ledger.operate', person: clinicSettings },
  'chartwarden.audit.v1.AuditService/CheckLedger': { scope: 'ledger.verify', person: 'nothing' },
  'chartwarden.audit.v1.AuditService/ExportEntries': { scope: 'ledger.export', person: auditLog },
  'chartwarden.audit.v1.AuditService/ImportLedger': { scope: 'clinic.register', person: 'nothing' },
  'chartwarden.report.v1.ReportService/AccessHistory': { scope: 'report.read', person: auditLog },
  'chartwarden.report.v1.ReportService/StreamAccessHistory': { scope: 'report.read', person: auditLog },
  'chartwarden.report.v1.ReportService/RoleGrants': { scope: 'report.read', person: auditLog },
  'chartwarden.report.v1.ReportService/Offboardings': { scope: 'report.read', person: auditLog },
  'chartwarden.report.v1.ReportService/Summary': { scope: 'report.read', person: auditLog },
  'chartwarden.report.v1.ReportService/PatientReport': { scope: 'report.read', person: auditLog },
  'chartwarden.report.v1.ReportService/StaffActivity': { scope: 'report.read', person: auditLog },
  'chartwarden.report.v1.ReportService/AccountScope': { scope: 'report.read', person: auditLog },
  'chartwarden.report.v1.ReportService/Disclosures': { scope: 'report.read', person: auditLog },
  'chartwarden.report.v1.ReportService/EmergencyReviews': { scope: 'report.read', person: auditLog },
  'chartwarden.report.v1.ReportService/Concerns': { scope: 'report.read', person: auditLog },
  'chartwarden.report.v1.ReportService/StreamReport': { scope: 'report.read', person: auditLog },
  'chartwarden.report.v1.ReportService/WatchAccess': { scope: 'report.read', person: auditLog },
} as const satisfies Record<string, MethodRule>

export type MethodName = keyof typeof methodRules
