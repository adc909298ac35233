/** What the OpenAPI document says of the bodies of single methods, besides their schemas. */
import type { MethodName } from '../services/kernel/scopes.ts'

const kim = { type: 'staff', id: 'kim' }

/** Bodies to show, by method; the tests check each against its schema. */
export const openApiExamples: Readonly<Partial<Record<string, object>>> = {
  'chartwarden.access.v1.AccessService/Check': {
    request_id: '0b7c3f9e-8c1a-4f0e-9d5e-2f6a1c4b7d10',
    subject: kim,
    action: { name: 'read' },
    resource: { type: 'imaging', id: 'image-17', patient_id: 'p-1001' },
    purpose: 'TREAT',
    session: { id: 'session-1' },
  },
  'chartwarden.audit.v1.AuditService/RecordAccess': {
    request_id: '5d2f1f6c-58b0-4c8d-8f57-0f5f4d0a6c21',
    subject: kim,
    action: { name: 'read' },
    resource: { type: 'imaging', id: 'image-17', patient_id: 'p-1001' },
    purpose: 'TREAT',
  },
  'chartwarden.access.v1.StaffService/EnrolStaff': { request_id: '8a1e9f0c-6a55-4a2c-9c58-7d2f6b1e3c42', subject: kim },
  'chartwarden.access.v1.StaffService/Offboard': {
    request_id: 'c1f7a2b4-0d3e-4b6f-8a9c-5e7d1f3b2a64',
    subject: kim,
    reason: 'Left the practice',
  },
  'chartwarden.report.v1.ReportService/AccessHistory': {
    filter: { patient_id: 'p-1001', kinds: ['ACCESS_KIND_PERFORMED'] },
    page_size: 50,
  },
  'chartwarden.report.v1.ReportService/StreamAccessHistory': { filter: { from: '2026-01-01T00:00:00Z' } },
} satisfies Partial<Record<MethodName, object>>

/** Methods that take a request with nothing in it, so that its body may be left out; the tests send each method one. */
export const emptyRequests: ReadonlySet<string> = new Set<MethodName>([
  'chartwarden.access.v1.ClinicService/ListClinics',
  'chartwarden.access.v1.EmergencyService/ListUnreviewed',
  'chartwarden.access.v1.PolicyService/GetSettings',
  'chartwarden.access.v1.PolicyService/ListRoles',
  'chartwarden.access.v1.StaffService/ListStaff',
  'chartwarden.audit.v1.AuditService/CheckLedger',
  'chartwarden.audit.v1.AuditService/ExportEntries',
  'chartwarden.audit.v1.AuditService/GetCheckpoint',
  'chartwarden.audit.v1.AuditService/RotateLogKey',
  'chartwarden.audit.v1.AuditService/ReadEntries',
  'chartwarden.report.v1.ReportService/AccessHistory',
  'chartwarden.report.v1.ReportService/Concerns',
  'chartwarden.report.v1.ReportService/Disclosures',
  'chartwarden.report.v1.ReportService/EmergencyReviews',
  'chartwarden.report.v1.ReportService/Offboardings',
  'chartwarden.report.v1.ReportService/RoleGrants',
  'chartwarden.report.v1.ReportService/StreamAccessHistory',
  'chartwarden.report.v1.ReportService/Summary',
  'chartwarden.report.v1.ReportService/WatchAccess',
])
