import { Command } from 'commander'
import { type ConcernAnswer, type ConcernRow, ConcernRowSchema } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { ConcernOutcome } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import { enumCodes } from '../../input/enum-codes.ts'
import { parseUuid } from '../../input/parsers.ts'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { concernKinds } from '../concern/record.ts'
import { choicesOption } from './choices-option.ts'
import { type PeriodOptions, periodFields, withPeriod } from './period-options.ts'
import { type ReportOptions, withReport, writeReport } from './report-output.ts'
import { reportRows } from './report-stream.ts'
import { noticingWithheld, type Withholding } from './withheld.ts'

interface ConcernsOptions extends ReportOptions, PeriodOptions {
  readonly patient?: string
  readonly entry?: string
  readonly kind?: readonly string[]
  readonly open?: true
}

const outcomes = enumCodes(ConcernOutcome)

const answerText = ({ answeredAt, outcome, text }: ConcernAnswer): string =>
  `${timeText(answeredAt)} ${outcomes.nameOf(outcome)}${text === '' ? '' : `: ${text}`}`

const columns: readonly Column<ConcernRow>[] = [
  { name: 'raised_at', value: (row) => timeText(row.raisedAt) },
  { name: 'kind', value: (row) => concernKinds.nameOf(row.kind) },
  { name: 'patient_id', value: (row) => row.patientId },
  { name: 'text', value: (row) => row.text },
  { name: 'open', value: (row) => (row.open ? 'yes' : '') },
  { name: 'due', value: (row) => timeText(row.due) },
  { name: 'answers', value: ({ answers }) => String(answers.length) },
  { name: 'last_answer', value: ({ answers }) => answers.slice(-1).map(answerText).join('') },
  { name: 'every_answer', value: ({ answers }) => answers.map(answerText).join('\n'), wide: true },
  { name: 'about_entry_id', value: (row) => row.aboutEntryId },
  { name: 'recorded_by', value: (row) => subjectText(row.recordedBy) },
  { name: 'revision', value: (row) => (row.entry === undefined ? '' : String(row.entry.revision)), wide: true },
  { name: 'concern_id', value: (row) => row.entry?.id ?? '' },
]

const withheld: Withholding<ConcernRow> = {
  textOf: (row) => row.text,
  note: 'Texts of concerns and answers are not shown: the token lacks the scope audit.unseal.',
}

export const concernsCommand = (act: Act): Command =>
  withPeriod(
    withReport(new Command('concerns').description('Disputes, requests for correction and complaints with their answers, newest first.'))
      .option('--patient <id>', 'one patient')
      .option('--entry <id>', 'about one entry', parseUuid)
      .addOption(choicesOption('--kind <list>', 'kinds', concernKinds.names))
      .option('--open', 'only those that no answer has ended'),
    'raised',
  ).action(
    act(async (session, command) => {
      const options = command.opts<ConcernsOptions>()
      const value = {
        patientId: options.patient ?? '',
        entryId: options.entry ?? '',
        kinds: (options.kind ?? []).map(concernKinds.valueOf),
        openOnly: options.open ?? false,
        ...periodFields(options),
      }
      const items = await reportRows(session, options, { case: 'concerns', value }, 'concern')
      return writeReport(session, options, {
        columns,
        toJson: (row) => messageJson(ConcernRowSchema, row),
        items: noticingWithheld(session, items, withheld),
      })
    }),
  )
