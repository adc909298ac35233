import { Command } from 'commander'
import { WithdrawConsentResponseSchema } from '../../../proto/gen/chartwarden/access/v1/consent_pb.js'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseUuid } from '../../input/parsers.ts'
import { entryText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf } from '../../request.ts'

interface WithdrawOptions extends ChangeOptions {
  readonly reason: string
}

export const withdrawConsentCommand = (act: Act): Command =>
  withChange(new Command('withdraw').description('End a directive.').argument('<consent>', 'its identifier', parseUuid))
    .requiredOption('--reason <text>', 'why; kept sealed')
    .action(
      act(async (session, command) => {
        const consentId = command.processedArgs[0] as string
        const options = command.opts<WithdrawOptions>()
        const { consents } = await session.connect(needsOf(options, 'consent.write'))
        const answer = await change(session, options, (requestId) =>
          consents.withdrawConsent({ ...clinicFields(options), requestId, consentId, reason: options.reason }),
        )
        if (session.json) await session.print(`${JSON.stringify(messageJson(WithdrawConsentResponseSchema, answer))}\n`)
        else
          await session.print(`Consent ${consentId} is withdrawn${answer.replayed ? ' (a repeat)' : ''}.\n  ${entryText(answer.entry)}\n`)
        return 'ok'
      }),
    )
