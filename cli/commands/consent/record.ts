import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { Command, Option } from 'commander'
import { ConsentDecision, RecordConsentResponseSchema } from '../../../proto/gen/chartwarden/access/v1/consent_pb.js'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseList, parseTime, parseTypedId, subjectRef, type TypedId } from '../../input/parsers.ts'
import { entryText, subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { tellNotes } from '../../output/notes.ts'
import { printable } from '../../output/printable.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf, optional } from '../../request.ts'

interface RecordOptions extends ChangeOptions {
  readonly permit?: true
  readonly deny?: true
  readonly recipient?: TypedId
  readonly types?: readonly string[]
  readonly purposes?: readonly string[]
  readonly from?: Timestamp
  readonly until?: Timestamp
  readonly reason: string
}

/** `Patient p-7 refuses lab:lab-1 imaging and lab_report, for COC, from … until …` */
const directiveText = (patientId: string, { permit, recipient, types, purposes, from, until }: RecordOptions): string =>
  [
    `Patient ${patientId} ${permit === undefined ? 'refuses' : 'permits'} ${recipient === undefined ? 'anybody' : subjectText(recipient)}`,
    ` ${types === undefined ? 'every type of record' : types.join(', ')}`,
    ` for ${purposes === undefined ? 'any purpose' : purposes.join(', ')}`,
    ...(from === undefined ? [] : [` from ${timeText(from)}`]),
    ...(until === undefined ? [] : [` until ${timeText(until)}`]),
  ].join('')

export const recordConsentCommand = (act: Act): Command =>
  withChange(
    new Command('record')
      .description(
        'Record what a patient decided. The directive that names the recipient most closely decides; a permit alone opens nothing.',
      )
      .argument('<patient>', 'whose decision it is: the identifier of the patient'),
  )
    .option('--permit', 'the recipient may')
    .addOption(new Option('--deny', 'the recipient may not').conflicts('permit'))
    .option('--recipient <type:id>', 'the person or organisation meant (default: anybody)', parseTypedId)
    .option('--types <list>', 'resource types, separated by commas (default: all)', parseList)
    .option('--purposes <codes>', 'purposes with those below them, separated by commas (default: any)', parseList)
    .option('--from <time>', 'start (default: now)', parseTime)
    .option('--until <time>', 'end, exclusive (default: open)', parseTime)
    .requiredOption('--reason <text>', 'how it was given; kept sealed')
    .action(
      act(async (session, command) => {
        const patientId = command.processedArgs[0] as string
        const options = command.opts<RecordOptions>()
        if (options.permit === undefined && options.deny === undefined) {
          throw new ChartwardenError('INVALID_ARGUMENT', { message: 'Say what the patient decided: --permit or --deny.' })
        }
        const { consents } = await session.connect(needsOf(options, 'consent.write'))
        const answer = await change(session, options, (requestId) =>
          consents.recordConsent({
            ...clinicFields(options),
            requestId,
            consent: {
              patientId,
              ...optional('recipient', options.recipient && subjectRef(options.recipient)),
              resourceTypes: [...(options.types ?? [])],
              purposes: [...(options.purposes ?? [])],
              decision: options.permit === undefined ? ConsentDecision.DENY : ConsentDecision.PERMIT,
              ...optional('from', options.from),
              ...optional('until', options.until),
            },
            reason: options.reason,
          }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(RecordConsentResponseSchema, answer))}\n`)
        else {
          const repeat = answer.replayed ? ' (a repeat)' : ''
          await session.print(
            `${printable(directiveText(patientId, options))}${repeat}: consent ${answer.consentId}.\n  ${entryText(answer.entry)}\n`,
          )
          await tellNotes(session, answer.notes)
        }
        return 'ok'
      }),
    )
