import { Command } from 'commander'
import { RemoveCareTeamResponseSchema } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseTypedId, type TypedId } from '../../input/parsers.ts'
import { entryText, subjectText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { printable } from '../../output/printable.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf } from '../../request.ts'

export const removeCommand = (act: Act): Command =>
  withChange(
    new Command('remove')
      .description("Take somebody off a patient's care team.")
      .argument('<patient>', 'the identifier of the patient')
      .argument('<person>', 'who, as type:id', parseTypedId),
  ).action(
    act(async (session, command) => {
      const [patientId, person] = command.processedArgs as [string, TypedId]
      const options = command.opts<ChangeOptions>()
      const { relationships } = await session.connect(needsOf(options, 'relationship.write'))
      const answer = await change(session, options, (requestId) =>
        relationships.removeCareTeam({ ...clinicFields(options), requestId, patientId, subject: person }),
      )
      if (session.json) await session.print(`${JSON.stringify(messageJson(RemoveCareTeamResponseSchema, answer))}\n`)
      else {
        const what = printable(`${subjectText(person)} is off the care team of patient ${patientId}`)
        await session.print(`${what}${answer.replayed ? ' (a repeat)' : ''}.\n  ${entryText(answer.entry)}\n`)
      }
      return 'ok'
    }),
  )
