import { Command } from 'commander'
import { type ExplainResponse, ExplainResponseSchema, RuleOutcome } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { type ClinicOptions, type MomentOptions, momentField, withClinic, withMoment } from '../input/common-options.ts'
import { type QuestionOptions, questionFields, questionOf, withQuestion } from '../input/question-options.ts'
import { answerLine } from '../output/decision.ts'
import { entryText, timeText } from '../output/describe.ts'
import { messageJson } from '../output/message-json.ts'
import { printable } from '../output/printable.ts'
import type { Act } from '../program.ts'
import { clinicFields, needsOf, underOptions } from '../request.ts'

const outcomes: Readonly<Record<RuleOutcome, string>> = {
  [RuleOutcome.UNSPECIFIED]: '?',
  [RuleOutcome.PERMITS]: 'permits',
  [RuleOutcome.REFUSES]: 'refuses',
  [RuleOutcome.NOT_MET]: 'not met',
}

const explanationText = ({ rules, needed, until, entry, completeToRevision, ...answer }: ExplainResponse): string => {
  const lines = rules.map(
    ({ step, rule, outcome, detail }) =>
      `  ${outcomes[outcome]}  ${printable(rule === '' ? step : `${step} ${rule}`)}\n    ${printable(detail)}\n`,
  )
  const ways = needed.map((way) => `  - ${printable(way)}\n`)
  return [
    `${answerLine(answer)}\n`,
    ...lines,
    ...(ways.length === 0 ? [] : ['What would change it, one way each:\n', ...ways]),
    ...(until === undefined ? [] : [`It may be otherwise from ${timeText(until)} on, whatever is changed.\n`]),
    `  as of revision ${completeToRevision}; ${entryText(entry)}\n`,
  ].join('')
}

export const explainCommand = (act: Act): Command =>
  withQuestion(
    withMoment(
      withClinic(
        new Command('explain').description(
          'Why a check would be answered as it would be, rule by rule, and what would change it. That somebody asked is recorded; nothing is permitted by it.',
        ),
      ),
    ),
    { required: true },
  ).action(
    act(async (session, command) => {
      const options = command.opts<ClinicOptions & MomentOptions & QuestionOptions>()
      const { access } = await session.connect(needsOf(options, 'policy.explain'))
      const answer = await underOptions(questionFields('check.'), () =>
        access.explain({ ...clinicFields(options), check: questionOf(options), ...momentField(options) }),
      )
      await session.print(session.json ? `${JSON.stringify(messageJson(ExplainResponseSchema, answer))}\n` : explanationText(answer))
      return 'ok'
    }),
  )
