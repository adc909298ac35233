import { readFileSync } from 'node:fs'
import { ChartwardenError } from '../../../kernel/errors.ts'
import { importRoles } from '../import/import-roles.ts'
import type { RoleDefinition } from '../roles.ts'

/** Role, resource type and action of what the tables cannot say, being about no record. */
const additions = [
  ['compliance_officer', 'audit_log', 'read'],
  ['receptionist', 'care_team', 'update'],
] as const

const withAdditions = (definition: RoleDefinition): RoleDefinition => {
  const purposes = definition.permissions[0]?.purposes ?? []
  const added = additions
    .filter(([role]) => role === definition.role)
    .map(([, type, action]) => ({
      id: `${type}.${action}`,
      resource_type: type,
      actions: [action],
      effect: 'permit' as const,
      bounds: [],
      purposes,
    }))
  return { ...definition, permissions: [...definition.permissions, ...added] }
}

const table = (name: string): string => readFileSync(new URL(`./${name}.csv`, import.meta.url), 'utf8')

/** The roles every new clinic may start from: the tables beside this file, which it reads, and two additions. See the README there. */
export const builtinRoles = (): readonly RoleDefinition[] => {
  const imported = importRoles({ roles: table('clinic-roles'), bounds: table('clinic-bounds'), purposes: table('clinic-purposes') })
  if (imported.kind === 'problems') {
    throw new ChartwardenError('INTERNAL', { cause: new Error(`the built-in roles are damaged: ${imported.problems[0]?.message}`) })
  }
  return imported.roles.map(withAdditions)
}
