import { Command } from 'commander'
import type { BackupManifest } from '../../../services/audit/backup/backup-format.ts'
import { table } from '../../output/table.ts'
import type { Act } from '../../program.ts'

const bytesOf = ({ segments }: BackupManifest): number => segments.reduce((sum, { bytes }) => sum + bytes, 0)

const columns = [
  { name: 'backup', value: ({ number }: BackupManifest) => String(number) },
  { name: 'kind', value: ({ kind }: BackupManifest) => kind },
  { name: 'made', value: ({ createdAt }: BackupManifest) => new Date(createdAt).toISOString() },
  { name: 'entries', value: ({ from, to }: BackupManifest) => String(to - from) },
  { name: 'up to', value: ({ to }: BackupManifest) => String(to) },
  { name: 'ledgers', value: ({ clinics }: BackupManifest) => String(clinics) },
  { name: 'bytes', value: (manifest: BackupManifest) => String(bytesOf(manifest)) },
]

const json = (manifests: readonly BackupManifest[]): string => {
  const backups = manifests.map((manifest) => ({
    number: manifest.number,
    kind: manifest.kind,
    created_at: new Date(manifest.createdAt).toISOString(),
    from: String(manifest.from),
    to: String(manifest.to),
    clinics: manifest.clinics,
    bytes: bytesOf(manifest),
  }))
  return `${JSON.stringify({ backups })}\n`
}

export const listCommand = (act: Act): Command =>
  new Command('list')
    .description('The backups that there are, each as its manifest says. What is in their segments is looked at by a restore.')
    .action(
      act(async (session) => {
        const { openConfiguredStore } = await import('../../../services/compose-backups.ts')
        const { listBackups } = await import('../../../services/audit/backup/open-backup.ts')
        const { environment, clock, randomness } = session.io
        const { store, key } = await openConfiguredStore({ environment, clock, randomness })
        const manifests = await listBackups(store, key)
        if (session.json) await session.print(json(manifests))
        else await session.print(manifests.length === 0 ? `There is no backup in ${store.where}.\n` : table(columns, manifests))
        return 'ok'
      }),
    )
