/** The table that holds all that a role can say: a row for each permission, and on each what concerns the role itself. */
import type { Effect } from '../../events.ts'
import { readBoundsText } from '../bounds-text.ts'
import { unguardCell } from '../csv-cell.ts'
import type { PermissionDraft, RoleDraft } from '../role-draft.ts'
import type { StatedRole } from './role-drafts.ts'
import { hasHeader, type ImportProblem, type Table, type TableRow } from './table.ts'

const ofRole = ['role', 'title', 'inherits', 'confidentiality', 'sensitivities'] as const
const ofPermission = ['id', 'resource_type', 'actions', 'effect', 'bounds', 'purposes', 'condition'] as const

export const roleTableColumns = [...ofRole, ...ofPermission] as const

type Column = (typeof roleTableColumns)[number]

export const isRoleTable = (table: Table): boolean => hasHeader(table, ...roleTableColumns)

const cell = (row: TableRow, column: Column): string => unguardCell(row.cells[column] as string)

const words = (row: TableRow, column: Column): readonly string[] =>
  cell(row, column)
    .split(/\s+/)
    .filter((word) => word !== '')

const permissionOf = (row: TableRow, problems: ImportProblem[]): PermissionDraft => {
  const read = readBoundsText(cell(row, 'bounds'))
  if (read.kind === 'unreadable') {
    const message = `the bounds cannot be read from ${JSON.stringify(read.rest)} on; write them like: own_patients; fields(status, dates)`
    problems.push({ file: 'roles', line: row.line, message })
  }
  const effect = cell(row, 'effect')
  return {
    id: cell(row, 'id'),
    resource_type: cell(row, 'resource_type'),
    actions: words(row, 'actions'),
    ...(effect === '' ? {} : { effect: effect as Effect }),
    bounds: read.kind === 'bounds' ? read.bounds : [],
    purposes: words(row, 'purposes'),
    condition: cell(row, 'condition'),
  }
}

const roleOf = (first: TableRow, permissions: readonly PermissionDraft[]): RoleDraft => {
  const confidentiality = cell(first, 'confidentiality')
  const sensitivities = words(first, 'sensitivities')
  return {
    role: cell(first, 'role'),
    title: cell(first, 'title'),
    inherits: words(first, 'inherits'),
    permissions,
    ...(confidentiality === '' && sensitivities.length === 0 ? {} : { clearance: { confidentiality, sensitivities } }),
  }
}

const checkAgreement = (first: TableRow, row: TableRow, problems: ImportProblem[]): void => {
  for (const column of ofRole) {
    if (cell(first, column) === cell(row, column)) continue
    const message = `${column} is another than on line ${first.line} for the same role; repeat it on every row`
    problems.push({ file: 'roles', line: row.line, message })
  }
}

/** The roles of a table, in the order of their first rows. */
export const rolesOfRoleTable = (table: Table, problems: ImportProblem[]): readonly StatedRole[] =>
  [...Map.groupBy(table.rows, (row) => cell(row, 'role')).values()].map((rows): StatedRole => {
    const first = rows[0] as TableRow
    for (const row of rows.slice(1)) checkAgreement(first, row, problems)
    const isEmpty = rows.length === 1 && ofPermission.every((column) => cell(first, column) === '')
    const stated = isEmpty ? [] : rows
    const draft = roleOf(
      first,
      stated.map((row) => permissionOf(row, problems)),
    )
    return {
      draft,
      lineOf: (field) => stated[Number(/^role\.permissions\[(\d+)\]/.exec(field)?.[1] ?? 0)]?.line ?? first.line,
    }
  })
