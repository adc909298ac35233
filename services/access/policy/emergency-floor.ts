/**
 * What no emergency reaches, whatever a clinic settles: administration and evidence, and what takes records out of the clinic. Settings that
 * name any of it are refused, and a decision would not heed them.
 */

export const neverInEmergency: { readonly resourceTypes: ReadonlySet<string>; readonly actions: ReadonlySet<string> } = {
  resourceTypes: new Set([
    'audit_log',
    'care_team',
    'clinic_settings',
    'consent',
    'directory',
    'emergency_access',
    'patient_export',
    'revenue_report',
    'staff_account',
  ]),
  actions: new Set(['export', 'share']),
}
