/**
 * A backup is made again and again. When one is due follows from the newest there is, so that neither a restart nor another process repeats
 * or forgets one; how old that is, every process knows that looks.
 */
import type { Clock } from '../../kernel/clock.ts'
import type { Logger } from '../../kernel/logging.ts'
import { pause } from '../../kernel/pause.ts'
import type { BackupManifest } from './backup-format.ts'
import type { Backups, MadeBackup } from './backups.ts'

/** `differing`: complete, but entries of a clinic are not those that were signed, so that a restore will refuse it. */
export const backupOutcomes = ['complete', 'differing', 'failed'] as const

export type BackupOutcome = (typeof backupOutcomes)[number]

export interface BackupScheduleOptions {
  readonly backups: Pick<Backups, 'make' | 'newest' | 'store'>
  /** Between two backups; at least 1. */
  readonly hours: number
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
  readonly clock: Clock
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly onOutcome?: ((outcome: BackupOutcome) => void) | undefined
  /** Between two looks at what is due, in milliseconds. Defaults to 60,000. */
  readonly tickMs?: number
}

export interface BackupState {
  /** Seconds since the newest backup was begun; as long as there is none, since this process looks. */
  readonly ageSeconds: number
  /** Whether the last attempt of this process failed. */
  readonly failing: boolean
}

export interface BackupSchedule {
  start(): void
  /** Calls off what is under way; it is made again by whoever comes next. */
  stop(): Promise<void>
  state(): BackupState
}

const hourMs = 3_600_000
/** A failed attempt is repeated after this long. */
const restMs = 600_000

export const createBackupSchedule = (options: BackupScheduleOptions): BackupSchedule => {
  const { backups, hours, now, clock, logger, onOutcome, tickMs = 60_000 } = options
  const stopping = new AbortController()
  const { signal } = stopping
  let since = now()
  let failing = false
  let restUntil = Number.NEGATIVE_INFINITY
  let working: Promise<void> | undefined

  const tell = ({ manifest, bytes, differing, pruned, pruneFault }: MadeBackup): void => {
    const { number, kind, from, to } = manifest
    const facts = { number, kind, entries: String(to - from), bytes, dropped: pruned.backups.length }
    logger.info({ event: 'backup.made', ...facts }, 'a backup was made')
    if (pruneFault !== undefined) {
      logger.warn(
        { event: 'backup.not_pruned', err: pruneFault },
        'what is no longer kept could not be removed; destroyed keys may be among it',
      )
    }
    for (const clinic of differing) {
      logger.error(
        { event: 'backup.differs', clinic, number },
        'a ledger is not as it was signed, and a restore will refuse it: deploy/runbooks/ledger-damaged.md',
      )
    }
    onOutcome?.(differing.length > 0 ? 'differing' : 'complete')
  }

  const isDue = (newest: BackupManifest | undefined): boolean => newest === undefined || now() - newest.createdAt >= hours * hourMs

  const look = async (): Promise<void> => {
    const newest = await backups.newest()
    if (newest !== undefined) since = newest.createdAt
    if (!isDue(newest)) {
      failing = false
      return
    }
    const made = await backups.make({ signal, isDue })
    if (made === undefined) return
    since = made.manifest.createdAt
    failing = false
    tell(made)
  }

  const run = async (): Promise<void> => {
    // Whoever has just started has other things to do.
    await pause(tickMs, signal)
    while (!signal.aborted) {
      try {
        if (clock.monotonic() >= restUntil) await look()
      } catch (error) {
        if (signal.aborted) return
        failing = true
        restUntil = clock.monotonic() + restMs
        onOutcome?.('failed')
        logger.error(
          { event: 'backup.failed', where: backups.store.where, err: error },
          'no backup could be made; it is tried again: deploy/runbooks/backup-late.md',
        )
      }
      await pause(tickMs, signal)
    }
  }

  return {
    start: () => {
      working ??= run()
    },
    stop: async () => {
      stopping.abort()
      await working
    },
    state: () => ({ ageSeconds: Math.max(0, (now() - since) / 1_000), failing }),
  }
}
