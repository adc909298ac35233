import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'

/** A process as the operating system lists it. */
export interface ProcessRow {
  readonly pid: number
  /** When it began, in a form of the system's own; with `pid` it names one process for ever, where a pid alone is used again. */
  readonly startedAt: string
  /** Undefined where the system has no such numbers. */
  readonly uid: number | undefined
  /** The name it runs under (`argv[0]`); the whole command line where the system does not tell them apart. */
  readonly program: string
  /** Program and arguments, separated by spaces. */
  readonly command: string
  /** `<device>:<inode>` of its working directory; undefined where we may not know. */
  readonly workingDirectory: string | undefined
}

/** `<device>:<inode>`: names a directory whatever path leads to it, and tells a copy from the original. */
export const directoryIdentity = (directory: string): string => {
  const { dev, ino } = statSync(directory, { bigint: true })
  return `${dev}:${ino}`
}

const attempt = <T>(read: () => T): T | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

/** proc(5): the fields after the command in parentheses, which may itself hold spaces and parentheses. */
const linuxProcess = (pid: number): ProcessRow | undefined => {
  const directory = `/proc/${pid}`
  const stat = attempt(() => readFileSync(`${directory}/stat`, 'latin1'))
  const command = attempt(() => readFileSync(`${directory}/cmdline`, 'utf8'))
  const uid = attempt(() => statSync(directory).uid)
  if (stat === undefined || command === undefined || uid === undefined) return undefined
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, startTime] = [fields[0], fields[19]]
  // A zombie has ended; it only waits for a parent that may never look.
  if (state === 'Z' || state === 'X' || startTime === undefined) return undefined
  return {
    pid,
    startedAt: startTime,
    uid,
    program: (command.split('\0')[0] as string).trim(),
    command: command.replaceAll('\0', ' ').trim(),
    workingDirectory: attempt(() => directoryIdentity(`${directory}/cwd`)),
  }
}

const psPattern = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(\S+ \S+ +\d+ [\d:]+ \d+)\s+(.*)$/

const posixProcesses = (selection: readonly string[]): readonly ProcessRow[] => {
  const listing = attempt(() =>
    execFileSync('ps', [...selection, '-ww', '-o', 'pid=,uid=,stat=,lstart=,command='], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
    }),
  )
  return (listing ?? '').split('\n').flatMap((line) => {
    const [, pid, uid, state, startedAt, command] = psPattern.exec(line) ?? []
    if (pid === undefined || startedAt === undefined || command === undefined || state?.startsWith('Z')) return []
    return [
      { pid: Number(pid), startedAt, uid: Number(uid), program: command.trim(), command: command.trim(), workingDirectory: undefined },
    ]
  })
}

const windowsProcesses = (filter: string): readonly ProcessRow[] => {
  const script = `@(Get-CimInstance Win32_Process ${filter} | Select-Object ProcessId,CommandLine,@{n='Started';e={$_.CreationDate.Ticks}}) | ConvertTo-Json -Compress`
  const listing = attempt(() => execFileSync('powershell', ['-NoProfile', '-NonInteractive', '-Command', script], { encoding: 'utf8' }))
  const rows = JSON.parse(listing?.trim() || '[]') as { ProcessId: number; CommandLine: string | null; Started: number }[]
  return [rows].flat().map((row) => ({
    pid: row.ProcessId,
    startedAt: String(row.Started),
    uid: undefined,
    program: row.CommandLine ?? '',
    command: row.CommandLine ?? '',
    workingDirectory: undefined,
  }))
}

/** Every process that we may see and that has not ended. */
export const listProcesses = (): readonly ProcessRow[] => {
  if (process.platform === 'win32') return windowsProcesses('')
  if (process.platform !== 'linux') return posixProcesses(['-ax'])
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? (linuxProcess(Number(name)) ?? []) : []))
}

/** The process of this number now; undefined when there is none or it has ended. */
export const findProcess = (pid: number): ProcessRow | undefined => {
  if (process.platform === 'win32') return windowsProcesses(`-Filter 'ProcessId=${pid}'`)[0]
  return process.platform === 'linux' ? linuxProcess(pid) : posixProcesses(['-p', String(pid)])[0]
}

/** Whether the very same process still runs: number and start, so that a number used again never counts. */
export const stillRuns = (row: ProcessRow): boolean => findProcess(row.pid)?.startedAt === row.startedAt
