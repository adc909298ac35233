import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { Command, Option } from 'commander'
import { ConcernKind, ConcernOutcome } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import { enumCodes } from '../../input/enum-codes.ts'
import { parseTime, parseUuid } from '../../input/parsers.ts'
import { type RecordingOptions, withRecording } from '../../input/recording-options.ts'
import type { Act } from '../../program.ts'
import { optional } from '../../request.ts'
import { writeConcern } from './write-concern.ts'

interface AnswerOptions extends RecordingOptions {
  readonly outcome: string
  readonly text: string
  readonly at?: Timestamp
}

const outcomes = enumCodes(ConcernOutcome)

export const answerCommand = (act: Act): Command =>
  withRecording(
    new Command('answer')
      .description('Record what the clinic answered. Every outcome but pending ends the concern.')
      .argument('<concern>', 'the id of the concern', parseUuid)
      .argument('<patient>', 'the identifier of the patient'),
  )
    .addOption(new Option('--outcome <outcome>', 'what was answered').choices(outcomes.names).makeOptionMandatory())
    .requiredOption('--text <text>', 'in words; kept sealed')
    .option('--at <time>', 'when (default: now)', parseTime)
    .action(
      act(async (session, command) => {
        const [concernId, patientId] = command.processedArgs as [string, string]
        const options = command.opts<AnswerOptions>()
        return writeConcern(session, options, 'Answer recorded', {
          patientId,
          concernId,
          kind: ConcernKind.ANSWER,
          outcome: outcomes.valueOf(options.outcome),
          text: options.text,
          ...optional('raisedAt', options.at),
        })
      }),
    )
