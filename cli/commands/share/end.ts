import { Command } from 'commander'
import { EndShareResponseSchema } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseUuid } from '../../input/parsers.ts'
import { entryText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf } from '../../request.ts'

interface EndOptions extends ChangeOptions {
  readonly reason: string
}

export const endCommand = (act: Act): Command =>
  withChange(new Command('end').description('End a share before its time.').argument('<share>', 'its identifier', parseUuid))
    .requiredOption('--reason <text>', 'why; kept sealed')
    .action(
      act(async (session, command) => {
        const shareId = command.processedArgs[0] as string
        const options = command.opts<EndOptions>()
        const { relationships } = await session.connect(needsOf(options, 'relationship.write'))
        const answer = await change(session, options, (requestId) =>
          relationships.endShare({ ...clinicFields(options), requestId, shareId, reason: options.reason }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(EndShareResponseSchema, answer))}\n`)
        else await session.print(`Share ${shareId} is over${answer.replayed ? ' (a repeat)' : ''}.\n  ${entryText(answer.entry)}\n`)
        return 'ok'
      }),
    )
