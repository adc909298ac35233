import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { Command } from 'commander'
import { GrantRoleResponseSchema } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseTime, parseTypedId, type TypedId } from '../../input/parsers.ts'
import { entryText, subjectText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { printable } from '../../output/printable.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf, optional } from '../../request.ts'

interface GrantOptions extends ChangeOptions {
  readonly reason: string
  readonly from?: Timestamp
  readonly until?: Timestamp
}

export const grantCommand = (act: Act): Command =>
  withChange(
    new Command('grant')
      .description('Give a role to a person.')
      .argument('<person>', 'who, as type:id', parseTypedId)
      .argument('<role>', 'the role'),
  )
    .requiredOption('--reason <text>', 'why; kept sealed')
    .option('--from <time>', 'start (default: now)', parseTime)
    .option('--until <time>', 'end, exclusive (default: open)', parseTime)
    .action(
      act(async (session, command) => {
        const [person, role] = command.processedArgs as [TypedId, string]
        const options = command.opts<GrantOptions>()
        const { staff } = await session.connect(needsOf(options, 'staff.write'))
        const answer = await change(session, options, (requestId) =>
          staff.grantRole({
            ...clinicFields(options),
            requestId,
            subject: person,
            role,
            reason: options.reason,
            ...optional('from', options.from),
            ...optional('until', options.until),
          }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(GrantRoleResponseSchema, answer))}\n`)
        else {
          const what = `${printable(subjectText(person))} holds ${printable(role)}${answer.replayed ? ' (a repeat)' : ''}`
          await session.print(`${what}: grant ${answer.grantId}.\n  ${entryText(answer.entry)}\n`)
        }
        return 'ok'
      }),
    )
