/** Bodies that the OpenAPI document shows, by method; the tests check each against its schema. */
import type { MethodName } from '../services/kernel/scopes.ts'

const kim = { type: 'staff', id: 'kim' }

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
