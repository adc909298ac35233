/** Restoring a backup into the database that the configuration names, with no service running on it. */
import { changesState } from './access/changes-state.ts'
import { createBackupKey } from './audit/backup/backup-key.ts'
import { readIdentities } from './audit/backup/identities.ts'
import { type Backup, openBackup } from './audit/backup/open-backup.ts'
import { openBackupStore } from './audit/backup/open-backup-store.ts'
import { requireUnused } from './audit/backup/restore/owner-transaction.ts'
import { type RestoreBackupOptions, type Restored, restoreBackup } from './audit/backup/restore/restore-backup.ts'
import { asStartError } from './audit/log/signer/claim.ts'
import { readSignerState } from './audit/log/signer/operate.ts'
import { createSignerFiles } from './audit/log/signer/signer-files.ts'
import type { SignedHead } from './audit/log/signer-store.ts'
import { standingsOf } from './audit/log/standing.ts'
import { createMasterKey } from './audit/vault/master-key.ts'
import { masterKeySource } from './audit/vault/master-key-source.ts'
import type { Clock } from './kernel/clock.ts'
import type { SigningSettings } from './kernel/config.ts'
import type { Randomness } from './kernel/ids.ts'
import type { Logger } from './kernel/logging.ts'
import { startEmbeddedPostgres } from './kernel/postgres/embedded.ts'
import { lendConnection } from './kernel/postgres/lend-connection.ts'
import { migrate } from './kernel/postgres/migrate.ts'
import { createPool, endPool } from './kernel/postgres/pool.ts'
import { reachDatabase } from './kernel/postgres/reach-database.ts'
import type { RestoreConfig } from './kernel/restore-config.ts'
import { schemaMigrations } from './schema-migrations.ts'

export interface BackupMaterial {
  readonly masterKey: Buffer
  /** As `openBackup`; the newest, unless a number is given. */
  open(number?: number): Promise<Backup>
}

export interface ReadMaterialOptions extends Pick<RestoreConfig, 'stateDir' | 'masterKey' | 'target'> {
  readonly identityFile: string
  readonly clock: Clock
  readonly randomness: Randomness
}

/** What it takes to open the backups of an installation. Throws StartError where master key or identities are not there: no backup has them. */
export const readBackupMaterial = async (options: ReadMaterialOptions): Promise<BackupMaterial> => {
  const { stateDir, target, identityFile, clock, randomness } = options
  const masterKey = await masterKeySource(options.masterKey, stateDir, randomness).read()
  const identities = await readIdentities(identityFile)
  const store = await openBackupStore(target, { clock, randomness })
  const key = createBackupKey(masterKey)
  return { masterKey, open: (number) => openBackup({ store, key, identities, number }) }
}

export interface RestoreIntoOptions extends Pick<RestoreBackupOptions, 'anchorsOf' | 'signedOf' | 'onProgress'> {
  readonly backup: Backup
  /** Of a login that may make the schema. */
  readonly url: string
  readonly masterKey: Buffer
  readonly logger: Logger
  readonly randomness: Randomness
}

/** Makes the schema of this release in an empty database and restores into it. Throws as `restoreBackup`, and StartError where it cannot be reached. */
export const restoreInto = async (options: RestoreIntoOptions): Promise<Restored> => {
  const { url, masterKey, logger, randomness, ...rest } = options
  const endless = { statementTimeoutMs: 0, idleInTransactionTimeoutMs: 0 }
  const pool = createPool({ url, applicationName: 'chartwarden-restore', logger, max: 2, ...endless })
  try {
    await reachDatabase(pool, 'CHARTWARDEN_MIGRATE_DATABASE_URL')
    await lendConnection(pool, undefined, requireUnused)
    await migrate(pool, schemaMigrations)
    const client = await pool.connect()
    try {
      return await restoreBackup({ ...rest, client, masterKey: createMasterKey(masterKey, randomness), changesState })
    } finally {
      // What it was in the middle of is not known where it failed.
      client.release(true)
    }
  } finally {
    await endPool(pool)
  }
}

/** What was signed last, by clinic; nothing where no signer store is configured or it is empty. */
export const signedHeads = async (
  signing: SigningSettings | undefined,
  randomness: Randomness,
): Promise<(clinic: string) => SignedHead | undefined> => {
  if (signing === undefined) return () => undefined
  const files = createSignerFiles(signing.signerDir, randomness)
  await files.prepare().catch(asStartError(files))
  const { records } = await readSignerState(files)
  const { standing } = standingsOf([...records.values()], signing.logOrigin)
  return (clinic) => standing(clinic).signed
}

export interface RestoreDatabaseOptions extends Omit<RestoreIntoOptions, 'url' | 'signedOf'> {
  /** Undefined: the embedded database in the state directory. */
  readonly migrateUrl: string | undefined
  readonly stateDir: string
  readonly signing: SigningSettings | undefined
  readonly clock: Clock
}

/** As `restoreInto`, against what the signer store says, into the database of the service, which must not run. */
export const restoreDatabase = async (options: RestoreDatabaseOptions): Promise<Restored> => {
  const { migrateUrl, stateDir, signing, clock, ...rest } = options
  const { logger, randomness } = rest
  const signedOf = await signedHeads(signing, randomness)
  if (migrateUrl !== undefined) return restoreInto({ ...rest, url: migrateUrl, signedOf })
  const embedded = await startEmbeddedPostgres({ stateDir, logger, clock, randomness })
  try {
    return await restoreInto({ ...rest, url: embedded.urls.migrate, signedOf })
  } finally {
    await embedded.stop()
  }
}
