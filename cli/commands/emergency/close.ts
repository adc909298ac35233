import { Command } from 'commander'
import { CloseResponseSchema } from '../../../proto/gen/chartwarden/access/v1/emergency_pb.js'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseUuid } from '../../input/parsers.ts'
import { entryText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf, optional } from '../../request.ts'

interface CloseOptions extends ChangeOptions {
  readonly reason?: string
}

export const closeCommand = (act: Act): Command =>
  withChange(new Command('close').description('End emergency access early; its review stays owed.').argument('<id>', 'which', parseUuid))
    .option('--reason <text>', 'why; kept sealed')
    .action(
      act(async (session, command) => {
        const emergencyId = command.processedArgs[0] as string
        const options = command.opts<CloseOptions>()
        const { emergencies } = await session.connect(needsOf(options, 'emergency.use'))
        const answer = await change(session, options, (requestId) =>
          emergencies.close({ ...clinicFields(options), requestId, emergencyId, ...optional('reason', options.reason) }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(CloseResponseSchema, answer))}\n`)
        else await session.print(`Closed${answer.replayed ? ' (a repeat)' : ''}; a review is owed.\n  ${entryText(answer.entry)}\n`)
        return 'ok'
      }),
    )
