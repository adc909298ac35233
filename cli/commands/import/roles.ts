import { Command, Option } from 'commander'
import type { Bound, Permission } from '../../../services/access/events.ts'
import { boundsText } from '../../../services/access/policy/bounds-text.ts'
import { builtinRoles } from '../../../services/access/policy/builtin/builtin-roles.ts'
import { emergencySelfReview, findingsOf, type ImportFinding, newToClinic } from '../../../services/access/policy/import/findings.ts'
import type { RoleFormat } from '../../../services/access/policy/import/import-roles.ts'
import { type ImportPlan, type PlannedRole, planImport } from '../../../services/access/policy/import/plan-import.ts'
import type { RoleDifference } from '../../../services/access/policy/import/role-differences.ts'
import type { RoleDefinition } from '../../../services/access/policy/roles.ts'
import type { JsonValue } from '../../../services/kernel/canonical-json.ts'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { type ImportedRole, putImportedRoles } from '../../import-roles.ts'
import { type ClinicOptions, withClinic } from '../../input/common-options.ts'
import type { Column } from '../../output/column.ts'
import { count } from '../../output/describe.ts'
import { valueText } from '../../output/member-changes.ts'
import { printable } from '../../output/printable.ts'
import { createProgress } from '../../output/progress.ts'
import { table } from '../../output/table.ts'
import type { Act } from '../../program.ts'
import { needsOf, optional } from '../../request.ts'
import { readRoleFiles } from '../../role-files.ts'
import { rolesInForce } from '../../roles-in-force.ts'

interface ImportOptions extends ClinicOptions {
  readonly builtin?: true
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
  readonly differences: readonly RoleDifference[]
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

/** `limited imaging [read] inside own_patients for TREAT if …` */
const permissionText = ({ effect, resource_type: type, actions, bounds, purposes, condition }: Permission): string =>
  [
    `${effect} ${type} [${actions.join(', ')}]`,
    ...(bounds.length === 0 ? [] : [`inside ${boundsText(bounds)}`]),
    ...(purposes.length === 0 ? [] : [`for ${purposes.join(', ')}`]),
    ...(condition === undefined ? [] : [`if ${condition}`]),
  ].join(' ')

const memberText = (member: string, value: JsonValue): string => {
  if (member === 'bounds') return printable(boundsText(value as unknown as readonly Bound[])) || 'none'
  if (member === 'purposes' && Array.isArray(value) && value.length === 0) return 'any'
  return valueText(value)
}

/** `nurse: permission imaging.read: effect: forbid -> permit` */
const differenceText = (role: string, { permission, member, from, to, loosens }: RoleDifference): string => {
  const where = [role, ...(permission === undefined ? [] : [`permission ${permission}`])].map(printable).join(': ')
  const mark = loosens === undefined ? '' : `  LOOSER: ${loosens}`
  if (member === 'permission')
    return `${where} is ${from === null ? 'added' : 'removed'}: ${printable(permissionText((from ?? to) as unknown as Permission))}${mark}\n`
  return `${where}: ${member}: ${memberText(member, from)} -> ${memberText(member, to)}${mark}\n`
}

const differencesText = (rows: readonly Row[]): string => {
  const all = rows.flatMap(({ role, differences }) => differences.map((difference) => ({ role, difference })))
  const looser = all.filter(({ difference }) => difference.loosens !== undefined).length
  const summary = looser === 0 ? '' : `${count(looser, 'change')} marked LOOSER: somebody may do more than before.\n`
  return all.map(({ role, difference }) => differenceText(role, difference)).join('') + summary
}

interface Found {
  readonly format: RoleFormat | 'builtin'
  readonly roles: readonly RoleDefinition[]
  readonly findings: readonly ImportFinding[]
}

const foundRoles = async (file: string | undefined, { builtin, bounds, purposes }: ImportOptions): Promise<Found> => {
  if (builtin) {
    if (file !== undefined) throw new ChartwardenError('INVALID_ARGUMENT', { message: 'Name a file or --builtin, not both.' })
    const roles = builtinRoles()
    return { format: 'builtin', roles, findings: findingsOf(roles) }
  }
  if (file === undefined) throw new ChartwardenError('INVALID_ARGUMENT', { message: 'Name the file with the roles, or --builtin.' })
  return readRoleFiles({ roles: file, bounds, purposes })
}

export const rolesCommand = (act: Act): Command =>
  withClinic(
    new Command('roles')
      .description(
        "Define roles from a file: YAML or CSV as `role export` writes them, a clinic's own table (role,resource_type,action,effect) or OpenEMR's (role,section,object,level), told apart by what is in it. A repeat changes nothing.",
      )
      .argument('[file]', 'the roles'),
  )
    .addOption(
      new Option('--builtin', 'in place of a file: the built-in roles, with all that they permit and their clearances').conflicts([
        'bounds',
        'purposes',
      ]),
    )
    .option('--bounds <csv>', "bounds of the limited cells of a clinic's table; without it those cells give nothing")
    .option('--purposes <csv>', "purposes of use of each role of a clinic's table or OpenEMR's; without it a role holds for any purpose")
    .option('--dry-run', 'only say what was found and what would change; nothing is changed')
    .action(
      act(async (session, command) => {
        const options = command.opts<ImportOptions>()
        const { dryRun = false } = options
        const { format, roles, findings: ofFile } = await foundRoles(command.processedArgs[0] as string | undefined, options)
        const { policy } = await session.connect(needsOf(options, 'policy.read', ...(dryRun ? [] : ['policy.write' as const])))
        const { roles: inForce } = await rolesInForce(policy, options)
        const plan = planImport(roles, inForce)
        if (plan.kind === 'problems') throw refusedPlan(plan)
        const findings = [
          ...ofFile.filter(({ kind }) => kind !== 'emergency_self_review'),
          ...emergencySelfReview(roles, inForce),
          ...newToClinic(roles, inForce),
        ]
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
