import { Command } from 'commander'
import { AwaitReceiptResponseSchema } from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { clinicOption } from '../../input/common-options.ts'
import { type EntryOptions, requireEntryKey, withEntry } from '../../input/entry-options.ts'
import { entryText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { printable } from '../../output/printable.ts'
import { writeText } from '../../output/write-text.ts'
import type { Act } from '../../program.ts'

interface ReceiptOptions extends EntryOptions {
  readonly clinic: string
  readonly witnessed?: true
  readonly output?: string
}

export const receiptCommand = (act: Act): Command =>
  withEntry(
    new Command('receipt')
      .description('The receipt of an entry (C2SP tlog-proof): waits until a checkpoint covers it, at most as long as --timeout says.')
      .addOption(clinicOption()),
  )
    .option('--witnessed', 'wait for a checkpoint that the configured witnesses have cosigned as their policy asks')
    .option('--output <file>', 'write the receipt to this file; let it end in .tlog-proof')
    .action(
      act(async (session, command) => {
        const { clinic, witnessed, output, ...entry } = command.opts<ReceiptOptions>()
        const key = requireEntryKey(entry)
        const { audit } = await session.connect({ clinics: [clinic], scopes: ['ledger.verify'] })
        const answer = await audit.awaitReceipt({ clinic, key, witnessed: witnessed ?? false })
        if (!session.json || output !== undefined) await writeText(session, output, answer.receipt)
        if (session.json) await session.print(`${JSON.stringify(messageJson(AwaitReceiptResponseSchema, answer))}\n`)
        else {
          await session.note(`Proves ${entryText(answer.entry)}, in the tree of size ${answer.treeSize}.`)
          for (const verifierKey of answer.verifierKeys) await session.note(`Verifier key: ${printable(verifierKey)}`)
        }
        return 'ok'
      }),
    )
