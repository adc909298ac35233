import { Command } from 'commander'
import { type Checkpoint, parseCheckpoint } from '../../../services/audit/log/checkpoint.ts'
import { type VerifierKey, verifyNote } from '../../../services/audit/log/note.ts'
import { parseLogOrigin } from '../../../services/audit/log/origin.ts'
import { signatureType } from '../../../services/audit/log/signature-type.ts'
import type { AdoptOutcome } from '../../../services/audit/log/signer/operate.ts'
import type { SignedHead } from '../../../services/audit/log/signer-store.ts'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { clinicOption } from '../../input/common-options.ts'
import type { Io } from '../../io.ts'
import type { Act } from '../../program.ts'
import { readKeys, readNoteFile } from '../../verify/read-anchors.ts'
import { signerDirectory } from './signer-directory.ts'

interface AdoptOptions {
  readonly clinic: string
  readonly checkpoint: string
  readonly key: readonly string[]
}

const refuse = (message: string): ChartwardenError => new ChartwardenError('INVALID_ARGUMENT', { message: `--checkpoint: ${message}` })

/** The text of the note is nobody's word before one of the keys, under the log's own name, has signed it. */
const readCheckpoint = async (file: string, keys: readonly VerifierKey[]): Promise<Checkpoint> => {
  const verified = verifyNote(
    await readNoteFile(file),
    keys.filter(({ type }) => type === signatureType.ed25519),
  )
  if (verified.kind === 'malformed') throw refuse(`${file} is no signed checkpoint.`)
  if (verified.kind === 'unknown_keys') throw refuse(`${file} is signed by none of the keys given with --key.`)
  if (verified.kind === 'bad_signature') throw refuse(`${file} names the key of ${verified.key.name}, which has not signed it.`)
  const checkpoint = parseCheckpoint(verified.text)
  if (checkpoint === undefined) throw refuse(`${file} is no signed checkpoint.`)
  if (!verified.by.some(({ name }) => name === checkpoint.origin))
    throw refuse(`it is of ${checkpoint.origin}, and signed by the key of another.`)
  return checkpoint
}

/** That the head continues what the store knows, from the tiles in the database. Loaded only where there is something to prove. */
const proofFor =
  ({ environment, err }: Io, log: { readonly clinic: string; readonly generation: number }, { size }: SignedHead) =>
  async (known: SignedHead): Promise<readonly Buffer[] | undefined> => {
    if (known.size === 0n) return []
    const { databaseTiles, withFeedDatabase } = await import('../../../services/audit/log/signer/database-tiles.ts')
    const { consistencyProof } = await import('../../../services/audit/log/proofs.ts')
    const { createLogger } = await import('../../../services/kernel/logging.ts')
    const logger = createLogger({ level: 'warn', destination: { write: (line) => err.write(line) } })
    return withFeedDatabase(environment, logger, (pool) =>
      consistencyProof(known.size, size, databaseTiles(pool, log)).catch((thrown: unknown) => {
        // The tree there is smaller, or not whole.
        if (thrown instanceof ChartwardenError && thrown.reason === 'INTERNAL') return undefined
        throw thrown
      }),
    )
  }

const whyRefused = ({ why, record: { origin, size } }: Extract<AdoptOutcome, { readonly kind: 'refused' }>): string => {
  switch (why) {
    case 'retired':
      return `${origin} was retired; nothing is signed for it any more.`
    case 'not_larger':
      return `the store knows of ${size} entries under ${origin}, and nothing recorded is taken back.`
    case 'unproven':
      return `the tiles in the database do not prove that it continues the ${size} entries which the store knows of ${origin}, and nothing recorded is taken back.`
  }
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

export const adoptCommand = (act: Act): Command =>
  new Command('adopt')
    .description(
      'Put a checkpoint that was signed back into a signer store that has lost it. The service goes on from there, and signs only if the ledger still gives that checkpoint. Where the store knows an older one of the log, the tiles in the database of CHARTWARDEN_FEED_DATABASE_URL or DATABASE_URL must prove that this one continues it.',
    )
    .addOption(clinicOption())
    .requiredOption('--checkpoint <file>', 'the newest checkpoint that anybody has: of the service itself, a witness, a caller')
    .requiredOption(
      '--key <vkey>',
      'verifier key of the log that you trust, not one that came with the checkpoint, or @ and a file of them, one a line; may be repeated',
      collect,
    )
    .action(
      act(async (session, command) => {
        const { clinic, checkpoint: file, key } = command.opts<AdoptOptions>()
        const { files, base, operate } = await signerDirectory(session.io)
        const { origin, size, root } = await readCheckpoint(file, (await Promise.all(key.map(readKeys))).flat())
        const log = parseLogOrigin(base, origin)
        if (log?.clinic !== clinic) throw refuse(`it is of ${origin}, which is no log of clinic ${clinic} here.`)
        const head = { origin, size, root }
        const outcome = await operate.adoptHead(files, head, proofFor(session.io, log, head))
        if (outcome.kind === 'refused') throw refuse(whyRefused(outcome))
        if (session.json) await session.print(`${JSON.stringify({ origin, size: String(size), outcome: outcome.kind })}\n`)
        else if (outcome.kind === 'known') await session.print(`The store knows this checkpoint already: ${origin}, ${size} entries.\n`)
        else await session.print(`${origin} goes on from ${size} entries.\n`)
        return 'ok'
      }),
    )
