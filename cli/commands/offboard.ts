import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { Command } from 'commander'
import { type OffboardResponse, OffboardResponseSchema } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { type ChangeOptions, withChange } from '../input/common-options.ts'
import { parseTime, parseTypedId, type TypedId } from '../input/parsers.ts'
import { count, entryText, subjectText } from '../output/describe.ts'
import { messageJson } from '../output/message-json.ts'
import { printable } from '../output/printable.ts'
import type { Act } from '../program.ts'
import { change, clinicFields, needsOf, optional } from '../request.ts'

interface OffboardOptions extends ChangeOptions {
  readonly reason: string
  readonly effective?: Timestamp
}

const answerText = (name: string, answer: OffboardResponse): string => {
  const repeat = answer.replayed ? ' (a repeat)' : ''
  const entry = `  ${entryText(answer.entry)}\n`
  if (answer.unknownSubject) return `${name} is barred; nobody's access ended${repeat}.\n${entry}`
  const ended = [
    count(answer.grantsEnded, 'grant'),
    count(answer.sharesEnded, 'share'),
    count(answer.relationshipsEnded, 'relationship'),
    count(answer.emergenciesEnded, 'emergency access', 'emergency accesses'),
  ]
  return `${name} has no access any more${repeat}; ended: ${ended.join(', ')}.\n${entry}`
}

const unknownText = (name: string, clinic: string): string =>
  `\nWARNING: NOBODY CALLED ${name} WAS KNOWN IN CLINIC ${clinic}.\n` +
  'The identifier is barred and the attempt is recorded, but no one has lost access. Check the spelling and offboard the right person.'

const unknownJson = JSON.stringify({
  warning: { reason: 'SUBJECT_UNKNOWN', message: 'Nobody of this identifier was known: it is barred; check the spelling.' },
})

export const offboardCommand = (act: Act): Command =>
  withChange(
    new Command('offboard')
      .description(
        'End everything a person holds, in one entry: from then on every check is denied. Ends with 7 when nobody of that identifier was known.',
      )
      .argument('<person>', 'who leaves, as type:id', parseTypedId),
  )
    .requiredOption('--reason <text>', 'why; kept sealed')
    .option('--effective <time>', 'when employment ended, if earlier than now; access ends now in any case', parseTime)
    .action(
      act(async (session, command) => {
        const person = command.processedArgs[0] as TypedId
        const options = command.opts<OffboardOptions>()
        const { staff } = await session.connect(needsOf(options, 'staff.offboard'))
        const answer = await change(session, options, (requestId) =>
          staff.offboard({
            ...clinicFields(options),
            requestId,
            subject: person,
            reason: options.reason,
            ...optional('effective', options.effective),
          }),
        )
        const name = printable(subjectText(person))
        await session.print(session.json ? `${JSON.stringify(messageJson(OffboardResponseSchema, answer))}\n` : answerText(name, answer))
        if (!answer.unknownSubject) return 'ok'
        await session.note(session.json ? unknownJson : unknownText(name, options.clinic))
        return 'unknownPerson'
      }),
    )
