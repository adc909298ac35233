/**
 * A file that is there whole or not at all: written beside its place under another name, synced, and only then put in its place. Whoever finds the
 * file under its name has everything; what an interrupted command leaves behind ends in `.partial`.
 */
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { open, realpath, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Writable } from 'node:stream'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { OutputError } from './output-error.ts'

export interface OutputFile {
  readonly stream: Writable
  /**
   * Puts the file in its place, in place of what was there. Throws OutputError when it cannot be written whole. `check` sees what was written
   * before: what it throws is thrown, and nothing is put in its place.
   */
  commit(check?: (written: string) => Promise<void>): Promise<void>
  /** Takes away what was written; what was there before stays. */
  abandon(): Promise<void>
}

/** The system's code of an error, such as ENOSPC, else the error. */
export const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : String(error))

const isMissing = (error: unknown): boolean => codeOf(error) === 'ENOENT'

const unwritable = (file: string, cause: unknown): ChartwardenError =>
  new ChartwardenError('INVALID_ARGUMENT', { message: `${file} cannot be written (${codeOf(cause)}).`, cause })

/** Where the file really goes: a link stays a link. Throws INVALID_ARGUMENT for what is there and no file, such as a device. */
const placeOf = async (file: string): Promise<string> => {
  try {
    const place = await realpath(file)
    if ((await stat(place)).isFile()) return place
  } catch (error) {
    if (isMissing(error)) return path.resolve(file)
    throw unwritable(file, error)
  }
  throw new ChartwardenError('INVALID_ARGUMENT', {
    message: `${file} is no regular file; leave --output out and redirect the output there.`,
  })
}

/** The name of a file lasts through a crash only once its directory is synced; Windows keeps no handle on one. */
const syncDirectory = async (directory: string): Promise<void> => {
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Resolves once the stream's file is closed; throws what broke it. */
const closed = async (stream: WriteStream): Promise<void> => {
  if (!stream.closed) await new Promise<void>((resolve) => stream.once('close', () => resolve()))
  if (stream.errored) throw stream.errored
}

/** `unique` keeps two commands that write the same file apart. Readable by its owner alone: it holds what reports hold. */
export const createOutputFile = async (file: string, unique: string): Promise<OutputFile> => {
  const place = await placeOf(file)
  const partial = `${place}.${unique}.partial`
  const stream = createWriteStream(partial, { flags: 'wx', mode: 0o600, flush: true })
  try {
    await once(stream, 'open')
  } catch (cause) {
    throw unwritable(file, cause)
  }
  // Whoever writes is told by the write that fails; an error that nobody waits for must not end the process.
  stream.on('error', () => {})
  const abandon = async (): Promise<void> => {
    stream.destroy()
    await closed(stream).catch(() => {})
    await rm(partial, { force: true })
  }
  return {
    stream,
    abandon,
    commit: async (check) => {
      const written = async (work: () => Promise<void>): Promise<void> => {
        try {
          await work()
        } catch (cause) {
          await abandon()
          throw new OutputError(`${file} cannot be written (${codeOf(cause)}); nothing was put in its place.`, cause)
        }
      }
      await written(async () => {
        stream.end()
        await closed(stream)
      })
      try {
        await check?.(partial)
      } catch (thrown) {
        await abandon()
        throw thrown
      }
      await written(async () => {
        await rename(partial, place)
        await syncDirectory(path.dirname(place))
      })
    },
  }
}
