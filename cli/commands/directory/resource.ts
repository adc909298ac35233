import { Command } from 'commander'
import {
  GetResourceResponseSchema,
  PutResourceResponseSchema,
  RemoveResourceResponseSchema,
  type ResourceDescription,
} from '../../../proto/gen/chartwarden/access/v1/directory_pb.js'
import { type ChangeOptions, type ClinicOptions, withChange, withClinic } from '../../input/common-options.ts'
import { parseList, parseTypedId, type TypedId } from '../../input/parsers.ts'
import { type PropertyValues, parseProperty } from '../../input/properties.ts'
import { entryText, subjectText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { printable } from '../../output/printable.ts'
import { propertiesText } from '../../output/properties.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf } from '../../request.ts'

interface PutOptions extends ChangeOptions {
  readonly patient?: string
  readonly confidentiality?: string
  readonly sensitivities?: readonly string[]
  readonly property?: PropertyValues
}

export const putResourceCommand = (act: Act): Command =>
  withChange(
    new Command('put')
      .description('Describe a record or, as patient:id, a patient; what was said before is replaced, labels included.')
      .argument('<record>', 'which, as type:id', parseTypedId),
  )
    .option('--patient <id>', 'the patient whom the record is about')
    .option('--confidentiality <code>', 'U, L, M, N, R or V (default: N)')
    .option('--sensitivities <codes>', 'such as PSY, HIV, VIP, separated by commas', parseList)
    .option('--property <name=value>', 'one property; repeat it for more: status=released, year=2026', parseProperty)
    .action(
      act(async (session, command) => {
        const record = command.processedArgs[0] as TypedId
        const options = command.opts<PutOptions>()
        const { directory } = await session.connect(needsOf(options, 'directory.write'))
        const answer = await change(session, options, (requestId) =>
          directory.putResource({
            ...clinicFields(options),
            requestId,
            description: {
              resource: { ...record, patientId: options.patient ?? '', properties: { ...options.property } },
              confidentiality: options.confidentiality ?? '',
              sensitivities: [...(options.sensitivities ?? [])],
            },
          }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(PutResourceResponseSchema, answer))}\n`)
        else {
          const what = `${printable(subjectText(record))} is described${answer.replayed ? ' (a repeat)' : ''}`
          await session.print(`${what}.\n  ${entryText(answer.entry)}\n`)
        }
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
