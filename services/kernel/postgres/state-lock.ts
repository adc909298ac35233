import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../clock.ts'
import { StartError } from '../start-error.ts'
import { waitUntil } from './wait.ts'

/**
 * At most one service uses a state directory. The lock is the operating system's own lock on a file (fcntl or LockFileEx), which ends with
 * the process however it ends, so there is no stale lock to judge and no race in judging it. Node offers no such lock, but the SQLite built
 * into it takes one for an exclusive transaction; the file stays empty. Who holds it is written beside it, for the message only.
 */
export interface StateLock {
  release(): void
}

const sqliteBusy = 5

const holderIn = (holderFile: string): number | undefined => {
  try {
    const { pid } = JSON.parse(readFileSync(holderFile, 'utf8')) as { pid?: unknown }
    return typeof pid === 'number' ? pid : undefined
  } catch {
    return undefined
  }
}

const runs = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM'
  }
}

const takeFileLock = (file: string): DatabaseSync | undefined => {
  // Only where it is missing: closing any handle of a file gives up this process's own lock on it (fcntl(2)).
  if (!existsSync(file)) writeFileSync(file, '', { flag: 'a', mode: 0o600 })
  const database = new DatabaseSync(file)
  try {
    database.exec('pragma journal_mode = memory; begin exclusive')
    return database
  } catch (thrown) {
    database.close()
    if ((thrown as { errcode?: number }).errcode === sqliteBusy) return undefined
    throw new StartError(`The lock file ${file} cannot be locked: ${(thrown as Error).message}.`, { cause: thrown })
  }
}

export interface StateLockOptions {
  readonly directory: string
  readonly clock: Clock
  /** What the operator is to do about another holder; completes the sentence. Defaults to words about the service. */
  readonly advice?: string
}

/**
 * Takes the lock of an existing state directory, or throws StartError that names the directory and the process that holds it. Does not wait
 * for the holder to finish.
 */
export const acquireStateLock = async (options: StateLockOptions): Promise<StateLock> => {
  const { directory, clock, advice = 'stop that service first, or set CHARTWARDEN_STATE_DIR to another directory' } = options
  const holderFile = path.join(directory, 'holder.json')
  const database = takeFileLock(path.join(directory, 'lock'))
  if (database === undefined) {
    const known = () => {
      const pid = holderIn(holderFile)
      return pid !== undefined && runs(pid)
    }
    // A holder that has only just taken the lock has yet to write its number.
    await waitUntil(known, { clock, timeoutMs: 1000 })
    const pid = known() ? `process ${holderIn(holderFile)}` : 'another process'
    throw new StartError(`The state directory ${directory} is in use by ${pid}; ${advice}.`, { mayPass: true })
  }
  const unfinished = `${holderFile}.new`
  writeFileSync(unfinished, `${JSON.stringify({ pid: process.pid })}\n`, { mode: 0o600 })
  renameSync(unfinished, holderFile)
  return {
    release: () => {
      if (!database.isOpen) return
      rmSync(holderFile, { force: true })
      database.close()
    },
  }
}
