import { Command, Option } from 'commander'
import { OpenResponseSchema } from '../../../proto/gen/chartwarden/access/v1/emergency_pb.js'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseCount, parseTypedId, type TypedId } from '../../input/parsers.ts'
import { entryText, subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { printable } from '../../output/printable.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf, optional } from '../../request.ts'

interface OpenOptions extends ChangeOptions {
  readonly reason: string
  readonly purpose: string
  readonly minutes?: number
}

export const openCommand = (act: Act): Command =>
  withChange(
    new Command('open')
      .description('Open emergency access for one person and one patient; it ends by itself and must be reviewed by somebody else.')
      .argument('<person>', 'who needs it, as type:id', parseTypedId)
      .argument('<patient>', 'the identifier of the patient'),
  )
    .requiredOption('--reason <text>', 'why, in at least 10 characters; kept sealed')
    .addOption(new Option('--purpose <code>', 'break the glass, or emergency treatment').choices(['BTG', 'ETREAT']).default('BTG'))
    .option(
      '--minutes <count>',
      'how long, from 1 to as many as the clinic settled, at most 1440 (default: as it settled)',
      parseCount(1440),
    )
    .action(
      act(async (session, command) => {
        const [person, patientId] = command.processedArgs as [TypedId, string]
        const options = command.opts<OpenOptions>()
        const { emergencies } = await session.connect(needsOf(options, 'emergency.use'))
        const answer = await change(session, options, (requestId) =>
          emergencies.open({
            ...clinicFields(options),
            requestId,
            subject: person,
            patientId,
            purpose: options.purpose,
            reason: options.reason,
            ...optional('minutes', options.minutes),
          }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(OpenResponseSchema, answer))}\n`)
        else {
          const who = `${printable(subjectText(person))} for patient ${printable(patientId)}`
          const repeat = answer.replayed ? ' (a repeat)' : ''
          await session.print(
            `Emergency access of ${who} until ${timeText(answer.until)}${repeat}: ${answer.emergencyId}.\n` +
              `  ${entryText(answer.entry)}\n  Review due ${timeText(answer.reviewDue)}.\n`,
          )
        }
        return 'ok'
      }),
    )
