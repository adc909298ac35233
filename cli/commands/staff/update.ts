import { Command, InvalidArgumentError, Option } from 'commander'
import { UpdateStaffResponseSchema } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import type { SubjectRef } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { Connection } from '../../connection.ts'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseList, parseTypedId, subjectRef, type TypedId } from '../../input/parsers.ts'
import { entryText, subjectText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { printable } from '../../output/printable.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf } from '../../request.ts'

interface UpdateOptions extends ChangeOptions {
  /** False: no patient of the clinic. */
  readonly ownPatient: string | false
  /** False: none. Undefined: as they are. */
  readonly memberOf?: readonly TypedId[] | false
}

const parseOwnPatient = (text: string): string => {
  if (text === '') throw new InvalidArgumentError('Write the identifier, or --no-own-patient.')
  return text
}

const organisationsNow = async ({ staff }: Connection, options: UpdateOptions, subject: TypedId): Promise<readonly SubjectRef[]> =>
  (await staff.getStaff({ ...clinicFields(options), subject })).staff?.memberOf ?? []

export const updateCommand = (act: Act): Command =>
  withChange(
    new Command('update')
      .description('Replace what enrolment said of a person. Nobody is told an own patient identifier, so it is stated each time.')
      .argument('<person>', 'who, as type:id', parseTypedId),
  )
    .addOption(
      new Option('--own-patient <id>', "the person's own patient identifier: the record is protected from colleagues, and from the person")
        .argParser(parseOwnPatient)
        .makeOptionMandatory(),
    )
    .addOption(new Option('--no-own-patient', 'the person is no patient of the clinic'))
    .option('--member-of <list>', 'all organisations the person works for, as type:id, separated by commas (default: as now)', (text) =>
      parseList(text).map(parseTypedId),
    )
    .addOption(new Option('--no-member-of', 'the person works for no organisation'))
    .action(
      act(async (session, command) => {
        const person = command.processedArgs[0] as TypedId
        const options = command.opts<UpdateOptions>()
        const { ownPatient, memberOf } = options
        const connection = await session.connect(
          needsOf(options, 'staff.write', ...(memberOf === undefined ? ['staff.read' as const] : [])),
        )
        const organisations = memberOf === undefined ? await organisationsNow(connection, options, person) : memberOf || []
        const answer = await change(session, options, (requestId) =>
          connection.staff.updateStaff({
            ...clinicFields(options),
            requestId,
            subject: person,
            ownPatientId: ownPatient === false ? '' : ownPatient,
            memberOf: organisations.map(subjectRef),
          }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(UpdateStaffResponseSchema, answer))}\n`)
        else
          await session.print(
            `${printable(subjectText(person))} is updated${answer.replayed ? ' (a repeat)' : ''}.\n  ${entryText(answer.entry)}\n`,
          )
        return 'ok'
      }),
    )
