import { readFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Clock } from '../clock.ts'
import { StartError } from '../start-error.ts'
import { directoryIdentity, listProcesses, type ProcessRow, stillRuns } from './process-table.ts'
import { waitUntil } from './wait.ts'

/**
 * What an earlier run left behind. A killed service leaves its postmaster running; a killed postmaster leaves server processes that finish
 * their statement first, and its file postmaster.pid, whose number may meanwhile be another's. So that file is never believed: a process
 * counts as the directory's own only if it is a Postgres program of the directory's owner that carries the directory's mark on its command
 * line, or works in it. No other process is ever signalled.
 */

/** The mark of a data directory: set as `cluster_name`, which the postmaster and each of its processes show on their command lines. */
export const directoryMark = (dataDirectory: string): string => `chartwarden[${directoryIdentity(dataDirectory)}]`

/** `/path/postgres`, followed by ` -D …` where the arguments are not apart, or the title of a server process: `postgres: <cluster name>: …`. */
const isPostgres = (program: string): boolean => /^postgres: |(^|[\\/])(postgres|initdb)(\.exe)?"?( -|$)/.test(program)

export interface DataDirectoryFacts {
  readonly mark: string
  readonly identity: string
  /** Owner; undefined on systems without such numbers. */
  readonly uid: number | undefined
}

/** Whether the process belongs to the server of the data directory. */
export const belongsTo = (row: ProcessRow, directory: DataDirectoryFacts): boolean => {
  if (row.uid !== undefined && row.uid !== directory.uid) return false
  if (!isPostgres(row.program)) return false
  // Where the system tells the working directory, it decides: a command line could name a mark that was given to this directory's copy.
  return row.workingDirectory === undefined ? row.command.includes(directory.mark) : row.workingDirectory === directory.identity
}

/** The number in postmaster.pid; undefined when there is no such file or it holds none. */
export const recordedPid = (dataDirectory: string): number | undefined => {
  try {
    const [first] = readFileSync(path.join(dataDirectory, 'postmaster.pid'), 'utf8').split('\n')
    return first !== undefined && /^\d+$/.test(first.trim()) ? Number(first) : undefined
  } catch {
    return undefined
  }
}

/** The server processes of the data directory that run now. */
export const serverProcesses = (dataDirectory: string): readonly ProcessRow[] => {
  const facts: DataDirectoryFacts = {
    mark: directoryMark(dataDirectory),
    identity: directoryIdentity(dataDirectory),
    uid: process.platform === 'win32' ? undefined : statSync(dataDirectory).uid,
  }
  return listProcesses().filter((row) => belongsTo(row, facts))
}

/** Signals the process unless its number is another's by now. */
const signalIfSame = (row: ProcessRow, signal: NodeJS.Signals): void => {
  if (!stillRuns(row)) return
  try {
    process.kill(row.pid, signal)
  } catch {
    // It ended in between; who waits for it sees that.
  }
}

export interface StopLeftoversOptions {
  readonly dataDirectory: string
  readonly clock: Clock
  /** How long a found postmaster may take to finish in order before it is made to stop; milliseconds. Default 30,000. */
  readonly graceMs?: number
}

export interface LeftoversStopped {
  /** Numbers of the processes that were found and have ended. */
  readonly stopped: readonly number[]
  /** A number in postmaster.pid that belonged to none of them. */
  readonly stalePid: number | undefined
}

/**
 * Ends every server process of the data directory and clears its postmaster.pid. Only the holder of the state lock may call it. Throws
 * StartError when a process does not end.
 */
export const stopLeftovers = async (options: StopLeftoversOptions): Promise<LeftoversStopped> => {
  const { dataDirectory, clock, graceMs = 30_000 } = options
  const recorded = recordedPid(dataDirectory)
  const found = new Map<number, ProcessRow>()
  const look = (): readonly ProcessRow[] => {
    const rows = serverProcesses(dataDirectory)
    for (const row of rows) found.set(row.pid, row)
    return rows
  }
  // Those known first: looking at every process of the machine is dear.
  const allGone = () => [...found.values()].every((row) => !stillRuns(row)) && look().length === 0

  const postmaster = look().find((row) => row.pid === recorded)
  if (postmaster !== undefined) {
    // A fast shutdown: clients are disconnected, and what is committed is written out.
    signalIfSame(postmaster, 'SIGINT')
    await waitUntil(allGone, { clock, timeoutMs: graceMs })
  }
  for (const signal of ['SIGQUIT', 'SIGKILL'] as const) {
    for (const row of look()) signalIfSame(row, signal)
    await waitUntil(allGone, { clock, timeoutMs: 10_000 })
  }
  const left = look()
  if (left.length > 0) {
    throw new StartError(
      `Postgres processes of ${dataDirectory} do not end: ${left.map((row) => row.pid).join(', ')}; end them and start again.`,
    )
  }
  rmSync(path.join(dataDirectory, 'postmaster.pid'), { force: true })
  return { stopped: [...found.keys()], stalePid: recorded !== undefined && !found.has(recorded) ? recorded : undefined }
}
