/** The part of the composition that makes backups, by schedule or when somebody asks. */
import { type BackupKey, createBackupKey } from './audit/backup/backup-key.ts'
import { type BackupSchedule, type BackupScheduleOptions, createBackupSchedule } from './audit/backup/backup-schedule.ts'
import type { BackupStore } from './audit/backup/backup-store.ts'
import { type Backups, createBackups } from './audit/backup/backups.ts'
import { openBackupStore } from './audit/backup/open-backup-store.ts'
import { createPostgresBackupSource } from './audit/backup/postgres-backup-source.ts'
import { readRecipients } from './audit/backup/recipients.ts'
import { masterKeySource } from './audit/vault/master-key-source.ts'
import { openVault } from './audit/vault/open-vault.ts'
import { createPostgresKeyStore } from './audit/vault/postgres-key-store.ts'
import { noDrills, type ScheduledDrills, type StartDrillsOptions, startDrills } from './compose-drills.ts'
import type { BackupSettings } from './kernel/backup-settings.ts'
import type { Clock } from './kernel/clock.ts'
import { type BackupConfig, type Config, type Environment, readBackupConfig } from './kernel/config.ts'
import type { Randomness } from './kernel/ids.ts'
import type { Logger } from './kernel/logging.ts'
import { type Databases, openDatabases } from './kernel/postgres/databases.ts'
import { reachDatabase } from './kernel/postgres/reach-database.ts'
import { checkSchema } from './kernel/postgres/schema-version.ts'
import { readSecretFiles } from './kernel/secret-files.ts'
import { schemaMigrations } from './schema-migrations.ts'
import type { Teardown } from './teardown.ts'

export interface ComposeBackupsOptions {
  readonly settings: BackupSettings
  readonly databases: Pick<Databases, 'writer' | 'feed'>
  readonly masterKey: Uint8Array
  readonly clock: Clock
  readonly randomness: Randomness
}

/** Throws StartError for a recipients file that is none. */
const composeBackups = async ({ settings, databases, masterKey, clock, randomness }: ComposeBackupsOptions): Promise<Backups> => {
  const { target, recipientsFile, fullDays, keep } = settings
  await readRecipients(recipientsFile)
  return createBackups({
    pool: databases.feed,
    store: await openBackupStore(target, { clock, randomness }),
    key: createBackupKey(masterKey),
    source: createPostgresBackupSource(databases),
    recipientsFile,
    randomness,
    fullDays,
    keep,
  })
}

export interface StartBackupsOptions
  extends Omit<ComposeBackupsOptions, 'settings' | 'masterKey'>,
    Pick<BackupScheduleOptions, 'onOutcome'>,
    Omit<StartDrillsOptions, 'databases'> {
  readonly config: StartDrillsOptions['config'] & Pick<Config, 'backup'>
  /** As in the schedule. */
  readonly backupTickMs?: number | undefined
}

export interface ScheduledBackups extends ScheduledDrills {
  /** Undefined where none are made by schedule. */
  readonly backup: BackupSchedule | undefined
  /** Between two of them; 0: none. */
  readonly backupHours: number
}

export const noBackups: ScheduledBackups = { backup: undefined, backupHours: 0, ...noDrills }

/** Begins to make backups, and drills with them, where the configuration says so, until the teardown. Throws as `composeBackups`. */
export const startBackups = async (options: StartBackupsOptions, teardown: Teardown): Promise<ScheduledBackups> => {
  const { config, now, clock, logger, onOutcome, backupTickMs } = options
  const settings = config.backup
  const drills = startDrills(options, teardown)
  if (settings === undefined || settings.hours === 0) return { ...noBackups, ...drills }
  const backups = await composeBackups({ ...options, settings })
  const tick = backupTickMs === undefined ? {} : { tickMs: backupTickMs }
  const backup = createBackupSchedule({ backups, hours: settings.hours, now, clock, logger, onOutcome, ...tick })
  backup.start()
  teardown.add(() => backup.stop())
  return { backup, backupHours: settings.hours, ...drills }
}

export interface BackupCommandOptions {
  readonly environment: Environment
  readonly logger: Logger
  readonly clock: Clock
  readonly randomness: Randomness
}

export interface ConfiguredStore {
  readonly config: BackupConfig
  readonly store: BackupStore
  /** As its source has it: whether it is that of a database shows only there. */
  readonly masterKey: Buffer
  readonly key: BackupKey
}

/** Where backups are kept, for a command that needs no database. Throws StartError where none is configured or there is no master key. */
export const openConfiguredStore = async (options: Omit<BackupCommandOptions, 'logger'>): Promise<ConfiguredStore> => {
  const { environment, clock, randomness } = options
  const config = readBackupConfig(readSecretFiles(environment))
  const masterKey = await masterKeySource(config.masterKey, config.stateDir, randomness).read()
  const store = await openBackupStore(config.backup.target, { clock, randomness })
  return { config, store, masterKey, key: createBackupKey(masterKey) }
}

/**
 * For a command, beside the services of a server or in place of the service of an embedded database. Throws StartError where it cannot be had,
 * or the master key is not the one that the keys of the database are wrapped under.
 */
export const withBackups = async <Result>(options: BackupCommandOptions, work: (backups: Backups) => Promise<Result>): Promise<Result> => {
  const { logger, clock, randomness } = options
  // Before a database is started: none is made where there is no installation.
  const { config } = await openConfiguredStore(options)
  const databases = await openDatabases({ config, logger, clock, randomness })
  try {
    await reachDatabase(databases.writer, 'DATABASE_URL')
    await reachDatabase(databases.feed, 'CHARTWARDEN_FEED_DATABASE_URL')
    await checkSchema(databases.writer, schemaMigrations)
    const { name, read } = masterKeySource(config.masterKey, config.stateDir, randomness)
    const keyStore = createPostgresKeyStore({ pool: databases.writer })
    const { masterKey } = await openVault({ source: { name, read }, keyStore, clock, randomness })
    return await work(await composeBackups({ settings: config.backup, databases, masterKey, clock, randomness }))
  } finally {
    await databases.close()
  }
}
