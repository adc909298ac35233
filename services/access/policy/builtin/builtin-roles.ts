import { readFileSync } from 'node:fs'
import { ChartwardenError } from '../../../kernel/errors.ts'
import { importRoles } from '../import/import-roles.ts'
import { hasHeader, type ImportProblem, readTable, type TableRow } from '../import/table.ts'
import { definitionOf } from '../role-draft.ts'
import type { RoleDefinition } from '../roles.ts'
import { validateRole } from '../validate-role.ts'

const damaged = (what: string): ChartwardenError =>
  new ChartwardenError('INTERNAL', { cause: new Error(`the built-in roles are damaged: ${what}`) })

const text = (name: string): string => readFileSync(new URL(`./${name}.csv`, import.meta.url), 'utf8')

const rowsOf = (name: string, ...columns: readonly string[]): readonly TableRow[] => {
  const problems: ImportProblem[] = []
  const table = readTable('roles', text(name), problems)
  if (problems.length > 0 || !hasHeader(table, ...columns)) throw damaged(problems[0]?.message ?? `the header of ${name}.csv`)
  return table.rows
}

const cell = ({ cells }: TableRow, column: string): string => cells[column] as string

/** What the role table cannot say, being about no record, for the same purposes as the rest of the role. */
const withAdditions = (role: RoleDefinition, additions: readonly TableRow[]): RoleDefinition => ({
  ...role,
  permissions: [
    ...role.permissions,
    ...additions
      .filter((row) => cell(row, 'role') === role.role)
      .map((row) => ({
        id: `${cell(row, 'resource_type')}.${cell(row, 'action')}`,
        resource_type: cell(row, 'resource_type'),
        actions: [cell(row, 'action')],
        effect: 'permit' as const,
        bounds: [],
        purposes: role.permissions[0]?.purposes ?? [],
      })),
  ],
})

const clearanceOf = (row: TableRow) => ({
  confidentiality: cell(row, 'confidentiality'),
  sensitivities: cell(row, 'sensitivities')
    .split(/\s+/)
    .filter((code) => code !== ''),
})

/** The roles every new clinic may start from, as the tables beside this file say, which it reads. See the README there. */
export const builtinRoles = (): readonly RoleDefinition[] => {
  const imported = importRoles({ roles: text('clinic-roles'), bounds: text('clinic-bounds'), purposes: text('clinic-purposes') })
  if (imported.kind === 'problems') throw damaged(imported.problems[0]?.message ?? 'no roles')
  const additions = rowsOf('clinic-additions', 'role', 'resource_type', 'action')
  const clearances = rowsOf('clinic-clearances', 'role', 'confidentiality', 'sensitivities')
  const names = new Set(imported.roles.map(({ role }) => role))
  for (const row of [...additions, ...clearances]) {
    if (!names.has(cell(row, 'role'))) throw damaged(`there is no role ${cell(row, 'role')}`)
  }
  return imported.roles.map((role) => {
    const clearance = clearances.find((row) => cell(row, 'role') === role.role)
    const draft = { ...withAdditions(role, additions), ...(clearance === undefined ? {} : { clearance: clearanceOf(clearance) }) }
    const violation = validateRole(draft)[0]
    if (violation !== undefined) throw damaged(`${role.role}: ${violation.field} ${violation.description}`)
    return definitionOf(draft)
  })
}
