import type { BackupTarget } from '../../kernel/backup-settings.ts'
import type { Clock } from '../../kernel/clock.ts'
import type { Randomness } from '../../kernel/ids.ts'
import { errorCode } from '../../kernel/postgres/error-code.ts'
import { StartError } from '../../kernel/start-error.ts'
import type { BackupStore } from './backup-store.ts'
import { createDirectoryBackupStore } from './directory-backup-store.ts'

export interface OpenBackupStoreOptions {
  readonly clock: Clock
  readonly randomness: Randomness
}

const openTarget = async (target: BackupTarget, options: OpenBackupStoreOptions): Promise<BackupStore> => {
  if (target.kind === 'directory') return createDirectoryBackupStore({ ...options, directory: target.directory })
  // Loaded only where a bucket is named: the library is large.
  const { createS3BackupStore } = await import('./s3-backup-store.ts')
  return createS3BackupStore(target)
}

/** The faults of a place, for the operator: which place, and what it says. */
const sayingWhere = (store: BackupStore): BackupStore => {
  const told = (cause: unknown): never => {
    const why = errorCode(cause) ?? (cause instanceof Error ? cause.name : 'unknown reason')
    throw new StartError(`The place of the backups, ${store.where}, cannot be used: ${why}.`, { cause, mayPass: true })
  }
  return {
    where: store.where,
    list: (prefix) => store.list(prefix).catch(told),
    read: (name) => store.read(name).catch(told),
    write: (name, bytes) => store.write(name, bytes).catch(told),
    remove: (name) => store.remove(name).catch(told),
  }
}

/** The store that the configuration names. Nothing is connected yet. What it throws is a StartError that may pass. */
export const openBackupStore = async (target: BackupTarget, options: OpenBackupStoreOptions): Promise<BackupStore> =>
  sayingWhere(await openTarget(target, options))
