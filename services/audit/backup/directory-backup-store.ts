/**
 * Backups in a directory, which may be that of a mounted disk or share: a draft is written aside, synced, and put in its place by a link, so
 * that an object is there whole or not at all and none is ever written over. Needs a file system that has hard links.
 */
import { link, mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../../kernel/clock.ts'
import type { Randomness } from '../../kernel/ids.ts'
import { errorCode } from '../../kernel/postgres/error-code.ts'
import { syncDirectory } from '../../kernel/replace-file.ts'
import { type BackupStore, objectName } from './backup-store.ts'

export interface DirectoryBackupStoreOptions {
  /** Made where it is missing; readable by its owner alone. */
  readonly directory: string
  readonly clock: Clock
  readonly randomness: Randomness
}

const drafts = '.drafts'
/** What was begun so long ago has no writer any more. */
const draftLifeMs = 86_400_000

const isMissing = (thrown: unknown): boolean => errorCode(thrown) === 'ENOENT'

export const createDirectoryBackupStore = ({ directory, clock, randomness }: DirectoryBackupStoreOptions): BackupStore => {
  const fileOf = (name: string): string => {
    if (!objectName.test(name)) throw new RangeError('not a name of an object')
    return join(directory, ...name.split('/'))
  }

  const dropOldDrafts = async (): Promise<void> => {
    for (const name of await readdir(join(directory, drafts))) {
      const file = join(directory, drafts, name)
      const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }))
      if (mtimeMs < clock.wall() - draftLifeMs) await rm(file, { force: true })
    }
  }

  const writeDraft = async (bytes: Uint8Array): Promise<string> => {
    await mkdir(join(directory, drafts), { recursive: true, mode: 0o700 })
    await dropOldDrafts()
    const draft = join(directory, drafts, randomness.uuid())
    const handle = await open(draft, 'wx', 0o600)
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    return draft
  }

  /** The directories between the store's own and the file, each synced into the one above it. */
  const makeDirectories = async (file: string): Promise<void> => {
    const own = dirname(file)
    if ((await mkdir(own, { recursive: true, mode: 0o700 })) === undefined) return
    for (let made = own; made !== directory && made !== dirname(made); made = dirname(made)) await syncDirectory(dirname(made))
  }

  const namesIn = async (way: string): Promise<readonly string[]> => {
    const found = await readdir(join(directory, ...way.split('/')), { withFileTypes: true }).catch((thrown: unknown) => {
      if (isMissing(thrown)) return []
      throw thrown
    })
    const names: string[] = []
    for (const entry of found) {
      const name = way === '' ? entry.name : `${way}/${entry.name}`
      if (!objectName.test(name)) continue
      if (entry.isDirectory()) names.push(...(await namesIn(name)))
      else if (entry.isFile()) names.push(name)
    }
    return names
  }

  return {
    where: directory,
    list: async (prefix) => {
      const end = prefix.lastIndexOf('/')
      const names = await namesIn(end === -1 ? '' : prefix.slice(0, end))
      return names.filter((name) => name.startsWith(prefix)).sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
    },
    read: async (name) =>
      readFile(fileOf(name)).catch((thrown: unknown) => {
        if (isMissing(thrown)) return undefined
        throw thrown
      }),
    write: async (name, bytes) => {
      const file = fileOf(name)
      const draft = await writeDraft(bytes)
      try {
        await makeDirectories(file)
        await link(draft, file)
      } catch (thrown) {
        if (errorCode(thrown) === 'EEXIST') return 'exists'
        throw thrown
      } finally {
        await rm(draft, { force: true })
      }
      await syncDirectory(dirname(file))
      return 'written'
    },
    remove: async (name) => {
      await rm(fileOf(name), { force: true })
    },
  }
}
