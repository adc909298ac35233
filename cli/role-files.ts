import { importRoles, type RoleImport } from '../services/access/policy/import/import-roles.ts'
import type { ImportProblem } from '../services/access/policy/import/table.ts'
import { ChartwardenError } from '../services/kernel/errors.ts'
import { readText } from './input/read-text.ts'
import { count } from './output/describe.ts'
import { optional } from './request.ts'

/** Where roles are, and, for a table that does not say everything itself, their bounds and purposes. */
export interface RoleFiles {
  readonly roles: string
  readonly bounds?: string | undefined
  readonly purposes?: string | undefined
}

/** Every problem with file and line. */
const refused = (problems: readonly ImportProblem[], files: RoleFiles): ChartwardenError =>
  new ChartwardenError('INVALID_ARGUMENT', {
    message: `The roles cannot be imported, ${count(problems.length, 'problem')}; nothing was changed.`,
    fields: problems.map(({ file, line, message }) => ({ field: `${files[file] ?? file}:${line}`, description: message })),
  })

/** Reads role files of any format. Throws INVALID_ARGUMENT naming every problem. */
export const readRoleFiles = async (files: RoleFiles): Promise<Extract<RoleImport, { readonly kind: 'roles' }>> => {
  const imported = importRoles({
    roles: await readText(files.roles),
    ...optional('bounds', files.bounds && (await readText(files.bounds))),
    ...optional('purposes', files.purposes && (await readText(files.purposes))),
  })
  if (imported.kind === 'problems') throw refused(imported.problems, files)
  return imported
}
