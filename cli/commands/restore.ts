import { Command } from 'commander'
import type { RestoreStage } from '../../services/audit/backup/restore/restore-backup.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { parseCount } from '../input/parsers.ts'
import { count } from '../output/describe.ts'
import { printable } from '../output/printable.ts'
import type { Act } from '../program.ts'
import type { Session } from '../session.ts'
import { type AnchorOptions, anchorsOf, readAnchors } from '../verify/read-anchors.ts'
import { trackProgress } from '../verify/track-progress.ts'
import { backupLogger } from './backup/backup-logger.ts'
import { type RestoredBackup, restoredJson, restoredText } from './backup/restored-text.ts'

interface RestoreOptions extends AnchorOptions {
  readonly backup?: number
  readonly identity?: string
}

const titles: Readonly<Record<RestoreStage, string>> = { loading: 'Entries restored', verifying: 'Entries verified' }

/** A bar for each stage. */
export const trackStages = (session: Session) => {
  let current: { readonly stage: RestoreStage; readonly bar: ReturnType<typeof trackProgress> } | undefined
  return {
    onProgress: (stage: RestoreStage, done: bigint, total: bigint): void => {
      if (current?.stage !== stage) {
        current?.bar.stop()
        current = { stage, bar: trackProgress(session, titles[stage], total) }
      }
      current.bar.onProgress(done)
    },
    stop: (): void => current?.bar.stop(),
  }
}

/** The file that was named, or that of the configuration. */
export const requireIdentityFile = (given: string | undefined, configured: string | undefined): string => {
  const file = given ?? configured
  if (file !== undefined) return file
  throw new ChartwardenError('INVALID_ARGUMENT', {
    message: 'Name the file with the age identity that opens the backups: --identity <file>, or CHARTWARDEN_BACKUP_IDENTITY_FILE.',
  })
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

const restore = async (session: Session, options: RestoreOptions): Promise<RestoredBackup> => {
  const { readRestoreConfig } = await import('../../services/kernel/restore-config.ts')
  const { readDatabaseConfig } = await import('../../services/kernel/config.ts')
  const { readSecretFiles } = await import('../../services/kernel/secret-files.ts')
  const { readBackupMaterial, restoreDatabase } = await import('../../services/restore-database.ts')
  const { clock, randomness } = session.io
  const environment = readSecretFiles(session.io.environment)
  const config = readRestoreConfig(environment)
  const { migrateUrl, stateDir } = readDatabaseConfig(environment)
  const given = await readAnchors(options)
  const identityFile = requireIdentityFile(options.identity, config.identityFile)
  const { masterKey, open } = await readBackupMaterial({ ...config, identityFile, clock, randomness })
  const backup = await open(options.backup)
  const stages = trackStages(session)
  const begun = clock.monotonic()
  try {
    const restored = await restoreDatabase({
      backup,
      migrateUrl,
      stateDir,
      signing: config.signing,
      masterKey,
      anchorsOf: (clinic) => anchorsOf(given, clinic),
      onProgress: stages.onProgress,
      logger: await backupLogger(session.io),
      clock,
      randomness,
    })
    return { ...restored, manifest: backup.manifest, durationMs: clock.monotonic() - begun }
  } finally {
    stages.stop()
  }
}

export const restoreCommand = (act: Act): Command =>
  new Command('restore')
    .description(
      'Bring a backup back into an empty database: that of CHARTWARDEN_MIGRATE_DATABASE_URL, or the embedded one, with no service running on it. Every entry is compared with what was signed of it; where anything differs, nothing is there afterwards. The master key and the signer store are in no backup: put them in their places first.',
    )
    .option(
      '--backup <number>',
      'which backup (default: the newest; keys that were destroyed since stay destroyed)',
      parseCount(99_999_999),
    )
    .option('--identity <file>', 'the age identity that opens it (default: CHARTWARDEN_BACKUP_IDENTITY_FILE)')
    .option('--trusted-checkpoint <file>', 'a checkpoint that you kept: its log must go on from it; may be repeated', collect)
    .option('--key <vkey>', 'verifier key of a log that you trust, or @ and a file of them, one a line; may be repeated', collect)
    .option('--policy <file>', 'witnesses that you trust, and how many of them must have cosigned (C2SP tlog-policy)')
    .action(
      act(async (session, command) => {
        const restored = await restore(session, command.opts<RestoreOptions>())
        await session.print(session.json ? restoredJson(restored) : restoredText(restored))
        const missing = restored.ledgers.filter(({ missing }) => missing > 0n)
        if (missing.length > 0) {
          await session.note(
            printable(
              `${count(missing.length, 'clinic')} will not be served: more was signed than this backup holds. docs/how-to/mend-a-log.md says what to do.`,
            ),
          )
        }
        return 'ok'
      }),
    )
