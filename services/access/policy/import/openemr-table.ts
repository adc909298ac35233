/**
 * OpenEMR's access control list: who holds which level on which object. A resource type is `section/object`, since object names repeat
 * between sections; an action is a level, and a level includes the lower ones.
 */
import type { Permission } from '../../events.ts'
import { isResourceType, isRoleName } from '../names.ts'
import type { RoleDefinition } from '../roles.ts'
import { readPurposes } from './purposes-table.ts'
import { hasHeader, type ImportProblem, type Table } from './table.ts'

/** From the least to the most. */
const levels: readonly string[] = ['view', 'addonly', 'wsome', 'write']

/** OpenEMR's own labels of its six groups. */
const titles: Readonly<Record<string, string>> = {
  admin: 'Administrators',
  doc: 'Physicians',
  clin: 'Clinicians',
  front: 'Front Office',
  back: 'Accounting',
  breakglass: 'Emergency Login',
}

/** The group that is meant to administer. */
export const openEmrAdministrators = 'admin'

/** Whoever writes these can give every other right. */
export const openEmrAdministration: readonly string[] = ['admin/super', 'admin/acl']

export const isOpenEmrTable = (table: Table): boolean => hasHeader(table, 'role', 'section', 'object', 'level')

export const rolesOfOpenEmrTable = (
  table: Table,
  purposesText: string | undefined,
  problems: ImportProblem[],
): readonly RoleDefinition[] => {
  const highest = new Map<string, Map<string, number>>()
  const seen = new Map<string, number>()
  for (const { line, cells } of table.rows) {
    const report = (message: string) => problems.push({ file: 'roles', line, message })
    const role = cells['role'] as string
    const type = `${cells['section']}/${cells['object']}`
    const level = levels.indexOf(cells['level'] as string)
    if (!isRoleName(role)) report(`${JSON.stringify(role)} is no role name: lower-case letters, digits and underscores, 1 to 64`)
    if (cells['section'] === '' || cells['object'] === '' || !isResourceType(type))
      report(`${JSON.stringify(type)} is no section and object`)
    if (level < 0) report(`level ${JSON.stringify(cells['level'])} is not ${levels.join(', ')}`)
    const key = `${role}\n${type}\n${level}`
    const earlier = seen.get(key)
    if (earlier !== undefined) report(`${role}, ${type}, ${cells['level']} stands on line ${earlier} already`)
    seen.set(key, line)
    const ofRole = highest.get(role) ?? new Map<string, number>()
    ofRole.set(type, Math.max(level, ofRole.get(type) ?? level))
    highest.set(role, ofRole)
  }
  const purposes = purposesText === undefined ? undefined : readPurposes(purposesText, new Set(highest.keys()), problems)
  return [...highest].map(([role, objects]) => ({
    role,
    title: titles[role] ?? role,
    inherits: [],
    permissions: [...objects].map(
      ([type, level]): Permission => ({
        id: type,
        resource_type: type,
        actions: levels.slice(0, level + 1),
        effect: 'permit',
        bounds: [],
        purposes: purposes?.get(role) ?? [],
      }),
    ),
  }))
}
