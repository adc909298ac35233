/**
 * A clinic's role table: one row for each cell of role × resource type × action, and the bounds of its limited cells. `deny` is an absence:
 * such a cell gives no permission, and forbids nothing that another role gives.
 */
import type { Bound, Permission } from '../../events.ts'
import { isAction, isBoundKind, isResourceType, isRoleName } from '../names.ts'
import { isCheckedBound, type RoleDefinition } from '../roles.ts'
import { readPurposes } from './purposes-table.ts'
import { codesOf, hasHeader, type ImportProblem, readTable, type Table, type TableFile } from './table.ts'

interface Cell {
  readonly role: string
  readonly resourceType: string
  readonly action: string
  readonly effect: string
  readonly line: number
}

type Cells = ReadonlyMap<string, Cell>

const keyOf = ({ role, resourceType, action }: Pick<Cell, 'role' | 'resourceType' | 'action'>): string =>
  `${role}\n${resourceType}\n${action}`

export const isClinicTable = (table: Table): boolean =>
  hasHeader(table, 'role', 'resource_type', 'action', 'effect', 'source') || hasHeader(table, 'role', 'resource_type', 'action', 'effect')

const reporter = (problems: ImportProblem[], file: TableFile, line: number) => (message: string) => {
  problems.push({ file, line, message })
}

const readCells = (table: Table, problems: ImportProblem[]): Cells => {
  const cells = new Map<string, Cell>()
  for (const { line, cells: row } of table.rows) {
    const report = reporter(problems, 'roles', line)
    const cell: Cell = {
      role: row['role'] as string,
      resourceType: row['resource_type'] as string,
      action: row['action'] as string,
      effect: row['effect'] as string,
      line,
    }
    if (!isRoleName(cell.role)) report(`${JSON.stringify(cell.role)} is no role name: lower-case letters, digits and underscores, 1 to 64`)
    if (!isResourceType(cell.resourceType)) report(`${JSON.stringify(cell.resourceType)} is no resource type`)
    if (!isAction(cell.action)) report(`${JSON.stringify(cell.action)} is no action`)
    if (!['permit', 'limited', 'deny'].includes(cell.effect)) report(`effect ${JSON.stringify(cell.effect)} is not permit, limited or deny`)
    const earlier = cells.get(keyOf(cell))
    if (earlier !== undefined) report(`the cell ${cell.role}, ${cell.resourceType}, ${cell.action} stands on line ${earlier.line} already`)
    else cells.set(keyOf(cell), cell)
  }
  return cells
}

const readBounds = (text: string, cells: Cells, problems: ImportProblem[]): ReadonlyMap<string, readonly Bound[]> => {
  const file = 'bounds'
  const found = new Map<string, Bound[]>()
  const before = problems.length
  const table = readTable(file, text, problems)
  if (problems.length > before) return found
  if (!hasHeader(table, 'role', 'resource_type', 'action', 'kind', 'code')) {
    problems.push({ file, line: 1, message: 'the header must be "role,resource_type,action,kind,code"' })
    return found
  }
  for (const { line, cells: row } of table.rows) {
    const report = reporter(problems, file, line)
    const key = keyOf({ role: row['role'] as string, resourceType: row['resource_type'] as string, action: row['action'] as string })
    const kind = row['kind'] as string
    const codes = codesOf(row['code'] as string)
    const cell = cells.get(key)
    if (cell === undefined) report('the role table has no such cell')
    else if (cell.effect !== 'limited') report(`the cell is "${cell.effect}", so it has no bounds (line ${cell.line} of the role table)`)
    if (!isBoundKind(kind)) report(`${JSON.stringify(kind)} is no kind of bound`)
    if (isCheckedBound(kind) && codes.length > 0) report(`"${kind}" takes no codes`)
    const bounds = found.get(key) ?? []
    if (bounds.some((bound) => bound.kind === kind))
      report(`the bound "${kind}" of this cell stands there already; list its codes together`)
    found.set(key, [...bounds, { kind, codes }])
  }
  return found
}

const titleOf = (role: string): string => {
  const words = role.replaceAll('_', ' ').trim()
  return words === '' ? role : `${words[0]?.toUpperCase()}${words.slice(1)}`
}

export interface ClinicRoles {
  readonly roles: readonly RoleDefinition[]
  /** Roles some of whose limited cells were left out because no bounds were given, with the number of those cells. */
  readonly leftOut: ReadonlyMap<string, number>
}

/**
 * One permission for each permitted or limited cell, its id `<resource type>.<action>`. Without a bounds file limited cells give nothing:
 * a permission whose bounds are unknown must not be wider than it was meant.
 */
export const rolesOfClinicTable = (
  table: Table,
  boundsText: string | undefined,
  purposesText: string | undefined,
  problems: ImportProblem[],
): ClinicRoles => {
  const cells = readCells(table, problems)
  const roles = new Set([...cells.values()].map(({ role }) => role))
  const bounds = boundsText === undefined ? new Map<string, readonly Bound[]>() : readBounds(boundsText, cells, problems)
  const purposes = purposesText === undefined ? new Map<string, readonly string[]>() : readPurposes(purposesText, roles, problems)
  const permissions = new Map<string, Permission[]>([...roles].map((role) => [role, []]))
  const leftOut = new Map<string, number>()
  for (const [key, cell] of cells) {
    if (cell.effect === 'limited' && boundsText === undefined) {
      leftOut.set(cell.role, (leftOut.get(cell.role) ?? 0) + 1)
      continue
    }
    const ofCell = bounds.get(key) ?? []
    if (cell.effect === 'limited' && ofCell.length === 0) {
      const message = `the limited cell ${cell.role}, ${cell.resourceType}, ${cell.action} has no bounds in the bounds file`
      problems.push({ file: 'roles', line: cell.line, message })
    }
    if (cell.effect !== 'permit' && cell.effect !== 'limited') continue
    permissions.get(cell.role)?.push({
      id: `${cell.resourceType}.${cell.action}`,
      resource_type: cell.resourceType,
      actions: [cell.action],
      effect: cell.effect,
      bounds: ofCell,
      purposes: purposes.get(cell.role) ?? [],
    })
  }
  return { roles: [...permissions].map(([role, ofRole]) => ({ role, title: titleOf(role), inherits: [], permissions: ofRole })), leftOut }
}
