import { Command } from 'commander'
import type { MadeBackup } from '../../../services/audit/backup/backups.ts'
import { count } from '../../output/describe.ts'
import type { Act } from '../../program.ts'
import { backupLogger } from './backup-logger.ts'

const text = ({ manifest, bytes, differing, pruned, pruneFault }: MadeBackup): string => {
  const { number, kind, from, to, clinics } = manifest
  const lines = [
    `Backup ${number} is complete (${kind}): ${count(Number(to - from), 'entry', 'entries')} of ${count(clinics, 'ledger', 'ledgers')}, up to position ${to}; ${count(bytes, 'byte', 'bytes')} written.`,
  ]
  if (pruned.backups.length > 0) lines.push(`Removed, as no longer kept: ${pruned.backups.join(', ')}.`)
  if (pruneFault !== undefined) lines.push(`What is no longer kept could not be removed: ${pruneFault.message}`)
  for (const clinic of differing) {
    lines.push(`The ledger of ${clinic} is not as it was signed: it is in the backup as it is, and a restore will refuse it.`)
  }
  return `${lines.join('\n')}\n`
}

const json = ({ manifest, bytes, differing, pruned, pruneFault }: MadeBackup): string => {
  const { number, kind, installation, createdAt, from, to, clinics } = manifest
  const created_at = new Date(createdAt).toISOString()
  const told = { number, kind, installation, created_at, from: String(from), to: String(to), clinics, bytes, differing }
  return `${JSON.stringify({ ...told, removed: pruned.backups, not_removed: pruneFault?.message })}\n`
}

export const makeCommand = (act: Act): Command =>
  new Command('make')
    .description(
      'Write what is new since the last backup to CHARTWARDEN_BACKUP_TARGET, encrypted, while services go on; all of it where there is none yet or a full one is due. This is what `backup` alone does. The master key is in no backup: keep it elsewhere.',
    )
    .option('--full', 'write all of it; also where the ledger is not the one backed up last, as after a restore')
    .action(
      act(async (session, command) => {
        const { full } = command.opts<{ readonly full?: true }>()
        // Loaded only when it is run: no other command should wait for it.
        const { withBackups } = await import('../../../services/compose-backups.ts')
        const { environment, clock, randomness } = session.io
        const logger = await backupLogger(session.io)
        const made = await withBackups({ environment, logger, clock, randomness }, (backups) => backups.make({ full: full === true }))
        if (made === undefined) {
          await session.note('Another process is making a backup now.')
          return 'unavailable'
        }
        await session.print(session.json ? json(made) : text(made))
        return made.differing.length === 0 ? 'ok' : 'damaged'
      }),
    )
