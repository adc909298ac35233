/** What a token may be for. The published table of methods and scopes is `methodRules`. */
export const scopes = {
  'access.check': 'Ask for decisions.',
  'access.record': 'Record accesses that took place.',
  act: "Name a person in on_behalf_of; the person is decided against that person's own roles. Such a token must name one on each administrative, sharing or reporting call.",
  'clinic.register': 'Register clinics; exempt from naming the clinic.',
  'staff.read': 'Read staff and what they hold.',
  'staff.write': 'Enrol and reinstate staff, grant and revoke roles.',
  'staff.offboard': "End a person's access.",
  'policy.read': 'Read roles.',
  'policy.write': 'Define and retire roles.',
  'relationship.write': 'Change care teams and shares.',
  'audit.read': 'Read entries.',
  'audit.unseal': 'See free text and the sealed parts of entries.',
  'report.read': 'Query reports.',
  'directory.override': 'Let properties of a request override stored ones.',
  'ledger.verify': 'Fetch checkpoints, tiles and proofs.',
} as const

export type Scope = keyof typeof scopes

export const isScope = (text: string): text is Scope => Object.hasOwn(scopes, text)

/** What a person named in on_behalf_of must hold, as a permission on the person's own roles. */
export type PersonNeeds = { readonly resourceType: string; readonly action: string } | 'share_of_each_type' | 'nothing'

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

/** Method (`package.Service/Method`) → scope of the token → what the named person needs (design, section 7). */
export const methodRules = {
  'chartwarden.access.v1.AccessService/Check': { scope: 'access.check', person: 'nothing' },
  'chartwarden.access.v1.AccessService/CheckBatch': { scope: 'access.check', person: 'nothing' },
  'chartwarden.access.v1.AccessService/CheckStream': { scope: 'access.check', person: 'nothing' },
  'chartwarden.access.v1.ClinicService/RegisterClinic': { scope: 'clinic.register', person: 'nothing' },
  'chartwarden.access.v1.ClinicService/ListClinics': { scope: 'staff.read', person: 'nothing' },
  'chartwarden.access.v1.StaffService/EnrolStaff': { scope: 'staff.write', person: staffAccount },
  'chartwarden.access.v1.StaffService/GrantRole': { scope: 'staff.write', person: staffAccount },
  'chartwarden.access.v1.StaffService/RevokeRole': { scope: 'staff.write', person: staffAccount },
  'chartwarden.access.v1.StaffService/Offboard': { scope: 'staff.offboard', person: staffAccount },
  'chartwarden.access.v1.StaffService/Reinstate': { scope: 'staff.write', person: staffAccount },
  'chartwarden.access.v1.StaffService/GetStaff': { scope: 'staff.read', person: staffAccount },
  'chartwarden.access.v1.StaffService/ListStaff': { scope: 'staff.read', person: staffAccount },
  'chartwarden.access.v1.PolicyService/PutRole': { scope: 'policy.write', person: clinicSettings },
  'chartwarden.access.v1.PolicyService/RetireRole': { scope: 'policy.write', person: clinicSettings },
  'chartwarden.access.v1.PolicyService/ListRoles': { scope: 'policy.read', person: 'nothing' },
  'chartwarden.access.v1.RelationshipService/PutCareTeam': { scope: 'relationship.write', person: careTeam },
  'chartwarden.access.v1.RelationshipService/RemoveCareTeam': { scope: 'relationship.write', person: careTeam },
  'chartwarden.access.v1.RelationshipService/ShareRecord': { scope: 'relationship.write', person: 'share_of_each_type' },
  'chartwarden.access.v1.RelationshipService/EndShare': { scope: 'relationship.write', person: 'share_of_each_type' },
  'chartwarden.audit.v1.AuditService/RecordAccess': { scope: 'access.record', person: 'nothing' },
  'chartwarden.audit.v1.AuditService/RecordAccessBatch': { scope: 'access.record', person: 'nothing' },
  'chartwarden.audit.v1.AuditService/GetEntry': { scope: 'audit.read', person: auditLog },
  'chartwarden.audit.v1.AuditService/ReadEntries': { scope: 'audit.read', person: auditLog },
  'chartwarden.report.v1.ReportService/AccessHistory': { scope: 'report.read', person: auditLog },
  'chartwarden.report.v1.ReportService/StreamAccessHistory': { scope: 'report.read', person: auditLog },
  'chartwarden.report.v1.ReportService/RoleGrants': { scope: 'report.read', person: auditLog },
  'chartwarden.report.v1.ReportService/Offboardings': { scope: 'report.read', person: auditLog },
} as const satisfies Record<string, MethodRule>

export type MethodName = keyof typeof methodRules
