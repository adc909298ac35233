import { stringify } from 'csv-stringify/sync'
import { boundsText } from '../bounds-text.ts'
import { guardCell } from '../csv-cell.ts'
import { roleTableColumns } from '../import/role-table.ts'
import type { RoleDefinition } from '../roles.ts'

type Cells = Readonly<Record<(typeof roleTableColumns)[number], string>>

const noPermission = { id: '', resource_type: '', actions: '', effect: '', bounds: '', purposes: '', condition: '' }

const rowsOf = ({ role, title, inherits, clearance, permissions }: RoleDefinition): readonly Cells[] => {
  const common = {
    role,
    title,
    inherits: inherits.join(' '),
    confidentiality: clearance?.confidentiality ?? '',
    sensitivities: clearance?.sensitivities.join(' ') ?? '',
  }
  if (permissions.length === 0) return [{ ...common, ...noPermission }]
  return permissions.map((permission) => ({
    ...common,
    id: permission.id,
    resource_type: permission.resource_type,
    actions: permission.actions.join(' '),
    effect: permission.effect,
    bounds: boundsText(permission.bounds),
    purposes: permission.purposes.join(' '),
    condition: permission.condition ?? '',
  }))
}

/**
 * Roles as a table, RFC 4180 with lines ending in CRLF: a row for each permission, what concerns the role itself repeated on each, and one
 * row for a role without permissions. No cell begins like a formula. `importRoles` reads exactly these roles from it.
 */
export const roleTable = (roles: readonly RoleDefinition[]): string =>
  stringify(
    [roleTableColumns, ...roles.flatMap(rowsOf).map((cells) => roleTableColumns.map((column) => guardCell(cells[column])))],
    // Readers drop blanks around what is not quoted, and take a lone line break for the end of a row.
    { record_delimiter: 'windows', quoted_match: /^\s|\s$|[\r\n]/u },
  )
