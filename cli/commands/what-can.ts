import { Command, InvalidArgumentError, Option } from 'commander'
import { type AllowedAction, AllowedActionSchema, WhatCanList } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { everyPageOfOneState } from '../every-page.ts'
import { type ClinicOptions, type MomentOptions, momentField, withClinic, withMoment } from '../input/common-options.ts'
import { parseTypedId, type TypedId } from '../input/parsers.ts'
import { purposeHelp, type QuestionOptions, questionFields, withSubjectCircumstances } from '../input/question-options.ts'
import type { Column } from '../output/column.ts'
import { count, obligationText, timeText } from '../output/describe.ts'
import { messageJson } from '../output/message-json.ts'
import { tellNotes } from '../output/notes.ts'
import { createRowWriter } from '../output/row-writer.ts'
import type { Act } from '../program.ts'
import { clinicFields, needsOf, optional, underOptions } from '../request.ts'

const columns: readonly Column<AllowedAction>[] = [
  {
    name: 'resource',
    value: ({ resource }) => [resource?.type, resource?.id].filter((part) => part !== undefined && part !== '').join(':'),
  },
  { name: 'patient', value: ({ resource }) => resource?.patientId ?? '' },
  { name: 'action', value: ({ action }) => action },
  { name: 'rule', value: ({ rule }) => rule },
  { name: 'duties', value: ({ obligations }) => obligations.map(obligationText).join(', ') },
  { name: 'until', value: ({ until }) => timeText(until) },
]

interface WhatCanOptions extends ClinicOptions, MomentOptions, Omit<QuestionOptions, 'resource' | 'signedIn'> {
  readonly subject: TypedId
  readonly purpose: string
  readonly resource?: { readonly type: string; readonly id: string }
  readonly records?: string
}

/** `type` or `type:id`. */
const parseResource = (text: string): { readonly type: string; readonly id: string } => {
  if (text.includes(':')) return parseTypedId(text)
  if (text === '' || text.length > 64) throw new InvalidArgumentError('Write it as type or type:id, for example imaging or imaging:img-7.')
  return { type: text, id: '' }
}

export const whatCanCommand = (act: Act): Command =>
  withSubjectCircumstances(
    withMoment(
      withClinic(
        new Command('what-can').description(
          'What somebody could do, having just signed in: actions on each type of record, on one type or on one record; or, with --records, the described records of a type. The look is recorded.',
        ),
      ),
    )
      .requiredOption('--subject <type:id>', 'who', parseTypedId)
      .requiredOption('--purpose <code>', purposeHelp)
      .option('--resource <type[:id]>', 'only this type of record, or this record', parseResource)
      .option('--patient <id>', 'the patient whom the record is about')
      .addOption(
        new Option('--records <type>', 'list records of this type that the directory describes; needs --action').conflicts(['resource']),
      )
      .option('--action <name>', 'with --records: does what'),
  ).action(
    act(async (session, command) => {
      const options = command.opts<WhatCanOptions>()
      const { access } = await session.connect(needsOf(options, 'policy.explain'))
      const ofRecords = options.records !== undefined
      const resource = ofRecords ? { type: options.records, id: '' } : (options.resource ?? { type: '', id: '' })
      const fieldOptions = { ...questionFields(''), ...(ofRecords ? { 'resource.type': '--records' } : {}) }
      const { rows, first } = await everyPageOfOneState<
        AllowedAction,
        { rows: AllowedAction[]; nextPageToken: string; revision: bigint; notes: string[] }
      >(async (pageToken) => {
        const page = await underOptions(fieldOptions, () =>
          access.whatCan({
            ...clinicFields(options),
            subject: { ...options.subject, ...optional('properties', options.subjectProperty) },
            list: ofRecords ? WhatCanList.RESOURCES : WhatCanList.ACTIONS,
            ...optional('action', options.action === undefined ? undefined : { name: options.action }),
            resource: {
              type: resource.type,
              id: resource.id,
              patientId: options.patient ?? '',
              ...optional('properties', options.property),
            },
            purpose: options.purpose,
            ...optional('context', options.context),
            supportedObligations: [...(options.supports ?? [])],
            ...momentField(options),
            pageSize: 1_000,
            pageToken,
          }),
        )
        return { rows: page.allowed, nextPageToken: page.nextPageToken, revision: page.completeToRevision, notes: page.notes }
      })
      const writer = createRowWriter<AllowedAction>({
        format: session.json ? 'json' : 'table',
        columns,
        toJson: (row) => messageJson(AllowedActionSchema, row),
        out: session.io.out,
      })
      for (const row of rows) await writer.write(row)
      await writer.end({ complete_to_revision: String(first.revision), notes: first.notes })
      if (!session.json) await session.note(`${count(rows.length, ofRecords ? 'record' : 'action')}, as of revision ${first.revision}.`)
      if (!session.json) await tellNotes(session, first.notes)
      return 'ok'
    }),
  )
