import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { Command } from 'commander'
import { PutCareTeamResponseSchema } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseTime, parseTypedId, type TypedId } from '../../input/parsers.ts'
import { entryText, subjectText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { printable } from '../../output/printable.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf, optional } from '../../request.ts'

interface AddOptions extends ChangeOptions {
  readonly from?: Timestamp
  readonly until?: Timestamp
}

export const addCommand = (act: Act): Command =>
  withChange(
    new Command('add')
      .description("Put somebody on a patient's care team; whoever is on it already is from now on for this period.")
      .argument('<patient>', 'the identifier of the patient')
      .argument('<person>', 'who, as type:id', parseTypedId),
  )
    .option('--from <time>', 'start (default: now)', parseTime)
    .option('--until <time>', 'end, exclusive (default: open)', parseTime)
    .action(
      act(async (session, command) => {
        const [patientId, person] = command.processedArgs as [string, TypedId]
        const options = command.opts<AddOptions>()
        const { relationships } = await session.connect(needsOf(options, 'relationship.write'))
        const answer = await change(session, options, (requestId) =>
          relationships.putCareTeam({
            ...clinicFields(options),
            requestId,
            patientId,
            subject: person,
            ...optional('from', options.from),
            ...optional('until', options.until),
          }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(PutCareTeamResponseSchema, answer))}\n`)
        else {
          const what = printable(`${subjectText(person)} is on the care team of patient ${patientId}`)
          await session.print(`${what}${answer.replayed ? ' (a repeat)' : ''}.\n  ${entryText(answer.entry)}\n`)
        }
        return 'ok'
      }),
    )
