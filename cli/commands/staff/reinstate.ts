import { Command } from 'commander'
import { ReinstateResponseSchema } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseTypedId, type TypedId } from '../../input/parsers.ts'
import { entryText, subjectText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { printable } from '../../output/printable.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf } from '../../request.ts'

interface ReinstateOptions extends ChangeOptions {
  readonly reason: string
}

export const reinstateCommand = (act: Act): Command =>
  withChange(
    new Command('reinstate')
      .description('Make a former person known again, with no roles; sign-ins from before stay void.')
      .argument('<person>', 'who returns, as type:id', parseTypedId),
  )
    .requiredOption('--reason <text>', 'why; kept sealed')
    .action(
      act(async (session, command) => {
        const person = command.processedArgs[0] as TypedId
        const options = command.opts<ReinstateOptions>()
        const { staff } = await session.connect(needsOf(options, 'staff.write'))
        const answer = await change(session, options, (requestId) =>
          staff.reinstate({ ...clinicFields(options), requestId, subject: person, reason: options.reason }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(ReinstateResponseSchema, answer))}\n`)
        else {
          const repeat = answer.replayed ? ' (a repeat)' : ''
          await session.print(
            `${printable(subjectText(person))} is known again and holds nothing${repeat}.\n  ${entryText(answer.entry)}\n`,
          )
        }
        return 'ok'
      }),
    )
