import { Command } from 'commander'
import { clinicOption } from '../../input/common-options.ts'
import type { Act } from '../../program.ts'

export const keysCommand = (act: Act): Command =>
  new Command('keys')
    .description("The verifier keys of a clinic's log, one a line, the newest first: what a witness, or whoever keeps receipts, trusts.")
    .addOption(clinicOption())
    .action(
      act(async (session, command) => {
        const { clinic } = command.opts<{ readonly clinic: string }>()
        const { audit } = await session.connect({ clinics: [clinic], scopes: ['ledger.verify'] })
        const { verifierKeys } = await audit.getCheckpoint({ clinic })
        const text = session.json ? JSON.stringify({ verifier_keys: verifierKeys }) : verifierKeys.join('\n')
        await session.print(`${text}\n`)
        return 'ok'
      }),
    )
