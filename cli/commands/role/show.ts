import { Command } from 'commander'
import type { Permission } from '../../../services/access/events.ts'
import { boundsText } from '../../../services/access/policy/bounds-text.ts'
import { type EffectiveRights, effectiveRights, rightPathText } from '../../../services/access/policy/effective-rights.ts'
import type { RoleDefinition } from '../../../services/access/policy/roles.ts'
import { type ClinicOptions, withClinic } from '../../input/common-options.ts'
import type { Column } from '../../output/column.ts'
import { printable } from '../../output/printable.ts'
import { table } from '../../output/table.ts'
import type { Act } from '../../program.ts'
import { needsOf } from '../../request.ts'
import { roleNamed, rolesInForce } from '../../roles-in-force.ts'
import { clearanceText } from './list.ts'

interface ShowOptions extends ClinicOptions {
  readonly effective?: true
}

interface Row {
  /** Which permission, and with `--effective` by which way. */
  readonly by: string
  readonly permission: Permission
}

const columns: readonly Column<Row>[] = [
  { name: 'resource_type', value: ({ permission }) => permission.resource_type },
  { name: 'actions', value: ({ permission }) => permission.actions.join(', ') },
  { name: 'effect', value: ({ permission }) => permission.effect },
  { name: 'bounds', value: ({ permission }) => boundsText(permission.bounds) },
  { name: 'purposes', value: ({ permission }) => (permission.purposes.length === 0 ? 'any' : permission.purposes.join(', ')) },
  { name: 'condition', value: ({ permission }) => permission.condition ?? '' },
  { name: 'by', value: ({ by }) => by },
]

const heading = ({ role, title }: RoleDefinition, revision: bigint): string =>
  `${printable(role)}: ${printable(title)}, as of revision ${revision}\n`

const permissionTable = (rows: readonly Row[]): string => (rows.length === 0 ? '  gives nothing\n' : table(columns, rows))

const ownText = (role: RoleDefinition): string => {
  const inherits = role.inherits.length === 0 ? '' : `  inherits ${printable(role.inherits.join(', '))}\n`
  const clearance = role.clearance === undefined ? '' : `  cleared for ${clearanceText(role.clearance)}\n`
  return inherits + clearance + permissionTable(role.permissions.map((permission) => ({ by: permission.id, permission })))
}

const effectiveText = ({ rights, clearances, missing }: EffectiveRights): string =>
  [
    ...missing.map((path) => `  ${printable(path.join(' -> '))} is not in force and gives nothing\n`),
    ...clearances.map(({ clearance, path }) => `  cleared for ${clearanceText(clearance)} by ${printable(path.join(' -> '))}\n`),
    permissionTable(rights.map((right) => ({ by: rightPathText(right), permission: right.permission }))),
  ].join('')

export const showCommand = (act: Act): Command =>
  withClinic(new Command('show').description('One role and what it permits.').argument('<role>', 'the role'))
    .option('--effective', 'with all it inherits, and the way by which it has each right')
    .action(
      act(async (session, command) => {
        const options = command.opts<ShowOptions>()
        const { policy } = await session.connect(needsOf(options, 'policy.read'))
        const { roles, revision } = await rolesInForce(policy, options)
        const role = roleNamed(roles, command.processedArgs[0] as string)
        const effective = options.effective ? effectiveRights(new Map(roles.map((one) => [one.role, one])), role.role) : undefined
        if (session.json) {
          await session.print(
            `${JSON.stringify({ role, ...(effective === undefined ? {} : { effective }), complete_to_revision: String(revision) })}\n`,
          )
        } else {
          await session.print(heading(role, revision) + (effective === undefined ? ownText(role) : effectiveText(effective)))
        }
        return 'ok'
      }),
    )
