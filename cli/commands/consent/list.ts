import { Command } from 'commander'
import { type Consent, ConsentDecision, ListConsentsResponseSchema } from '../../../proto/gen/chartwarden/access/v1/consent_pb.js'
import { type ClinicOptions, withClinic } from '../../input/common-options.ts'
import type { Column } from '../../output/column.ts'
import { subjectText, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { table } from '../../output/table.ts'
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
      if (session.json) await session.print(`${JSON.stringify(messageJson(ListConsentsResponseSchema, answer))}\n`)
      else if (answer.consents.length === 0) await session.print('The patient has decided nothing.\n')
      else await session.print(table(columns, answer.consents))
      return 'ok'
    }),
  )
