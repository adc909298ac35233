import type { BackupManifest } from '../../../services/audit/backup/backup-format.ts'
import type { Restored, RestoredLedger } from '../../../services/audit/backup/restore/restore-backup.ts'
import { count } from '../../output/describe.ts'
import { printable } from '../../output/printable.ts'

export interface RestoredBackup extends Restored {
  readonly manifest: BackupManifest
  readonly durationMs: number
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1_000).toFixed(1)} s`

const ledgerLines = ({ clinic, size, checkpoint, missing }: RestoredLedger): readonly string[] => [
  ...(checkpoint === undefined && size > 0n
    ? [`  ${clinic}: nothing was ever signed; its ${count(size, 'entry', 'entries')} are those that were backed up.`]
    : []),
  ...(missing > 0n
    ? [`  ${clinic}: ${count(missing, 'entry', 'entries')} more were signed than the backup holds; it will not be served.`]
    : []),
]

export const restoredText = ({ manifest, entries, ledgers, durationMs }: RestoredBackup): string => {
  const made = new Date(manifest.createdAt).toISOString()
  const lines = [
    `Restored backup ${manifest.number} of ${made}: ${count(entries, 'entry', 'entries')} of ${count(ledgers.length, 'ledger')}, in ${seconds(durationMs)}.`,
    'Each entry was read again and compared with the checkpoints that were signed of it.',
    ...ledgers.flatMap(ledgerLines),
    'Trees, kept state and reports are made again from the entries when the service starts.',
  ]
  return `${lines.map(printable).join('\n')}\n`
}

export const restoredJson = ({ manifest, entries, ledgers, durationMs }: RestoredBackup): string => {
  const told = ledgers.map(({ clinic, size, root, checkpoint, missing }) => ({
    clinic,
    size: String(size),
    root,
    checkpoint_size: checkpoint === undefined ? null : String(checkpoint),
    missing: String(missing),
  }))
  return `${JSON.stringify({
    backup: manifest.number,
    created_at: new Date(manifest.createdAt).toISOString(),
    entries: String(entries),
    duration_ms: Math.round(durationMs),
    ledgers: told,
  })}\n`
}
