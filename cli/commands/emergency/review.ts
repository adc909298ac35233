import { Command, Option } from 'commander'
import { ReviewOutcome, ReviewResponseSchema } from '../../../proto/gen/chartwarden/access/v1/emergency_pb.js'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseUuid } from '../../input/parsers.ts'
import { entryText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf, optional } from '../../request.ts'

const outcomes = {
  justified: ReviewOutcome.JUSTIFIED,
  'not-justified': ReviewOutcome.NOT_JUSTIFIED,
  unclear: ReviewOutcome.UNCLEAR,
} as const

interface ReviewOptions extends ChangeOptions {
  readonly outcome: keyof typeof outcomes
  readonly note?: string
}

export const reviewCommand = (act: Act): Command =>
  withChange(
    new Command('review')
      .description('Record what a review of emergency access found, once it is over. The reviewer is named with --on-behalf-of.')
      .argument('<id>', 'which', parseUuid),
  )
    .addOption(new Option('--outcome <outcome>', 'what was found').choices(Object.keys(outcomes)).makeOptionMandatory())
    .option('--note <text>', 'in words; kept sealed')
    .action(
      act(async (session, command) => {
        const emergencyId = command.processedArgs[0] as string
        const options = command.opts<ReviewOptions>()
        if (options.onBehalfOf === undefined) {
          throw new ChartwardenError('PERSON_REQUIRED', { message: 'Name the person who reviews with --on-behalf-of.' })
        }
        const { emergencies } = await session.connect(needsOf(options, 'emergency.review'))
        const answer = await change(session, options, (requestId) =>
          emergencies.review({
            ...clinicFields(options),
            requestId,
            emergencyId,
            outcome: outcomes[options.outcome],
            ...optional('note', options.note),
          }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(ReviewResponseSchema, answer))}\n`)
        else await session.print(`Reviewed${answer.replayed ? ' (a repeat)' : ''}: ${options.outcome}.\n  ${entryText(answer.entry)}\n`)
        return 'ok'
      }),
    )
