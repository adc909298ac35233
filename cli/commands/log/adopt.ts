import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { type Checkpoint, parseCheckpoint } from '../../../services/audit/log/checkpoint.ts'
import { decodeNote, parseNote } from '../../../services/audit/log/note.ts'
import { parseLogOrigin } from '../../../services/audit/log/origin.ts'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { errorCode } from '../../../services/kernel/postgres/error-code.ts'
import { clinicOption } from '../../input/common-options.ts'
import type { Act } from '../../program.ts'
import { signerDirectory } from './signer-directory.ts'

interface AdoptOptions {
  readonly clinic: string
  readonly checkpoint: string
}

const refuse = (message: string): ChartwardenError => new ChartwardenError('INVALID_ARGUMENT', { message: `--checkpoint: ${message}` })

const readCheckpoint = async (file: string): Promise<Checkpoint> => {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw refuse(`${file} cannot be read (${errorCode(cause) ?? 'no reason given'}).`)
  })
  const note = parseNote(decodeNote(bytes) ?? '')
  const checkpoint = note && parseCheckpoint(note.text)
  if (checkpoint === undefined) throw refuse(`${file} is no signed checkpoint.`)
  return checkpoint
}

export const adoptCommand = (act: Act): Command =>
  new Command('adopt')
    .description(
      'Put a checkpoint that was signed back into a signer store that has lost it. The service goes on from there, and signs only if the ledger still gives that checkpoint.',
    )
    .addOption(clinicOption())
    .requiredOption('--checkpoint <file>', 'the newest checkpoint that anybody has: of the service itself, a witness, a caller')
    .action(
      act(async (session, command) => {
        const { clinic, checkpoint: file } = command.opts<AdoptOptions>()
        const { files, base, operate } = await signerDirectory(session.io)
        const { origin, size, root } = await readCheckpoint(file)
        if (parseLogOrigin(base, origin)?.clinic !== clinic) throw refuse(`it is of ${origin}, which is no log of clinic ${clinic} here.`)
        const outcome = await operate.adoptHead(files, { origin, size, root })
        if (outcome.kind === 'refused') {
          const { size: kept, retired } = outcome.record
          throw refuse(
            retired === undefined
              ? `the store knows of ${kept} entries under ${origin}, and nothing recorded is taken back.`
              : `${origin} was retired; nothing is signed for it any more.`,
          )
        }
        if (session.json) await session.print(`${JSON.stringify({ origin, size: String(size), outcome: outcome.kind })}\n`)
        else if (outcome.kind === 'known') await session.print(`The store knows this checkpoint already: ${origin}, ${size} entries.\n`)
        else await session.print(`${origin} goes on from ${size} entries.\n`)
        return 'ok'
      }),
    )
