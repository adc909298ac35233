/** The directory of a signer store, and nothing but the file operations that it needs. */
import { constants } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Randomness } from '../../../kernel/ids.ts'

/** A file that only grows. */
export interface AppendedFile {
  /** Durable once it resolves, in one write and one sync. */
  append(bytes: Buffer): Promise<void>
  /** Whether the file of that name is still this one. */
  stillThere(): Promise<boolean>
  close(): Promise<void>
}

export interface SignerFiles {
  /** For messages. */
  readonly directory: string
  /** Makes the directory where it is missing. */
  prepare(): Promise<void>
  /** Names of the files; throws where there is no such directory. */
  list(): Promise<readonly string[]>
  /** Undefined: there is none of that name any more. */
  read(name: string): Promise<Buffer | undefined>
  /** Makes an empty file; false: it is there already. */
  create(name: string): Promise<boolean>
  /** A file that is there whole, durably, or as it was before. */
  put(name: string, bytes: Buffer): Promise<void>
  /** One that is there. */
  openToAppend(name: string): Promise<AppendedFile>
  remove(name: string): Promise<void>
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

/** Anything but this code goes on being thrown. */
const except = (code: string) => (error: unknown) => {
  if (codeOf(error) !== code) throw error
}

/** A new name is durable once its directory is synced; Windows has no such call, and its names are written through. */
const syncDirectory = async (directory: string): Promise<void> => {
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const openToAppend = async (file: string): Promise<AppendedFile> => {
  const handle = await open(file, constants.O_WRONLY | constants.O_APPEND)
  return {
    append: async (bytes) => {
      for (let written = 0; written < bytes.length; ) written += (await handle.write(bytes, written)).bytesWritten
      await handle.datasync()
    },
    stillThere: async () => {
      const mine = await handle.stat({ bigint: true })
      const named = await stat(file, { bigint: true }).catch(except('ENOENT'))
      return named !== undefined && named.ino === mine.ino && named.dev === mine.dev
    },
    close: () => handle.close(),
  }
}

export const createSignerFiles = (directory: string, randomness: Randomness): SignerFiles => {
  const path = (name: string): string => join(directory, name)
  return {
    directory,
    prepare: async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 })
    },
    list: () => readdir(directory),
    read: async (name) => (await readFile(path(name)).catch(except('ENOENT'))) ?? undefined,
    create: async (name) => {
      const handle = await open(path(name), 'wx', 0o600).catch(except('EEXIST'))
      if (handle === undefined) return false
      await handle.close()
      await syncDirectory(directory)
      return true
    },
    put: async (name, bytes) => {
      const unfinished = path(`${name}.${Buffer.from(randomness.bytes(8)).toString('hex')}.new`)
      const handle = await open(unfinished, 'wx', 0o600)
      try {
        await handle.writeFile(bytes)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(unfinished, path(name))
      await syncDirectory(directory)
    },
    openToAppend: (name) => openToAppend(path(name)),
    remove: (name) => rm(path(name), { force: true }),
  }
}
