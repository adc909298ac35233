import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { Command, Option } from 'commander'
import { ConcernKind } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import { enumCodes } from '../../input/enum-codes.ts'
import { parseRevision, parseTime, parseUuid } from '../../input/parsers.ts'
import { type RecordingOptions, withRecording } from '../../input/recording-options.ts'
import type { Act } from '../../program.ts'
import { needsOf, optional, underOptions } from '../../request.ts'
import type { Session } from '../../session.ts'
import { writeConcern } from './write-concern.ts'

interface RecordOptions extends RecordingOptions {
  readonly kind: string
  readonly text: string
  readonly about?: string | bigint
  readonly at?: Timestamp
}

export const concernKinds = enumCodes(ConcernKind, [ConcernKind.ANSWER])

/** An entry by its id, or by its revision. */
const parseEntry = (text: string): string | bigint => (/^\d+$/.test(text) ? parseRevision(text) : parseUuid(text))

const entryIdOf = async (session: Session, { clinic, about }: RecordOptions): Promise<string | undefined> => {
  if (typeof about !== 'bigint') return about
  const { audit } = await session.connect(needsOf({ clinic }, 'audit.read'))
  const { entry } = await underOptions({ revision: '--about' }, () => audit.getEntry({ clinic, key: { case: 'revision', value: about } }))
  return entry?.id
}

export const recordCommand = (act: Act): Command =>
  withRecording(
    new Command('record')
      .description('Record that a patient disputes an entry, asks for a correction or complains.')
      .argument('<patient>', 'the identifier of the patient'),
  )
    .addOption(new Option('--kind <kind>', 'what it is').choices(concernKinds.names).makeOptionMandatory())
    .requiredOption('--text <text>', 'in words; kept sealed')
    .option('--about <entry>', 'the entry it stands beside, by its id or its revision (which needs the scope audit.read)', parseEntry)
    .option('--at <time>', 'when it was raised (default: now)', parseTime)
    .action(
      act(async (session, command) => {
        const options = command.opts<RecordOptions>()
        return writeConcern(session, options, 'Concern recorded', {
          patientId: command.processedArgs[0] as string,
          kind: concernKinds.valueOf(options.kind),
          text: options.text,
          ...optional('aboutEntryId', await entryIdOf(session, options)),
          ...optional('raisedAt', options.at),
        })
      }),
    )
