import { Command } from 'commander'
import type { DrillOutcome } from '../../../services/backup-drill.ts'
import type { Outcome } from '../../exit-codes.ts'
import { count } from '../../output/describe.ts'
import { printable } from '../../output/printable.ts'
import type { Act } from '../../program.ts'
import type { Session } from '../../session.ts'
import { requireIdentityFile, trackStages } from '../restore.ts'
import { backupLogger } from './backup-logger.ts'

interface DrillOptions {
  readonly identity?: string
  readonly record: boolean
}

interface Drilled {
  readonly outcome: DrillOutcome
  /** Id of the entry; undefined: it was not to be recorded. */
  readonly entry: string | undefined
}

const drill = async (session: Session, { identity, record }: DrillOptions): Promise<Drilled> => {
  const { readDrillConfig } = await import('../../../services/kernel/restore-config.ts')
  const { readSecretFiles } = await import('../../../services/kernel/secret-files.ts')
  const { readBackupMaterial, signedHeads } = await import('../../../services/restore-database.ts')
  const { drillBackup } = await import('../../../services/backup-drill.ts')
  const { withDrillRecorder } = await import('../../../services/compose-drills.ts')
  const { clock, randomness } = session.io
  const config = readDrillConfig(readSecretFiles(session.io.environment))
  const identityFile = requireIdentityFile(identity, config.identityFile)
  const { masterKey, open } = await readBackupMaterial({ ...config, identityFile, clock, randomness })
  const logger = await backupLogger(session.io)
  const make = async (): Promise<DrillOutcome> => {
    const stages = trackStages(session)
    try {
      const signedOf = await signedHeads(config.signing, randomness)
      return await drillBackup({
        open: () => open(),
        masterKey,
        scratch: config.scratch,
        signedOf,
        onProgress: stages.onProgress,
        logger,
        clock,
        randomness,
      })
    } finally {
      stages.stop()
    }
  }
  if (!record) return { outcome: await make(), entry: undefined }
  return withDrillRecorder({ config, logger, clock, randomness }, async (write) => {
    const outcome = await make()
    return { outcome, entry: (await write(outcome, { requestId: randomness.uuid(), cause: 'asked' })).id }
  })
}

const text = ({ outcome, entry }: Drilled): string => {
  const { manifest, entries, clinics, bytes, durationMs, fault } = outcome
  const recorded = entry === undefined ? 'Not recorded.' : `Recorded as entry ${entry} of _system.`
  const took = `${(durationMs / 1_000).toFixed(1)} s`
  const what = `${count(entries, 'entry', 'entries')} of ${count(clinics, 'ledger')}, ${count(bytes, 'byte')} read`
  const line =
    fault === undefined
      ? `Backup ${manifest?.number} can be restored: ${what}, in ${took}; every entry is as it was signed.`
      : `THE BACKUP CANNOT BE RESTORED (${fault.fault}): ${fault.message}`
  return `${[line, recorded].map(printable).join('\n')}\n`
}

const json = ({ outcome, entry }: Drilled): string => {
  const { manifest, entries, clinics, bytes, durationMs, fault } = outcome
  return `${JSON.stringify({
    backup: manifest?.number ?? null,
    backed_up_at: manifest === undefined ? null : new Date(manifest.createdAt).toISOString(),
    entries: String(entries),
    clinics,
    bytes,
    duration_ms: Math.round(durationMs),
    result: fault === undefined ? 'restored' : 'failed',
    fault: fault ?? null,
    entry: entry ?? null,
  })}\n`
}

const outcomeOf = ({ outcome: { fault } }: Drilled): Outcome => (fault === undefined ? 'ok' : 'damaged')

export const drillCommand = (act: Act): Command =>
  new Command('drill')
    .description(
      'Restore the newest backup into a scratch database, verify every entry there as a restore does, and drop it; how it went and how long it took is recorded in the ledger _system. An embedded database can be recorded in only while its service is stopped: let the service make the drills then (CHARTWARDEN_DRILL_HOURS).',
    )
    .option('--identity <file>', 'the age identity that opens it (default: CHARTWARDEN_BACKUP_IDENTITY_FILE)')
    .option('--no-record', 'record nothing: for a machine that does not reach the database of the service')
    .action(
      act(async (session, command) => {
        const drilled = await drill(session, command.opts<DrillOptions>())
        await session.print(session.json ? json(drilled) : text(drilled))
        return outcomeOf(drilled)
      }),
    )
