import { Command, Option } from 'commander'
import { type RetirementCause, retirementCauses } from '../../../services/audit/log/signer/signer-state.ts'
import { standingsOf } from '../../../services/audit/log/standing.ts'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { clinicOption } from '../../input/common-options.ts'
import type { Act } from '../../program.ts'
import { signerDirectory } from './signer-directory.ts'

interface RetireOptions {
  readonly clinic: string
  readonly cause: RetirementCause
}

/** A witness watches the origins that it was given keys of, and the new name is another. */
const witnessesToo =
  'The log begins anew under another name: give its key to your witnesses, once chartwarden ledger checkpoint shows it, and to whoever verifies.\n'

export const retireCommand = (act: Act): Command =>
  new Command('retire')
    .description(
      "End the log of a clinic that can no longer be continued, for good. The running service begins it anew under another name, writes why into the clinic's ledger, and serves the clinic again.",
    )
    .addOption(clinicOption())
    .addOption(new Option('--cause <cause>', 'what happened').choices(retirementCauses).makeOptionMandatory())
    .action(
      act(async (session, command) => {
        const { clinic, cause } = command.opts<RetireOptions>()
        const { files, base, operate } = await signerDirectory(session.io)
        const { records } = await operate.readSignerState(files)
        const { signed } = standingsOf([...records.values()], base).standing(clinic)
        if (signed === undefined)
          throw new ChartwardenError('INVALID_ARGUMENT', {
            message: `The store in ${files.directory} holds no log of clinic ${clinic} that still signs; see chartwarden log status.`,
          })
        const { origin, size } = signed
        const outcome = await operate.retireOrigin(files, origin, cause)
        if (session.json) await session.print(`${JSON.stringify({ origin, size: String(size), outcome })}\n`)
        else await session.print(`${origin} is retired at ${size} entries; nothing more is signed for it.\n${witnessesToo}`)
        return 'ok'
      }),
    )
