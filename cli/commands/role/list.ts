import { Command } from 'commander'
import type { Clearance } from '../../../services/access/events.ts'
import type { RoleDefinition } from '../../../services/access/policy/roles.ts'
import { type ClinicOptions, withClinic } from '../../input/common-options.ts'
import type { Column } from '../../output/column.ts'
import { createRowWriter } from '../../output/row-writer.ts'
import type { Act } from '../../program.ts'
import { needsOf } from '../../request.ts'
import { rolesInForce } from '../../roles-in-force.ts'

/** `R (HIV, PSY)`; empty for none. */
export const clearanceText = (clearance: Clearance | undefined): string => {
  if (clearance === undefined) return ''
  const { confidentiality, sensitivities } = clearance
  return sensitivities.length === 0 ? confidentiality : `${confidentiality} (${sensitivities.join(', ')})`
}

const columns: readonly Column<RoleDefinition>[] = [
  { name: 'role', value: ({ role }) => role },
  { name: 'title', value: ({ title }) => title },
  { name: 'inherits', value: ({ inherits }) => inherits.join(', ') },
  { name: 'permissions', value: ({ permissions }) => String(permissions.length) },
  { name: 'clearance', value: ({ clearance }) => clearanceText(clearance) },
]

export const listCommand = (act: Act): Command =>
  withClinic(new Command('list').description('Every role in force.')).action(
    act(async (session, command) => {
      const options = command.opts<ClinicOptions>()
      const { policy } = await session.connect(needsOf(options, 'policy.read'))
      const { roles, revision } = await rolesInForce(policy, options)
      const rows = createRowWriter<RoleDefinition>({
        format: session.json ? 'json' : 'table',
        columns,
        toJson: (role) => role,
        out: session.io.out,
      })
      for (const role of roles) await rows.write(role)
      await rows.end({ complete_to_revision: String(revision) })
      return 'ok'
    }),
  )
