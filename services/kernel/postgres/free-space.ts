/** Whether a disk has room for what is about to be written to it: said before the first byte, and not by whoever else writes there. */
import { statfs } from 'node:fs/promises'
import { StartError } from '../start-error.ts'

/** Bytes that this account may still write to the file system a directory lies on. */
export type FreeBytes = (directory: string) => Promise<number>

const freeBytesOf: FreeBytes = async (directory) => {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}

/** What a new server takes before it holds anything, its first write-ahead log included, and what is left to others. */
export const emptyServerBytes = 512 * 2 ** 20

const mebibytes = 2 ** 20

export interface NeededSpace {
  /** As it begins the sentence, e.g. `The upgrade`. */
  readonly what: string
  readonly bytes: number
  readonly directory: string
  /** Defaults to what the file system says. */
  readonly freeBytes?: FreeBytes | undefined
}

/** Throws StartError where there is less. */
export const requireFreeSpace = async ({ what, bytes, directory, freeBytes = freeBytesOf }: NeededSpace): Promise<void> => {
  const free = await freeBytes(directory)
  if (free >= bytes) return
  throw new StartError(
    `${what} needs ${Math.ceil(bytes / mebibytes)} MiB free in ${directory}, and there are ${Math.floor(free / mebibytes)}.`,
  )
}
