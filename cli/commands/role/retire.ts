import { Command } from 'commander'
import { RetireRoleResponseSchema } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { entryText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { printable } from '../../output/printable.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf } from '../../request.ts'

interface RetireOptions extends ChangeOptions {
  readonly reason: string
}

/** The service's own sentence tells how to define a role, which is not what is wanted here. */
const unknownRole =
  (role: string) =>
  (thrown: unknown): never => {
    if (!(thrown instanceof ChartwardenError) || thrown.reason !== 'ROLE_UNKNOWN') throw thrown
    const message = `No role ${JSON.stringify(role)} is in force in this clinic; nothing was retired.`
    throw new ChartwardenError('ROLE_UNKNOWN', { message, metadata: thrown.metadata, cause: thrown })
  }

export const retireCommand = (act: Act): Command =>
  withChange(new Command('retire').description('End a role; every grant of it ends too.').argument('<role>', 'the role'))
    .requiredOption('--reason <text>', 'why; kept sealed')
    .action(
      act(async (session, command) => {
        const options = command.opts<RetireOptions>()
        const role = command.processedArgs[0] as string
        const { policy } = await session.connect(needsOf(options, 'policy.write'))
        const answer = await change(session, options, (requestId) =>
          policy.retireRole({ ...clinicFields(options), requestId, role, reason: options.reason }).catch(unknownRole(role)),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(RetireRoleResponseSchema, answer))}\n`)
        else await session.print(`Role ${printable(role)} is over${answer.replayed ? ' (a repeat)' : ''}.\n  ${entryText(answer.entry)}\n`)
        return 'ok'
      }),
    )
