import type { RoleDefinition } from './roles.ts'

/** The reserved role: registration defines it and grants it to the first person; it can be neither changed nor retired. */
export const administratorRole = 'administrator'

/** Nothing clinical, for any purpose. */
export const administratorDefinition: RoleDefinition = {
  role: administratorRole,
  title: 'Administrator',
  inherits: [],
  permissions: [
    ['staff_account', 'update'],
    ['clinic_settings', 'update'],
    ['care_team', 'update'],
    ['audit_log', 'read'],
    ['emergency_access', 'review'],
    ['directory', 'update'],
  ].map(([type, action]) => ({
    id: `${type}.${action}`,
    resource_type: type as string,
    actions: [action as string],
    effect: 'permit',
    bounds: [],
    purposes: [],
  })),
}
