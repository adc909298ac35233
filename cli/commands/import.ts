import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { importRoles, type RoleImport } from '../../services/access/policy/import/import-roles.ts'
import type { ImportProblem } from '../../services/access/policy/import/table.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { type ImportedRole, putImportedRole } from '../import-roles.ts'
import { type ClinicOptions, withClinic } from '../input/common-options.ts'
import type { Column } from '../output/column.ts'
import { count } from '../output/describe.ts'
import { printable } from '../output/printable.ts'
import { createProgress } from '../output/progress.ts'
import { table } from '../output/table.ts'
import type { Act } from '../program.ts'
import { needsOf, optional } from '../request.ts'

interface ImportOptions extends ClinicOptions {
  readonly bounds?: string
  readonly purposes?: string
  readonly dryRun?: true
}

type Outcome = ImportedRole['outcome'] | 'not sent'

interface Row {
  readonly role: string
  readonly permissions: number
  readonly outcome: Outcome
  readonly revision: string
}

const columns: readonly Column<Row>[] = [
  { name: 'role', value: (row) => row.role },
  { name: 'permissions', value: (row) => String(row.permissions) },
  { name: 'outcome', value: (row) => row.outcome },
  { name: 'revision', value: (row) => row.revision },
]

const readText = async (path: string): Promise<string> => {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (cause) {
    throw new ChartwardenError('INVALID_ARGUMENT', { message: `The file ${path} cannot be read.`, cause })
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new ChartwardenError('INVALID_ARGUMENT', { message: `The file ${path} is not UTF-8.`, cause })
  }
}

/** Every problem with file and line. */
const refused = (
  problems: readonly ImportProblem[],
  files: Readonly<Record<ImportProblem['file'], string | undefined>>,
): ChartwardenError =>
  new ChartwardenError('INVALID_ARGUMENT', {
    message: `The table cannot be imported, ${count(problems.length, 'problem')}; nothing was changed.`,
    fields: problems.map(({ file, line, message }) => ({ field: `${files[file] ?? file}:${line}`, description: message })),
  })

const readTables = async (path: string, options: ImportOptions): Promise<Extract<RoleImport, { readonly kind: 'roles' }>> => {
  const imported = importRoles({
    roles: await readText(path),
    ...optional('bounds', options.bounds && (await readText(options.bounds))),
    ...optional('purposes', options.purposes && (await readText(options.purposes))),
  })
  if (imported.kind === 'problems') throw refused(imported.problems, { roles: path, bounds: options.bounds, purposes: options.purposes })
  return imported
}

const rolesCommand = (act: Act): Command =>
  withClinic(
    new Command('roles')
      .description(
        "Define roles from a table: a clinic's own (role,resource_type,action,effect) or OpenEMR's (role,section,object,level), told apart by the header. A repeat changes nothing.",
      )
      .argument('<csv>', 'the table'),
  )
    .option('--bounds <csv>', "bounds of the limited cells of a clinic's table; without it those cells give nothing")
    .option('--purposes <csv>', 'purposes of use of each role; without it a role holds for any purpose')
    .option('--dry-run', 'only read the table and say what was found; nothing is sent')
    .action(
      act(async (session, command) => {
        const options = command.opts<ImportOptions>()
        const { format, roles, findings } = await readTables(command.processedArgs[0] as string, options)
        const rows: Row[] = []
        if (options.dryRun) {
          rows.push(
            ...roles.map(({ role, permissions }) => ({
              role,
              permissions: permissions.length,
              outcome: 'not sent' as const,
              revision: '',
            })),
          )
        } else {
          const { policy } = await session.connect(needsOf(options, 'policy.write'))
          const progress = createProgress({ io: session.io, title: 'Roles', total: roles.length })
          try {
            for (const role of roles) {
              const put = await putImportedRole({ policy, clinic: options.clinic, role, ...optional('onBehalfOf', options.onBehalfOf) })
              rows.push({ role: role.role, permissions: role.permissions.length, outcome: put.outcome, revision: String(put.revision) })
              progress.advance(1)
            }
          } finally {
            progress.stop()
          }
        }
        if (session.json) await session.print(`${JSON.stringify({ format, dry_run: options.dryRun ?? false, roles: rows, findings })}\n`)
        else {
          await session.print(table(columns, rows))
          for (const { message } of findings) await session.print(`Please look at this: ${printable(message)}.\n`)
        }
        return 'ok'
      }),
    )

export const importCommand = (act: Act): Command =>
  new Command('import').description('Take over what another system holds.').addCommand(rolesCommand(act))
