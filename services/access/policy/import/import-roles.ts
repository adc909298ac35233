/** Role tables as roles: a clinic's own table or OpenEMR's, told apart by the header. Pure: texts in, roles or problems out. */
import type { RoleDefinition } from '../roles.ts'
import { validateRole } from '../validate-role.ts'
import { isClinicTable, rolesOfClinicTable } from './clinic-table.ts'
import { anyPurpose, equalRoles, type ImportFinding, limitedLeftOut, strayAdministration } from './findings.ts'
import { isOpenEmrTable, rolesOfOpenEmrTable } from './openemr-table.ts'
import { type ImportProblem, readTable } from './table.ts'

/** The texts of the files. */
export interface RoleTables {
  readonly roles: string
  /** Bounds of the limited cells of a clinic's table; absent: those cells give nothing, and a finding says so. */
  readonly bounds?: string
  /** Purposes of use of each role; absent: any. */
  readonly purposes?: string
}

export type RoleImport =
  | {
      readonly kind: 'roles'
      readonly format: 'clinic' | 'openemr'
      /** In the order of the table. */
      readonly roles: readonly RoleDefinition[]
      readonly findings: readonly ImportFinding[]
    }
  /** Nothing is imported; every problem is listed, in the order of the files. */
  | { readonly kind: 'problems'; readonly problems: readonly ImportProblem[] }

const shapeProblems = (roles: readonly RoleDefinition[]): readonly ImportProblem[] =>
  roles.flatMap((role) =>
    validateRole(role).map(({ field, description }) => ({
      file: 'roles' as const,
      line: 1,
      message: `role ${JSON.stringify(role.role)}: ${field} ${description}`,
    })),
  )

export const importRoles = ({ roles: text, bounds, purposes }: RoleTables): RoleImport => {
  const problems: ImportProblem[] = []
  const table = readTable('roles', text, problems)
  if (problems.length > 0) return { kind: 'problems', problems }
  if (isClinicTable(table)) {
    const { roles, leftOut } = rolesOfClinicTable(table, bounds, purposes, problems)
    if (problems.length === 0) problems.push(...shapeProblems(roles))
    if (problems.length > 0) return { kind: 'problems', problems }
    return { kind: 'roles', format: 'clinic', roles, findings: [...limitedLeftOut(leftOut), ...equalRoles(roles), ...anyPurpose(roles)] }
  }
  if (isOpenEmrTable(table)) {
    if (bounds !== undefined)
      problems.push({ file: 'bounds', line: 1, message: 'an OpenEMR table has no limited cells, so no bounds either' })
    const roles = rolesOfOpenEmrTable(table, purposes, problems)
    if (problems.length === 0) problems.push(...shapeProblems(roles))
    if (problems.length > 0) return { kind: 'problems', problems }
    return {
      kind: 'roles',
      format: 'openemr',
      roles,
      findings: [...equalRoles(roles), ...strayAdministration(roles), ...anyPurpose(roles)],
    }
  }
  const message =
    `the header "${table.header.join(',')}" is not known: expected "role,resource_type,action,effect[,source]" ` +
    '(a clinic\'s table) or "role,section,object,level" (OpenEMR)'
  return { kind: 'problems', problems: [{ file: 'roles', line: 1, message }] }
}
