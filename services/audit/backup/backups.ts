/** Making backups, by one process of an installation at a time, and removing those that are no longer kept. */
import type { Pool } from 'pg'
import type { Randomness } from '../../kernel/ids.ts'
import { lendConnection } from '../../kernel/postgres/lend-connection.ts'
import type { BackupManifest } from './backup-format.ts'
import type { BackupKey } from './backup-key.ts'
import type { BackupSource } from './backup-source.ts'
import type { BackupStore } from './backup-store.ts'
import { backupNumbers, readManifest } from './open-backup.ts'
import { dropOldKeys, type PrunedBackups, pruneBackups } from './prune-backups.ts'
import { readRecipients } from './recipients.ts'
import { type WrittenBackup, writeBackup } from './write-backup.ts'

export interface BackupsOptions {
  /** Of the feed's role: one connection holds the lock while a backup is made. */
  readonly pool: Pool
  readonly store: BackupStore
  readonly key: BackupKey
  readonly source: BackupSource
  /** Read again for each backup, so that a change of it takes effect. */
  readonly recipientsFile: string
  readonly randomness: Randomness
  /** As in `writeBackup`, in days. */
  readonly fullDays: number
  /** As `keepFulls` in `pruneBackups`. */
  readonly keep: number
}

export interface MadeBackup extends WrittenBackup {
  readonly pruned: PrunedBackups
  /** Why what is no longer kept could not be removed, e.g. because the store takes nothing away; undefined: it was. The backup is complete. */
  readonly pruneFault: Error | undefined
}

export interface MakeBackupOptions {
  /** As in `writeBackup`. */
  readonly full?: boolean
  readonly signal?: AbortSignal
  /** Asked about the newest there is, once no other process can make one. Defaults to always. */
  readonly isDue?: (newest: BackupManifest | undefined) => boolean
}

export interface Backups {
  readonly store: BackupStore
  readonly key: BackupKey
  /**
   * Makes one, and drops what is not kept any more. Undefined: another process is making one, or it is not due. Throws BackupError, StartError for a recipients
   * file that is not one, and what database and store throw; whatever it throws, the backups there are stay whole.
   */
  make(options?: MakeBackupOptions): Promise<MadeBackup | undefined>
  /** Undefined: there is none yet. */
  newest(): Promise<BackupManifest | undefined>
}

const dayMs = 86_400_000
const lockStatement = `select pg_try_advisory_lock(hashtextextended('chartwarden backup', 0)) as locked`
const unlockStatement = `select pg_advisory_unlock(hashtextextended('chartwarden backup', 0))`

export const createBackups = (options: BackupsOptions): Backups => {
  const { pool, store, key, source, recipientsFile, randomness, fullDays, keep } = options

  const newest = async (): Promise<BackupManifest | undefined> => {
    const number = (await backupNumbers(store)).at(-1)
    return number === undefined ? undefined : (await readManifest(store, key, number))?.manifest
  }

  const work = async (full: boolean | undefined, signal: AbortSignal | undefined): Promise<MadeBackup> => {
    const recipients = await readRecipients(recipientsFile)
    const written = await writeBackup({ store, key, source, recipients, randomness, full, fullAfterMs: fullDays * dayMs, signal })
    try {
      const pruned =
        written.manifest.kind === 'full'
          ? await pruneBackups({ store, key, keepFulls: keep })
          : { backups: [], segments: await dropOldKeys({ store, key }) }
      return { ...written, pruned, pruneFault: undefined }
    } catch (thrown) {
      return { ...written, pruned: { backups: [], segments: 0 }, pruneFault: thrown instanceof Error ? thrown : new Error(String(thrown)) }
    }
  }

  return {
    store,
    key,
    make: ({ full, signal, isDue = () => true } = {}) =>
      lendConnection(pool, undefined, async (client) => {
        const { rows } = await client.query<{ locked: boolean }>(lockStatement)
        if (rows[0]?.locked !== true) return undefined
        try {
          return isDue(await newest()) ? await work(full, signal) : undefined
        } finally {
          await client.query(unlockStatement)
        }
      }),
    newest,
  }
}
