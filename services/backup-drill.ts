/** A drill: the newest backup is restored as it would be in earnest, into a database that is gone afterwards, and verified there. */
import { BackupError, type BackupFault } from './audit/backup/backup-error.ts'
import type { BackupManifest } from './audit/backup/backup-format.ts'
import type { Backup } from './audit/backup/open-backup.ts'
import type { Clock } from './kernel/clock.ts'
import { ChartwardenError } from './kernel/errors.ts'
import type { FreeBytes } from './kernel/postgres/free-space.ts'
import { openScratchDatabase } from './kernel/postgres/scratch-database.ts'
import type { ScratchSettings } from './kernel/restore-settings.ts'
import { type RestoreIntoOptions, restoreInto } from './restore-database.ts'

export interface DrillOptions extends Omit<RestoreIntoOptions, 'backup' | 'url'> {
  /** The newest. */
  readonly open: () => Promise<Backup>
  readonly scratch: ScratchSettings
  readonly clock: Clock
  /** As in `openScratchDatabase`. */
  readonly freeBytes?: FreeBytes | undefined
  /** Ends it; what it throws then means nothing. */
  readonly signal?: AbortSignal | undefined
}

export interface DrillOutcome {
  /** Undefined: there is none that could be opened. */
  readonly manifest: BackupManifest | undefined
  /** In it. */
  readonly entries: bigint
  readonly clinics: number
  /** Of the objects it is read from. */
  readonly bytes: number
  readonly durationMs: number
  /** What is wrong with it; undefined: everything came back as it was signed. */
  readonly fault: { readonly fault: BackupFault; readonly message: string } | undefined
}

/** Of the entries in all parts of the chain, and of all else in the newest. */
const bytesOf = ({ manifest, chain }: Pick<Backup, 'manifest' | 'chain'>): number =>
  [
    ...chain.flatMap(({ segments }) => segments.filter(({ kind }) => kind === 'entries')),
    ...manifest.segments.filter(({ kind }) => kind !== 'entries'),
  ]
    .map(({ bytes }) => bytes)
    .reduce((sum, bytes) => sum + bytes, 0)

/**
 * What an entry takes in the tables that a restore fills, indexes included: bench/results/latest.md, "Disk", has 1,300 bytes of `entries`, 44 of
 * `identity_keys` and 9 of the others. A fifth more, as in an upgrade, since some installations' entries are longer than those of the load.
 */
const entryBytes = 1.2 * 1_360

/** As `max_wal_size` of an embedded server: more of its write-ahead log is not kept. */
const mostLogBytes = 2 * 2 ** 30

/** On disk, once it is restored: the tables, and the write-ahead log that everything goes through once. */
export const restoredBytes = (entries: bigint): number => {
  const tables = Number(entries) * entryBytes
  return Math.ceil(tables + Math.min(tables, mostLogBytes))
}

/**
 * The backup that has taken the place of one of which an object was missing; undefined: it is still the newest, so that the object is lost. Chains
 * that are no longer kept are removed while a drill reads them.
 */
const newerThan = async (backup: Backup, thrown: unknown, open: DrillOptions['open']): Promise<Backup | undefined> => {
  if (!(thrown instanceof BackupError) || thrown.fault !== 'missing') return undefined
  const newest = await open()
  return newest.manifest.number === backup.manifest.number ? undefined : newest
}

/** Throws what keeps it from being tried, such as a store that does not answer; what is wrong with the backup is in the outcome. */
export const drillBackup = async ({ open, scratch, clock, freeBytes, signal, ...rest }: DrillOptions): Promise<DrillOutcome> => {
  const begun = clock.monotonic()
  let backup: Backup | undefined
  const outcome = (fault: DrillOutcome['fault']): DrillOutcome => ({
    manifest: backup?.manifest,
    entries: backup?.manifest.to ?? 0n,
    clinics: backup?.manifest.clinics ?? 0,
    bytes: backup === undefined ? 0 : bytesOf(backup),
    durationMs: clock.monotonic() - begun,
    fault,
  })
  const restore = async (backup: Backup): Promise<void> => {
    const bytes = restoredBytes(backup.manifest.to)
    const database = await openScratchDatabase({ ...scratch, ...rest, bytes, freeBytes, clock })
    // Whoever works on it loses the connection.
    const end = (): void => void database.close().catch(() => {})
    signal?.addEventListener('abort', end, { once: true })
    try {
      if (signal?.aborted) throw new ChartwardenError('CALL_CANCELLED')
      await restoreInto({ ...rest, backup, url: database.url })
    } finally {
      signal?.removeEventListener('abort', end)
      await database.close()
    }
  }
  try {
    backup = await open()
    try {
      await restore(backup)
    } catch (thrown) {
      const newer = await newerThan(backup, thrown, open)
      if (newer === undefined) throw thrown
      backup = newer
      await restore(backup)
    }
    return outcome(undefined)
  } catch (thrown) {
    if (!(thrown instanceof BackupError)) throw thrown
    return outcome({ fault: thrown.fault, message: thrown.message })
  }
}
