import { Command } from 'commander'
import { AwaitReceiptResponseSchema } from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { parseNote } from '../../../services/audit/log/note.ts'
import { parseTlogProof } from '../../../services/audit/log/tlog-proof.ts'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
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

/** Says what was waited for in vain. */
const inWords =
  (witnessed: boolean) =>
  (thrown: unknown): never => {
    if (!(thrown instanceof ChartwardenError && thrown.reason === 'DEADLINE_EXCEEDED')) throw thrown
    const message = witnessed
      ? 'The entry is not cosigned yet as the policy asks. Wait longer with --timeout, or take the receipt without --witnessed; /readyz says how the witnesses stand.'
      : 'No checkpoint covers the entry yet. Wait longer with --timeout; chartwarden ledger checkpoint says how far the log is.'
    throw new ChartwardenError('DEADLINE_EXCEEDED', { message, cause: thrown })
  }

/** Names of the keys below the checkpoint of a receipt that are not the log's own. */
const cosigners = (receipt: string): readonly string[] => {
  const note = parseNote(parseTlogProof(receipt)?.checkpoint ?? '')
  const origin = note?.text.split('\n')[0]
  return (note?.signatures ?? []).map(({ name }) => name).filter((name) => name !== origin)
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
        const answer = await audit.awaitReceipt({ clinic, key, witnessed: witnessed ?? false }).catch(inWords(witnessed === true))
        if (!session.json || output !== undefined) await writeText(session, output, answer.receipt)
        if (session.json) await session.print(`${JSON.stringify(messageJson(AwaitReceiptResponseSchema, answer))}\n`)
        else {
          await session.note(`Proves ${entryText(answer.entry)}, in the tree of size ${answer.treeSize}.`)
          const by = cosigners(answer.receipt)
          await session.note(by.length === 0 ? 'Cosigned by nobody.' : `Cosigned by ${printable(by.join(', '))}.`)
          for (const verifierKey of answer.verifierKeys) await session.note(`Verifier key: ${printable(verifierKey)}`)
        }
        return 'ok'
      }),
    )
