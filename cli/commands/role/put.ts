import { Command } from 'commander'
import { PutRoleResponseSchema } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { roleMessage } from '../../../services/access/policy/role-message.ts'
import type { RoleDefinition } from '../../../services/access/policy/roles.ts'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { count, entryText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { tellNotes } from '../../output/notes.ts'
import { printable } from '../../output/printable.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf } from '../../request.ts'
import { readRoleFiles } from '../../role-files.ts'

interface PutOptions extends ChangeOptions {
  readonly reason: string
}

const onlyRole = async (file: string): Promise<RoleDefinition> => {
  const { roles } = await readRoleFiles({ roles: file })
  const [role] = roles
  if (role === undefined || roles.length > 1) {
    const message = `The file ${file} holds ${count(roles.length, 'role')}; one is put, several are imported with "import roles".`
    throw new ChartwardenError('INVALID_ARGUMENT', { message })
  }
  return role
}

export const putCommand = (act: Act): Command =>
  withChange(
    new Command('put')
      .description('Define a role or replace it.')
      .argument('<file>', 'one role, in YAML or CSV as `role export` writes it'),
  )
    .requiredOption('--reason <text>', 'why; kept sealed')
    .action(
      act(async (session, command) => {
        const options = command.opts<PutOptions>()
        const role = await onlyRole(command.processedArgs[0] as string)
        const { policy } = await session.connect(needsOf(options, 'policy.write'))
        const answer = await change(session, options, (requestId) =>
          policy.putRole({ ...clinicFields(options), requestId, role: roleMessage(role), reason: options.reason }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(PutRoleResponseSchema, answer))}\n`)
        else {
          const what = `Role ${printable(role.role)} is in force, ${count(role.permissions.length, 'permission')}`
          await session.print(`${what}${answer.replayed ? ' (a repeat)' : ''}.\n  ${entryText(answer.entry)}\n`)
          await tellNotes(session, answer.notes)
        }
        return 'ok'
      }),
    )
