/**
 * Removing what no backup needs any more. A chain, a full backup and those that rest on it, goes as a whole, the newest of it first, so that
 * what an interruption leaves can still be restored. Keys are kept of the two newest backups alone: one that was destroyed is gone from
 * everywhere once two more have been made.
 */
import type { BackupManifest } from './backup-format.ts'
import type { BackupKey } from './backup-key.ts'
import type { BackupStore } from './backup-store.ts'
import { manifestName } from './manifest.ts'
import { backupNumbers, listBackups, readManifest } from './open-backup.ts'

export interface PruneBackupsOptions {
  readonly store: BackupStore
  readonly key: BackupKey
  /** Full backups that are kept with what rests on them, the newest ones; at least 1. */
  readonly keepFulls: number
}

export interface PrunedBackups {
  /** Numbers of backups that are gone. */
  readonly backups: readonly number[]
  /** Segments that are gone, those of backups that were never finished among them. */
  readonly segments: number
}

/** Of the run that wrote it; undefined for what is no segment. */
const numberOfSegment = (name: string): number | undefined => {
  const digits = /^segments\/(\d{8})-[0-9a-f]{16}\//.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

const segmentNames = (manifests: readonly BackupManifest[], kinds: 'keys' | 'others'): readonly string[] =>
  manifests.flatMap(({ segments }) => segments.filter(({ kind }) => (kind === 'keys') === (kinds === 'keys')).map(({ name }) => name))

const keyBackups = 2

/** Throws BackupError, and removes nothing, where a manifest is not to be believed. */
export const pruneBackups = async ({ store, key, keepFulls }: PruneBackupsOptions): Promise<PrunedBackups> => {
  if (keepFulls < 1) throw new RangeError('at least one full backup is kept')
  const manifests = await listBackups(store, key)
  const newest = manifests.at(-1)
  if (newest === undefined) return { backups: [], segments: 0 }
  const oldestKept = manifests.filter(({ kind }) => kind === 'full').at(-keepFulls)?.number ?? 0
  const kept = manifests.filter(({ number }) => number >= oldestKept)
  const backups = manifests.filter(({ number }) => number < oldestKept).map(({ number }) => number)
  for (const number of backups.toReversed()) await store.remove(manifestName(number))

  const needed = new Set([...segmentNames(kept, 'others'), ...segmentNames(kept.slice(-keyBackups), 'keys')])
  let segments = 0
  for (const name of await store.list('segments/')) {
    const number = numberOfSegment(name)
    // What is numbered higher may belong to a backup that is being made.
    if (number === undefined || number > newest.number || needed.has(name)) continue
    await store.remove(name)
    segments += 1
  }
  return { backups, segments }
}

/**
 * The part of it that is due after every backup: removes keys that neither of the two newest has, as far as the one before them knows. Answers
 * how many segments are gone.
 */
export const dropOldKeys = async ({ store, key }: Omit<PruneBackupsOptions, 'keepFulls'>): Promise<number> => {
  const newest = (await backupNumbers(store)).at(-1) ?? 0
  const [last, before, older] = await Promise.all([newest, newest - 1, newest - 2].map((number) => readManifest(store, key, number)))
  if (last === undefined || before === undefined || older === undefined) return 0
  const needed = new Set(segmentNames([last.manifest, before.manifest], 'keys'))
  const old = segmentNames([older.manifest], 'keys').filter((name) => !needed.has(name))
  for (const name of old) await store.remove(name)
  return old.length
}
