import { type Command, Option } from 'commander'
import { clinicOption } from './common-options.ts'
import { parseTypedId, parseUuid, type TypedId } from './parsers.ts'

export interface RecordingOptions {
  readonly clinic: string
  readonly by: TypedId
  readonly requestId?: string
}

/** `--clinic`, `--by` and `--request-id`, for facts that a person of the clinic records. */
export const withRecording = (command: Command): Command =>
  command
    .addOption(clinicOption())
    .addOption(new Option('--by <type:id>', 'who records it').argParser(parseTypedId).makeOptionMandatory())
    .option('--request-id <uuid>', 'repeats an earlier call safely (default: a new one)', parseUuid)
