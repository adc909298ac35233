import { Command } from 'commander'
import type { SignerRecord } from '../../../services/audit/log/signer-store.ts'
import { table } from '../../output/table.ts'
import type { Act } from '../../program.ts'
import { signerDirectory } from './signer-directory.ts'

const base64 = (root: Uint8Array): string => Buffer.from(root).toString('base64')

const plain = ({ origin, size, root, retired }: SignerRecord) => ({
  origin,
  size: String(size),
  root: base64(root),
  retired: retired?.cause ?? null,
})

const columns = [
  { name: 'log', value: ({ origin }: SignerRecord) => origin },
  { name: 'signed', value: ({ size }: SignerRecord) => String(size) },
  { name: 'root', value: ({ root }: SignerRecord) => base64(root) },
  { name: 'retired', value: ({ retired }: SignerRecord) => retired?.cause ?? '' },
]

export const logStatusCommand = (act: Act): Command =>
  new Command('status')
    .description('What was signed last of each log, by the signer store in CHARTWARDEN_SIGNER_DIR; the service may run meanwhile.')
    .action(
      act(async (session) => {
        const { files, operate } = await signerDirectory(session.io)
        const { installation, records } = await operate.readSignerState(files)
        const sorted = [...records.values()].toSorted((left, right) => (left.origin < right.origin ? -1 : 1))
        if (session.json) await session.print(`${JSON.stringify({ installation: installation ?? null, logs: sorted.map(plain) })}\n`)
        else if (sorted.length === 0) await session.print(`Nothing was signed yet with the store in ${files.directory}.\n`)
        else await session.print(table(columns, sorted))
        return 'ok'
      }),
    )
