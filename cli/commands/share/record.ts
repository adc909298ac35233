import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { Command } from 'commander'
import { ShareRecordResponseSchema } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseList, parseTime, parseTypedId, type TypedId } from '../../input/parsers.ts'
import { entryText, obligationText, subjectText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { printable } from '../../output/printable.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf } from '../../request.ts'

interface RecordOptions extends ChangeOptions {
  readonly types: readonly string[]
  readonly records?: readonly string[]
  readonly actions: readonly string[]
  readonly purpose: string
  readonly until: Timestamp
  readonly supports?: readonly string[]
}

export const recordCommand = (act: Act): Command =>
  withChange(
    new Command('record')
      .description('Share records of one patient for a purpose and a time. It permits nothing by itself: the recipient needs a role, too.')
      .argument('<patient>', 'the identifier of the patient')
      .argument('<recipient>', 'with whom, as type:id: a lab, a specialist, one of their people', parseTypedId),
  )
    .requiredOption('--types <list>', 'resource types, separated by commas', parseList)
    .option('--records <ids>', 'records of those types, separated by commas (default: every one of the patient)', parseList)
    .requiredOption('--actions <list>', 'what may be done with them, separated by commas: read', parseList)
    .requiredOption('--purpose <code>', 'why, as an HL7 v3 PurposeOfUse code: TREAT, COC, …')
    .requiredOption('--until <time>', 'end, exclusive', parseTime)
    .option('--supports <types>', 'obligations that are enforced, separated by commas', parseList)
    .action(
      act(async (session, command) => {
        const [patientId, recipient] = command.processedArgs as [string, TypedId]
        const options = command.opts<RecordOptions>()
        const { relationships } = await session.connect(needsOf(options, 'relationship.write'))
        const answer = await change(session, options, (requestId) =>
          relationships.shareRecord({
            ...clinicFields(options),
            requestId,
            patientId,
            recipient,
            resourceTypes: [...options.types],
            resourceIds: [...(options.records ?? [])],
            actions: [...options.actions],
            purpose: options.purpose,
            until: options.until,
            supportedObligations: [...(options.supports ?? [])],
          }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(ShareRecordResponseSchema, answer))}\n`)
        else {
          const repeat = answer.replayed ? ' (a repeat)' : ''
          const duties = answer.obligations.map((obligation) => `  with ${obligationText(obligation)}\n`).join('')
          const what = printable(`Shared with ${subjectText(recipient)}`)
          await session.print(`${what}${repeat}: share ${answer.shareId}.\n${duties}  ${entryText(answer.entry)}\n`)
        }
        return 'ok'
      }),
    )
