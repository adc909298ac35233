import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { Command } from 'commander'
import { type CheckResponse, CheckResponseSchema, Intent } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { clinicOption } from '../input/common-options.ts'
import { parseList, parseTime, parseTypedId, parseUuid, type TypedId } from '../input/parsers.ts'
import { type PropertyValues, parseProperty } from '../input/properties.ts'
import { questionFields } from '../input/question-options.ts'
import { entryText, obligationText } from '../output/describe.ts'
import { messageJson } from '../output/message-json.ts'
import { printable } from '../output/printable.ts'
import type { Act } from '../program.ts'
import { change, optional, underOptions } from '../request.ts'

interface CheckOptions {
  readonly clinic: string
  readonly subject: TypedId
  readonly action: string
  readonly resource: TypedId
  readonly patient?: string
  readonly purpose: string
  readonly reason?: string
  readonly supports?: readonly string[]
  readonly property?: PropertyValues
  readonly context?: PropertyValues
  readonly probe?: true
  readonly signedIn?: Timestamp
  readonly requestId?: string
}

const answerText = (answer: CheckResponse): string => {
  const verdict = answer.decision === Decision.PERMIT ? 'permit' : 'deny'
  const rule = answer.rule === '' ? '' : ` by ${printable(answer.rule)}`
  const obligations = answer.obligations.map((obligation) => `  with ${obligationText(obligation)}\n`).join('')
  return `${verdict}: ${printable(answer.reasonCode)}${rule}\n${obligations}  ${entryText(answer.entry)}${answer.replayed ? ' (a repeat)' : ''}\n`
}

export const checkCommand = (act: Act): Command =>
  new Command('check')
    .description('Ask whether a person may do this to that record; the answer is recorded. Ends with 0 for permit and 3 for deny.')
    .addOption(clinicOption())
    .requiredOption('--subject <type:id>', 'who', parseTypedId)
    .requiredOption('--action <name>', 'does what: read, create, update, delete, export, share, …')
    .requiredOption('--resource <type:id>', 'to which record: imaging:img-7', parseTypedId)
    .option('--patient <id>', 'the patient whom the record is about')
    .requiredOption('--purpose <code>', 'why, as an HL7 v3 PurposeOfUse code: TREAT, PATADMIN, HPAYMT, …')
    .option('--reason <text>', 'why, in words; kept sealed')
    .option('--supports <types>', 'obligations that are enforced, separated by commas', parseList)
    .option('--property <name=value>', 'what is known of the record, for conditions and labels; repeat it for more', parseProperty)
    .option('--context <name=value>', 'what is known of the situation, for conditions; repeat it for more', parseProperty)
    .option('--probe', 'only ask: recorded as a probe, opens nothing')
    .option('--signed-in <time>', 'when the person signed in; needed for a person with a cut-off', parseTime)
    .option('--request-id <uuid>', 'repeats an earlier question (default: a new one)', parseUuid)
    .action(
      act(async (session, command) => {
        const options = command.opts<CheckOptions>()
        const { access } = await session.connect({ clinics: [options.clinic], scopes: ['access.check'] })
        const answer = await change(session, options, (requestId) =>
          underOptions(questionFields(''), () =>
            access.check({
              requestId,
              clinic: options.clinic,
              subject: options.subject,
              action: { name: options.action },
              resource: { ...options.resource, patientId: options.patient ?? '', ...optional('properties', options.property) },
              purpose: options.purpose,
              reason: options.reason ?? '',
              supportedObligations: [...(options.supports ?? [])],
              intent: options.probe ? Intent.PROBE : Intent.ACCESS,
              ...optional('session', options.signedIn && { issuedAt: options.signedIn }),
              ...optional('context', options.context),
            }),
          ),
        )
        await session.print(session.json ? `${JSON.stringify(messageJson(CheckResponseSchema, answer))}\n` : answerText(answer))
        return answer.decision === Decision.PERMIT ? 'ok' : 'denied'
      }),
    )
