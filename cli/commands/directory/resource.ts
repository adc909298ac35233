import type { JsonObject } from '@bufbuild/protobuf'
import { Command } from 'commander'
import {
  GetResourceResponseSchema,
  PutResourceResponseSchema,
  RemoveResourceResponseSchema,
  type ResourceDescription,
} from '../../../proto/gen/chartwarden/access/v1/directory_pb.js'
import { type ChangeOptions, type ClinicOptions, withChange, withClinic } from '../../input/common-options.ts'
import { parseList, parseTypedId, type TypedId } from '../../input/parsers.ts'
import { entryText, subjectText } from '../../output/describe.ts'
import type { Members } from '../../output/member-changes.ts'
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

interface PutResourceOptions extends PutOptions {
  /** False: none. */
  readonly patient?: string | false
  readonly confidentiality?: string
  /** False: none. */
  readonly sensitivities?: readonly string[] | false
}

interface Said {
  readonly resource?: { readonly patientId: string; readonly properties?: JsonObject | undefined } | undefined
  readonly confidentiality: string
  readonly sensitivities: readonly string[]
}

const membersOf = (said: Said | undefined): Members => ({
  patient: said?.resource?.patientId || null,
  confidentiality: said?.confidentiality || 'N',
  sensitivities: [...(said?.sensitivities ?? [])].sort(),
  ...propertyMembers(said?.resource?.properties),
})

/** What is said from now on: what is given, and what was said where nothing is given. */
const merged = (said: Said | undefined, options: PutResourceOptions) => ({
  resource: {
    patientId: options.patient === false ? '' : (options.patient ?? said?.resource?.patientId ?? ''),
    properties: mergedProperties(said?.resource?.properties, options),
  },
  confidentiality: options.confidentiality ?? said?.confidentiality ?? '',
  sensitivities: options.sensitivities === false ? [] : [...(options.sensitivities ?? said?.sensitivities ?? [])],
})

export const putResourceCommand = (act: Act): Command =>
  withProperties(
    withChange(
      new Command('put')
        .description('Describe a record or, as patient:id, a patient; what is not given stays as it was said, labels included.')
        .argument('<record>', 'which, as type:id', parseTypedId),
    )
      .option('--patient <id>', 'the patient whom the record is about')
      .option('--no-patient', 'the record is about no patient')
      .option('--confidentiality <code>', 'U, L, M, N, R or V; N where nothing was said')
      .option('--sensitivities <codes>', 'all of them, such as PSY, HIV, VIP, separated by commas', parseList)
      .option('--no-sensitivities', 'the record has none'),
    'status=released, year=2026',
  ).action(
    act(async (session, command) => {
      const record = command.processedArgs[0] as TypedId
      const options = command.opts<PutResourceOptions>()
      const { directory } = await session.connect(needsOf(options, 'directory.read', 'directory.write'))
      const standing = await readStanding<Said>(
        options,
        'RESOURCE_UNDESCRIBED',
        async () =>
          (await directory.getResource({ ...clinicFields(options), resourceType: record.type, resourceId: record.id })).description,
      )
      const said = standing.kind === 'described' ? standing.description : undefined
      const put = merged(options.replace ? undefined : said, options)
      const answer = await change(session, options, (requestId) =>
        directory.putResource({
          ...clinicFields(options),
          requestId,
          description: { ...put, resource: { ...put.resource, ...record } },
        }),
      )
      const changes = changedBy<Said>(standing, membersOf, put)
      if (session.json) {
        await session.print(`${JSON.stringify({ ...messageObject(PutResourceResponseSchema, answer), changes: changes ?? null })}\n`)
      } else {
        const what = `${printable(subjectText(record))} is described${answer.replayed ? ' (a repeat)' : ''}`
        await session.print(`${what}.\n  ${entryText(answer.entry)}\n${changedText(standing, changes)}`)
      }
      const unsaid = notStanding(said?.resource?.properties, options).map((name) => `No property ${name} was said of it.`)
      await tellNotes(session, [...unsaid, ...(session.json ? [] : answer.notes)])
      return 'ok'
    }),
  )

const descriptionText = ({ resource, confidentiality, sensitivities }: ResourceDescription, revision: bigint): string => {
  const patient = resource === undefined || resource.patientId === '' ? '' : `  about patient ${printable(resource.patientId)}\n`
  const labels = `  confidentiality ${printable(confidentiality)}, sensitivities ${printable(sensitivities.join(', ')) || 'none'}\n`
  return `${printable(subjectText(resource))}, as of revision ${revision}\n${patient}${labels}${propertiesText(resource?.properties)}`
}

export const showResourceCommand = (act: Act): Command =>
  withClinic(new Command('show').description('What is said of a record.').argument('<record>', 'which, as type:id', parseTypedId)).action(
    act(async (session, command) => {
      const record = command.processedArgs[0] as TypedId
      const options = command.opts<ClinicOptions>()
      const { directory } = await session.connect(needsOf(options, 'directory.read'))
      const answer = await directory.getResource({ ...clinicFields(options), resourceType: record.type, resourceId: record.id })
      if (session.json) await session.print(`${JSON.stringify(messageJson(GetResourceResponseSchema, answer))}\n`)
      else if (answer.description !== undefined) await session.print(descriptionText(answer.description, answer.completeToRevision))
      return 'ok'
    }),
  )

interface RemoveOptions extends ChangeOptions {
  readonly reason: string
}

export const removeResourceCommand = (act: Act): Command =>
  withChange(
    new Command('remove')
      .description('Remove the description of a record, labels included.')
      .argument('<record>', 'which, as type:id', parseTypedId),
  )
    .requiredOption('--reason <text>', 'why; kept sealed')
    .action(
      act(async (session, command) => {
        const record = command.processedArgs[0] as TypedId
        const options = command.opts<RemoveOptions>()
        const { directory } = await session.connect(needsOf(options, 'directory.write'))
        const answer = await change(session, options, (requestId) =>
          directory.removeResource({
            ...clinicFields(options),
            requestId,
            resourceType: record.type,
            resourceId: record.id,
            reason: options.reason,
          }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(RemoveResourceResponseSchema, answer))}\n`)
        else {
          const what = `${printable(subjectText(record))} is described no longer${answer.replayed ? ' (a repeat)' : ''}`
          await session.print(`${what}.\n  ${entryText(answer.entry)}\n`)
        }
        return 'ok'
      }),
    )
