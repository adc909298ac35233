import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { Command, Option } from 'commander'
import { ConcernKind } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import { enumCodes } from '../../input/enum-codes.ts'
import { parseTime, parseUuid } from '../../input/parsers.ts'
import { type RecordingOptions, withRecording } from '../../input/recording-options.ts'
import type { Act } from '../../program.ts'
import { optional } from '../../request.ts'
import { writeConcern } from './write-concern.ts'

interface RecordOptions extends RecordingOptions {
  readonly kind: string
  readonly text: string
  readonly about?: string
  readonly at?: Timestamp
}

export const concernKinds = enumCodes(ConcernKind, [ConcernKind.ANSWER])

export const recordCommand = (act: Act): Command =>
  withRecording(
    new Command('record')
      .description('Record that a patient disputes an entry, asks for a correction or complains.')
      .argument('<patient>', 'the identifier of the patient'),
  )
    .addOption(new Option('--kind <kind>', 'what it is').choices(concernKinds.names).makeOptionMandatory())
    .requiredOption('--text <text>', 'in words; kept sealed')
    .option('--about <entry>', 'the entry it stands beside, by its id', parseUuid)
    .option('--at <time>', 'when it was raised (default: now)', parseTime)
    .action(
      act(async (session, command) => {
        const options = command.opts<RecordOptions>()
        return writeConcern(session, options, 'Concern recorded', {
          patientId: command.processedArgs[0] as string,
          kind: concernKinds.valueOf(options.kind),
          text: options.text,
          ...optional('aboutEntryId', options.about),
          ...optional('raisedAt', options.at),
        })
      }),
    )
