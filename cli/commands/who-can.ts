import { Command } from 'commander'
import { type AllowedSubject, AllowedSubjectSchema } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { everyPageOfOneState } from '../every-page.ts'
import { type ClinicOptions, type MomentOptions, momentField, withClinic, withMoment } from '../input/common-options.ts'
import { parseTypedId, type TypedId } from '../input/parsers.ts'
import { purposeHelp, type QuestionOptions, questionFields, withCircumstances } from '../input/question-options.ts'
import type { Column } from '../output/column.ts'
import { count, obligationText, subjectText, timeText } from '../output/describe.ts'
import { messageJson } from '../output/message-json.ts'
import { tellNotes } from '../output/notes.ts'
import { createRowWriter } from '../output/row-writer.ts'
import type { Act } from '../program.ts'
import { clinicFields, needsOf, optional, underOptions } from '../request.ts'

const columns: readonly Column<AllowedSubject>[] = [
  { name: 'subject', value: ({ subject }) => subjectText(subject) },
  { name: 'rule', value: ({ rule }) => rule },
  { name: 'duties', value: ({ obligations }) => obligations.map(obligationText).join(', ') },
  { name: 'until', value: ({ until }) => timeText(until) },
]

interface WhoCanOptions extends ClinicOptions, MomentOptions, Pick<QuestionOptions, 'patient' | 'supports' | 'property' | 'context'> {
  readonly action: string
  readonly resource: TypedId
  readonly purpose: string
  readonly type?: string
}

export const whoCanCommand = (act: Act): Command =>
  withCircumstances(
    withMoment(
      withClinic(
        new Command('who-can').description('Everybody who could do this to that record, having just signed in. The look is recorded.'),
      ),
    )
      .requiredOption('--action <name>', 'does what')
      .requiredOption('--resource <type:id>', 'to which record', parseTypedId)
      .option('--patient <id>', 'the patient whom the record is about')
      .requiredOption('--purpose <code>', purposeHelp)
      .option('--type <type>', 'only subjects of this type: staff, lab, …'),
  ).action(
    act(async (session, command) => {
      const options = command.opts<WhoCanOptions>()
      const { access } = await session.connect(needsOf(options, 'policy.explain'))
      const { rows, first } = await everyPageOfOneState<
        AllowedSubject,
        { rows: AllowedSubject[]; nextPageToken: string; revision: bigint; notes: string[] }
      >(async (pageToken) => {
        const page = await underOptions(questionFields(''), () =>
          access.whoCan({
            ...clinicFields(options),
            action: { name: options.action },
            resource: { ...options.resource, patientId: options.patient ?? '', ...optional('properties', options.property) },
            purpose: options.purpose,
            ...optional('context', options.context),
            supportedObligations: [...(options.supports ?? [])],
            subjectType: options.type ?? '',
            ...momentField(options),
            pageSize: 1_000,
            pageToken,
          }),
        )
        return { rows: page.subjects, nextPageToken: page.nextPageToken, revision: page.completeToRevision, notes: page.notes }
      })
      const writer = createRowWriter<AllowedSubject>({
        format: session.json ? 'json' : 'table',
        columns,
        toJson: (row) => messageJson(AllowedSubjectSchema, row),
        out: session.io.out,
      })
      for (const row of rows) await writer.write(row)
      await writer.end({ complete_to_revision: String(first.revision), notes: first.notes })
      if (!session.json) await session.note(`${count(rows.length, 'subject')}, as of revision ${first.revision}.`)
      if (!session.json) await tellNotes(session, first.notes)
      return 'ok'
    }),
  )
