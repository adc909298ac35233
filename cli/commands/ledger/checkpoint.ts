import { Command } from 'commander'
import { GetCheckpointResponseSchema } from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { clinicOption } from '../../input/common-options.ts'
import { count, timeText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { printable } from '../../output/printable.ts'
import { writeText } from '../../output/write-text.ts'
import type { Act } from '../../program.ts'

interface CheckpointOptions {
  readonly clinic: string
  readonly output?: string
}

export const checkpointCommand = (act: Act): Command =>
  new Command('checkpoint')
    .description(
      "The newest signed head of a clinic's log (C2SP tlog-checkpoint). Keep one elsewhere: it shows later whether the ledger was changed.",
    )
    .addOption(clinicOption())
    .option('--output <file>', 'write the note to this file')
    .action(
      act(async (session, command) => {
        const { clinic, output } = command.opts<CheckpointOptions>()
        const { audit } = await session.connect({ clinics: [clinic], scopes: ['ledger.verify'] })
        const answer = await audit.getCheckpoint({ clinic })
        const { checkpoint, witnessed, sequenced, halted, signed, verifierKeys } = answer
        const note = checkpoint?.note ?? ''
        if (!session.json || output !== undefined) await writeText(session, output, note)
        if (session.json) await session.print(`${JSON.stringify(messageJson(GetCheckpointResponseSchema, answer))}\n`)
        else {
          const { size = 0n, publishedAt, witnesses = [] } = checkpoint ?? {}
          await session.note(`Covers ${size} of ${count(sequenced, 'entry', 'entries')}, published ${timeText(publishedAt)}.`)
          if (halted !== '') {
            await session.note(
              `The log is halted: ${printable(halted)}${signed === 0n ? '' : ` (${signed} were signed)`}. See docs/how-to/mend-a-log.md.`,
            )
          }
          await session.note(witnesses.length === 0 ? 'Cosigned by nobody.' : `Cosigned by ${printable(witnesses.join(', '))}.`)
          if (witnessed !== undefined) {
            const { size: seen, publishedAt: at, witnesses: by } = witnessed
            const entries = count(seen, 'entry', 'entries')
            await session.note(
              `As many witnesses as asked for have cosigned ${entries}, published ${timeText(at)}: ${printable(by.join(', '))}.`,
            )
          }
          for (const key of verifierKeys) await session.note(`Verifier key: ${printable(key)}`)
        }
        return 'ok'
      }),
    )
