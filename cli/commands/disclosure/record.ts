import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { Command, Option } from 'commander'
import { RecordDisclosureResponseSchema } from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { DisclosureCategory } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import { enumCodes } from '../../input/enum-codes.ts'
import { parseTime, subjectRef } from '../../input/parsers.ts'
import { type RecordingOptions, withRecording } from '../../input/recording-options.ts'
import { entryText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { change, needsOf, optional, underOptions } from '../../request.ts'

interface RecordOptions extends RecordingOptions {
  readonly recipient: string
  readonly recipientAddress?: string
  readonly description: string
  readonly purpose: string
  readonly category: string
  readonly at?: Timestamp
  readonly suspendedUntil?: Timestamp
  readonly source?: string
}

export const disclosureCategories = enumCodes(DisclosureCategory)

const optionOfField = {
  recorded_by: '--by',
  recipient_name: '--recipient',
  recipient_address: '--recipient-address',
  description: '--description',
  purpose: '--purpose',
  disclosed_at: '--at',
  suspended_until: '--suspended-until',
  source: '--source',
}

export const recordCommand = (act: Act): Command =>
  withRecording(
    new Command('record')
      .description('Record that something about a patient left the clinic. All text is kept sealed under the key of the patient.')
      .argument('<patient>', 'the identifier of the patient'),
  )
    .requiredOption('--recipient <name>', 'who received it')
    .option('--recipient-address <text>', 'their address, if known')
    .requiredOption('--description <text>', 'what was disclosed, in brief: categories and periods, never content')
    .requiredOption('--purpose <text>', 'what for, in brief, or a reference to the written request')
    .addOption(
      new Option('--category <category>', 'whether an accounting must show it (45 CFR 164.528(a)(1))')
        .choices(disclosureCategories.names)
        .makeOptionMandatory(),
    )
    .option('--at <time>', 'when (default: now)', parseTime)
    .option(
      '--suspended-until <time>',
      'law enforcement or health oversight asks to keep it out of the accounting for the patient until then (164.528(a)(2))',
      parseTime,
    )
    .option('--source <text>', 'where the record of it comes from')
    .action(
      act(async (session, command) => {
        const patientId = command.processedArgs[0] as string
        const options = command.opts<RecordOptions>()
        const { audit } = await session.connect(needsOf(options, 'disclosure.record'))
        const answer = await change(session, options, (requestId) =>
          underOptions(optionOfField, () =>
            audit.recordDisclosure({
              requestId,
              clinic: options.clinic,
              recordedBy: subjectRef(options.by),
              patientId,
              recipientName: options.recipient,
              recipientAddress: options.recipientAddress ?? '',
              description: options.description,
              purpose: options.purpose,
              category: disclosureCategories.valueOf(options.category),
              source: options.source ?? '',
              ...optional('disclosedAt', options.at),
              ...optional('suspendedUntil', options.suspendedUntil),
            }),
          ),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(RecordDisclosureResponseSchema, answer))}\n`)
        else await session.print(`Disclosure recorded${answer.replayed ? ' (a repeat)' : ''}.\n  ${entryText(answer.entry)}\n`)
        return 'ok'
      }),
    )
