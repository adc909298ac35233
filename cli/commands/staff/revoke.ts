import { Command } from 'commander'
import { RevokeRoleResponseSchema } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseTypedId, parseUuid, type TypedId } from '../../input/parsers.ts'
import { entryText, subjectText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { printable } from '../../output/printable.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf } from '../../request.ts'

interface RevokeOptions extends ChangeOptions {
  readonly role?: string
  readonly grant?: string
  readonly reason: string
}

export const revokeCommand = (act: Act): Command =>
  withChange(
    new Command('revoke')
      .description('Take a role or one grant from a person.')
      .argument('<person>', 'from whom, as type:id', parseTypedId),
  )
    .option('--role <role>', 'every grant of this role')
    .option('--grant <uuid>', 'this grant alone', parseUuid)
    .requiredOption('--reason <text>', 'why; kept sealed')
    .action(
      act(async (session, command) => {
        const person = command.processedArgs[0] as TypedId
        const options = command.opts<RevokeOptions>()
        if (options.role === undefined && options.grant === undefined) {
          throw new ChartwardenError('INVALID_ARGUMENT', { message: 'Name what to take: --role <role> or --grant <uuid>.' })
        }
        const { staff } = await session.connect(needsOf(options, 'staff.write'))
        const answer = await change(session, options, (requestId) =>
          staff.revokeRole({
            ...clinicFields(options),
            requestId,
            subject: person,
            role: options.role ?? '',
            grantId: options.grant ?? '',
            reason: options.reason,
          }),
        )
        const what = options.grant === undefined ? `the role ${options.role}` : `grant ${options.grant}`
        if (session.json) await session.print(`${JSON.stringify(messageJson(RevokeRoleResponseSchema, answer))}\n`)
        else {
          const repeat = answer.replayed ? ' (a repeat)' : ''
          await session.print(`${printable(`${subjectText(person)} no longer holds ${what}`)}${repeat}.\n  ${entryText(answer.entry)}\n`)
        }
        return 'ok'
      }),
    )
