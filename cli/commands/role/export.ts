import { Command, Option } from 'commander'
import { administratorRole } from '../../../services/access/policy/administrator.ts'
import { roleTable } from '../../../services/access/policy/export/role-table.ts'
import { roleYaml } from '../../../services/access/policy/export/role-yaml.ts'
import { type ClinicOptions, withClinic } from '../../input/common-options.ts'
import type { Act } from '../../program.ts'
import { needsOf } from '../../request.ts'
import { roleNamed, rolesInForce } from '../../roles-in-force.ts'

const formats = { yaml: roleYaml, csv: roleTable } as const

interface ExportOptions extends ClinicOptions {
  readonly format: keyof typeof formats
}

export const exportCommand = (act: Act): Command =>
  withClinic(
    new Command('export')
      .description('Roles as a file that `import roles` reads again: all but the reserved one, or those named.')
      .argument('[roles...]', 'only these'),
  )
    .addOption(new Option('--format <format>', 'of the file').choices(Object.keys(formats)).default('yaml'))
    .action(
      act(async (session, command) => {
        const options = command.opts<ExportOptions>()
        const named = command.processedArgs[0] as readonly string[]
        const { policy } = await session.connect(needsOf(options, 'policy.read'))
        const { roles } = await rolesInForce(policy, options)
        const chosen =
          named.length === 0 ? roles.filter(({ role }) => role !== administratorRole) : named.map((name) => roleNamed(roles, name))
        await session.print(formats[options.format](chosen))
        return 'ok'
      }),
    )
