/**
 * Role files as roles, told apart by what is in them: YAML, the table that holds all that a role can say, a clinic's own table, or OpenEMR's.
 * Pure: texts in, roles or problems out.
 */
import type { RoleDefinition } from '../roles.ts'
import { validateRole } from '../validate-role.ts'
import { isClinicTable, rolesOfClinicTable } from './clinic-table.ts'
import { findingsOf, type ImportFinding, limitedLeftOut } from './findings.ts'
import { isOpenEmrTable, rolesOfOpenEmrTable } from './openemr-table.ts'
import { definitionsOf } from './role-drafts.ts'
import { isRoleTable, rolesOfRoleTable } from './role-table.ts'
import { isRoleYaml, rolesOfYaml } from './role-yaml.ts'
import { type ImportProblem, readTable, type Table } from './table.ts'

/** The texts of the files. */
export interface RoleTables {
  readonly roles: string
  /** Bounds of the limited cells of a clinic's table; absent: those cells give nothing, and a finding says so. */
  readonly bounds?: string
  /** Purposes of use of each role, for a clinic's table or OpenEMR's; absent: any. */
  readonly purposes?: string
}

export type RoleFormat = 'clinic' | 'openemr' | 'table' | 'yaml'

export type RoleImport =
  | {
      readonly kind: 'roles'
      readonly format: RoleFormat
      /** In the order of the file. */
      readonly roles: readonly RoleDefinition[]
      readonly findings: readonly ImportFinding[]
    }
  /** Nothing is imported; every problem is listed, in the order of the files. */
  | { readonly kind: 'problems'; readonly problems: readonly ImportProblem[] }

interface ReadRoles {
  readonly format: RoleFormat
  readonly roles: readonly RoleDefinition[]
  readonly leftOut?: ReadonlyMap<string, number>
}

/** Of one file, in characters. A thousand large roles fit; what would keep the reader busy for minutes does not. */
const maxCharacters = 16_000_000

const shapeProblems = (roles: readonly RoleDefinition[]): readonly ImportProblem[] =>
  roles.flatMap((role) =>
    validateRole(role).map(({ field, description }) => ({
      file: 'roles' as const,
      line: 1,
      message: `role ${JSON.stringify(role.role)}: ${field} ${description}`,
    })),
  )

/** A format that says everything itself takes no other files. */
const refuseOtherFiles = ({ bounds, purposes }: RoleTables, problems: ImportProblem[]): void => {
  const message = 'this format of roles holds its bounds and purposes itself'
  if (bounds !== undefined) problems.push({ file: 'bounds', line: 1, message })
  if (purposes !== undefined) problems.push({ file: 'purposes', line: 1, message })
}

const readOwnTable = (table: Table, { bounds, purposes }: RoleTables, problems: ImportProblem[]): ReadRoles | undefined => {
  if (isClinicTable(table)) return { format: 'clinic', ...rolesOfClinicTable(table, bounds, purposes, problems) }
  if (isOpenEmrTable(table)) {
    if (bounds !== undefined)
      problems.push({ file: 'bounds', line: 1, message: 'an OpenEMR table has no limited cells, so no bounds either' })
    return { format: 'openemr', roles: rolesOfOpenEmrTable(table, purposes, problems) }
  }
  const message =
    `the header "${table.header.join(',')}" is not known: expected "role,resource_type,action,effect[,source]" ` +
    '(a clinic\'s table), "role,section,object,level" (OpenEMR) or "role,title,inherits,…" as "role export --format csv" writes it'
  problems.push({ file: 'roles', line: 1, message })
  return undefined
}

const readRoles = (files: RoleTables, problems: ImportProblem[]): ReadRoles | undefined => {
  if (isRoleYaml(files.roles)) {
    refuseOtherFiles(files, problems)
    return { format: 'yaml', roles: definitionsOf(rolesOfYaml(files.roles, problems), problems) }
  }
  const table = readTable('roles', files.roles, problems)
  if (problems.length > 0) return undefined
  if (isRoleTable(table)) {
    refuseOtherFiles(files, problems)
    return { format: 'table', roles: definitionsOf(rolesOfRoleTable(table, problems), problems) }
  }
  const read = readOwnTable(table, files, problems)
  if (read !== undefined && problems.length === 0) problems.push(...shapeProblems(read.roles))
  return read
}

export const importRoles = (files: RoleTables): RoleImport => {
  const problems: ImportProblem[] = []
  for (const file of ['roles', 'bounds', 'purposes'] as const) {
    if ((files[file]?.length ?? 0) > maxCharacters) problems.push({ file, line: 1, message: `has more than ${maxCharacters} characters` })
  }
  const read = problems.length > 0 ? undefined : readRoles(files, problems)
  if (read === undefined || problems.length > 0) return { kind: 'problems', problems }
  const { format, roles, leftOut = new Map() } = read
  const findings = [...limitedLeftOut(leftOut), ...findingsOf(roles)]
  return { kind: 'roles', format, roles, findings }
}
