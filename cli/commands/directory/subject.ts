import type { JsonObject } from '@bufbuild/protobuf'
import { Command } from 'commander'
import {
  GetSubjectResponseSchema,
  PutSubjectResponseSchema,
  RemoveSubjectResponseSchema,
} from '../../../proto/gen/chartwarden/access/v1/directory_pb.js'
import { type ChangeOptions, type ClinicOptions, withChange, withClinic } from '../../input/common-options.ts'
import { parseTypedId, type TypedId } from '../../input/parsers.ts'
import { entryText, subjectText } from '../../output/describe.ts'
import { messageJson, messageObject } from '../../output/message-json.ts'
import { tellNotes } from '../../output/notes.ts'
import { printable } from '../../output/printable.ts'
import { propertiesText } from '../../output/properties.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf } from '../../request.ts'
import {
  changedBy,
  changedText,
  mergedProperties,
  notStanding,
  type PutOptions,
  propertyMembers,
  readStanding,
  withProperties,
} from './standing.ts'

const membersOf = (subject: { readonly properties?: JsonObject | undefined } | undefined) => propertyMembers(subject?.properties)

export const putSubjectCommand = (act: Act): Command =>
  withProperties(
    withChange(
      new Command('put')
        .description('Describe a subject; what is not given stays as it was said. It makes nobody known: that is "staff enrol".')
        .argument('<subject>', 'who, as type:id', parseTypedId),
    ),
    'shift=night, level=3, locum=true, wards=["a","b"]',
  ).action(
    act(async (session, command) => {
      const subject = command.processedArgs[0] as TypedId
      const options = command.opts<PutOptions>()
      const { directory } = await session.connect(needsOf(options, 'directory.read', 'directory.write'))
      const standing = await readStanding(
        options,
        'SUBJECT_UNDESCRIBED',
        async () => (await directory.getSubject({ ...clinicFields(options), subject })).subject,
      )
      const said = standing.kind === 'described' ? standing.description.properties : undefined
      const put = { ...subject, properties: mergedProperties(options.replace ? undefined : said, options) }
      const answer = await change(session, options, (requestId) =>
        directory.putSubject({ ...clinicFields(options), requestId, subject: put }),
      )
      const changes = changedBy<{ readonly properties?: JsonObject | undefined }>(standing, membersOf, put)
      if (session.json) {
        await session.print(`${JSON.stringify({ ...messageObject(PutSubjectResponseSchema, answer), changes: changes ?? null })}\n`)
      } else {
        const what = `${printable(subjectText(subject))} is described${answer.replayed ? ' (a repeat)' : ''}`
        await session.print(`${what}.\n  ${entryText(answer.entry)}\n${changedText(standing, changes)}`)
      }
      await tellNotes(
        session,
        notStanding(said, options).map((name) => `No property ${name} was said of it.`),
      )
      return 'ok'
    }),
  )

export const showSubjectCommand = (act: Act): Command =>
  withClinic(new Command('show').description('What is said of a subject.').argument('<subject>', 'who, as type:id', parseTypedId)).action(
    act(async (session, command) => {
      const options = command.opts<ClinicOptions>()
      const { directory } = await session.connect(needsOf(options, 'directory.read'))
      const answer = await directory.getSubject({ ...clinicFields(options), subject: command.processedArgs[0] as TypedId })
      if (session.json) await session.print(`${JSON.stringify(messageJson(GetSubjectResponseSchema, answer))}\n`)
      else {
        const { subject, completeToRevision } = answer
        await session.print(
          `${printable(subjectText(subject))}, as of revision ${completeToRevision}\n${propertiesText(subject?.properties)}`,
        )
      }
      return 'ok'
    }),
  )

export const removeSubjectCommand = (act: Act): Command =>
  withChange(
    new Command('remove').description('Remove the description of a subject.').argument('<subject>', 'who, as type:id', parseTypedId),
  ).action(
    act(async (session, command) => {
      const subject = command.processedArgs[0] as TypedId
      const options = command.opts<ChangeOptions>()
      const { directory } = await session.connect(needsOf(options, 'directory.write'))
      const answer = await change(session, options, (requestId) =>
        directory.removeSubject({ ...clinicFields(options), requestId, subject }),
      )
      if (session.json) await session.print(`${JSON.stringify(messageJson(RemoveSubjectResponseSchema, answer))}\n`)
      else {
        const what = `${printable(subjectText(subject))} is described no longer${answer.replayed ? ' (a repeat)' : ''}`
        await session.print(`${what}.\n  ${entryText(answer.entry)}\n`)
      }
      return 'ok'
    }),
  )
