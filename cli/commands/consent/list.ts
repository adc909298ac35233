import { Command } from 'commander'
import { type Consent, ConsentDecision, ConsentSchema } from '../../../proto/gen/chartwarden/access/v1/consent_pb.js'
import { type ClinicOptions, withClinic } from '../../input/common-options.ts'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { createRowWriter } from '../../output/row-writer.ts'
import type { Act } from '../../program.ts'
import { clinicFields, needsOf } from '../../request.ts'

const columns: readonly Column<Consent>[] = [
  { name: 'decision', value: (consent) => (consent.decision === ConsentDecision.PERMIT ? 'permit' : 'deny') },
  { name: 'recipient', value: (consent) => subjectText(consent.recipient) || 'anybody' },
  { name: 'types', value: (consent) => consent.resourceTypes.join(', ') || 'all' },
  { name: 'purposes', value: (consent) => consent.purposes.join(', ') || 'any' },
  { name: 'from', value: (consent) => timeText(consent.from) },
  { name: 'until', value: (consent) => timeText(consent.until) },
  { name: 'consent_id', value: (consent) => consent.consentId },
]

export const listConsentsCommand = (act: Act): Command =>
  withClinic(
    new Command('list')
      .description('The directives of a patient that are in force or to come. Reading them is itself recorded.')
      .argument('<patient>', 'the identifier of the patient'),
  ).action(
    act(async (session, command) => {
      const options = command.opts<ClinicOptions>()
      const { consents } = await session.connect(needsOf(options, 'consent.read'))
      const answer = await consents.listConsents({ ...clinicFields(options), patientId: command.processedArgs[0] as string })
      if (answer.consents.length === 0 && !session.json) await session.print('The patient has decided nothing.\n')
      else {
        const rows = createRowWriter<Consent>({
          format: session.json ? 'json' : 'table',
          columns,
          toJson: (consent) => messageJson(ConsentSchema, consent),
          out: session.io.out,
        })
        for (const consent of answer.consents) await rows.write(consent)
        await rows.end({ complete_to_revision: String(answer.completeToRevision) })
      }
      return 'ok'
    }),
  )
