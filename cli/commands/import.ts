import { Command } from 'commander'
import { emergencySelfReview } from '../../services/access/policy/import/findings.ts'
import { type ImportPlan, type PlannedRole, planImport } from '../../services/access/policy/import/plan-import.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { type ImportedRole, putImportedRoles } from '../import-roles.ts'
import { type ClinicOptions, withClinic } from '../input/common-options.ts'
import type { Column } from '../output/column.ts'
import { count } from '../output/describe.ts'
import { printable } from '../output/printable.ts'
import { createProgress } from '../output/progress.ts'
import { table } from '../output/table.ts'
import type { Act } from '../program.ts'
import { needsOf, optional } from '../request.ts'
import { readRoleFiles } from '../role-files.ts'
import { rolesInForce } from '../roles-in-force.ts'

interface ImportOptions extends ClinicOptions {
  readonly bounds?: string
  readonly purposes?: string
  readonly dryRun?: true
}

interface Row {
  readonly role: string
  readonly permissions: number
  readonly change: PlannedRole['change']
  readonly outcome: ImportedRole['outcome'] | 'not sent'
  readonly revision: string
  readonly differences: readonly string[]
}

const columns: readonly Column<Row>[] = [
  { name: 'role', value: (row) => row.role },
  { name: 'permissions', value: (row) => String(row.permissions) },
  { name: 'change', value: (row) => row.change },
  { name: 'outcome', value: (row) => row.outcome },
  { name: 'revision', value: (row) => row.revision },
]

const refusedPlan = ({ problems }: Extract<ImportPlan, { readonly kind: 'problems' }>): ChartwardenError =>
  new ChartwardenError('INVALID_ARGUMENT', {
    message: `The roles cannot be put in force, ${count(problems.length, 'problem')}; nothing was changed.`,
    fields: problems.map(({ role, message }) => ({ field: `role ${JSON.stringify(role)}`, description: message })),
  })

const rowOf = ({ role, change, differences }: PlannedRole, put?: ImportedRole): Row => ({
  role: role.role,
  permissions: role.permissions.length,
  change,
  outcome: put?.outcome ?? (change === 'unchanged' ? 'unchanged' : 'not sent'),
  revision: put === undefined ? '' : String(put.revision),
  differences,
})

const differencesText = (rows: readonly Row[]): string =>
  rows.flatMap(({ role, differences }) => differences.map((difference) => `${printable(role)}: ${printable(difference)}\n`)).join('')

const rolesCommand = (act: Act): Command =>
  withClinic(
    new Command('roles')
      .description(
        "Define roles from a file: YAML or CSV as `role export` writes them, a clinic's own table (role,resource_type,action,effect) or OpenEMR's (role,section,object,level), told apart by what is in it. A repeat changes nothing.",
      )
      .argument('<file>', 'the roles'),
  )
    .option('--bounds <csv>', "bounds of the limited cells of a clinic's table; without it those cells give nothing")
    .option('--purposes <csv>', "purposes of use of each role of a clinic's table or OpenEMR's; without it a role holds for any purpose")
    .option('--dry-run', 'only say what was found and what would change; nothing is changed')
    .action(
      act(async (session, command) => {
        const options = command.opts<ImportOptions>()
        const { bounds, purposes, dryRun = false } = options
        const { format, roles, findings: ofFile } = await readRoleFiles({ roles: command.processedArgs[0] as string, bounds, purposes })
        const { policy } = await session.connect(needsOf(options, 'policy.read', ...(dryRun ? [] : ['policy.write' as const])))
        const { roles: inForce } = await rolesInForce(policy, options)
        const plan = planImport(roles, inForce)
        if (plan.kind === 'problems') throw refusedPlan(plan)
        const findings = [...ofFile.filter(({ kind }) => kind !== 'emergency_self_review'), ...emergencySelfReview(roles, inForce)]
        const due = plan.roles.filter(({ change }) => change !== 'unchanged').map(({ role }) => role)
        const progress = createProgress({ io: session.io, title: 'Roles', total: due.length })
        const put = new Map<string, ImportedRole>()
        try {
          if (!dryRun) {
            for await (const one of putImportedRoles({
              policy,
              clinic: options.clinic,
              roles: due,
              ...optional('onBehalfOf', options.onBehalfOf),
            })) {
              put.set(one.role.role, one)
              progress.advance(1)
            }
          }
        } finally {
          progress.stop()
        }
        const rows = plan.roles.map((planned) => rowOf(planned, put.get(planned.role.role)))
        if (session.json) await session.print(`${JSON.stringify({ format, dry_run: dryRun, roles: rows, findings })}\n`)
        else {
          await session.print(table(columns, rows) + differencesText(rows))
          for (const { message } of findings) await session.print(`Please look at this: ${printable(message)}.\n`)
        }
        return 'ok'
      }),
    )

export const importCommand = (act: Act): Command =>
  new Command('import').description('Take over what another system holds.').addCommand(rolesCommand(act))
