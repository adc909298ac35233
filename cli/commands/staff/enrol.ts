import { Command } from 'commander'
import { EnrolStaffResponseSchema } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseList, parseTypedId, subjectRef, type TypedId } from '../../input/parsers.ts'
import { entryText, subjectText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { printable } from '../../output/printable.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf } from '../../request.ts'

interface EnrolOptions extends ChangeOptions {
  readonly ownPatient?: string
  readonly memberOf?: readonly TypedId[]
}

export const enrolCommand = (act: Act): Command =>
  withChange(
    new Command('enrol')
      .description('Make a person, service or organisation known. A former person is reinstated instead.')
      .argument('<person>', 'who, as type:id', parseTypedId),
  )
    .option('--own-patient <id>', "the person's own patient identifier, if a patient of the clinic too")
    .option('--member-of <list>', 'organisations the person works for, as type:id, separated by commas', (text) =>
      parseList(text).map(parseTypedId),
    )
    .action(
      act(async (session, command) => {
        const person = command.processedArgs[0] as TypedId
        const options = command.opts<EnrolOptions>()
        const { staff } = await session.connect(needsOf(options, 'staff.write'))
        const answer = await change(session, options, (requestId) =>
          staff.enrolStaff({
            ...clinicFields(options),
            requestId,
            subject: person,
            ownPatientId: options.ownPatient ?? '',
            memberOf: (options.memberOf ?? []).map(subjectRef),
          }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(EnrolStaffResponseSchema, answer))}\n`)
        else
          await session.print(
            `${printable(subjectText(person))} is enrolled${answer.replayed ? ' (a repeat)' : ''}.\n  ${entryText(answer.entry)}\n`,
          )
        return 'ok'
      }),
    )
