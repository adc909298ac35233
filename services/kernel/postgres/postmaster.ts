import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Clock } from '../clock.ts'
import { StartError } from '../start-error.ts'
import type { PostgresBinaries } from './binaries.ts'
import { directoryMark } from './leftovers.ts'
import type { ServerAccount } from './server-account.ts'
import { serverEnvironment } from './server-environment.ts'
import { settlesWithin, waitUntil } from './wait.ts'

export interface PostmasterExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A running server. */
export interface Postmaster {
  readonly pid: number
  readonly port: number
  /** Settles when the server has ended, however it did. Never rejects. */
  readonly exited: Promise<PostmasterExit>
  /** Fast shutdown, made immediate and then forced when it takes longer than `graceMs` (default 30,000). Settles when it has ended. */
  stop(graceMs?: number): Promise<void>
}

export interface PostmasterOptions {
  readonly binaries: PostgresBinaries
  /** Absolute. */
  readonly dataDirectory: string
  readonly account: ServerAccount | undefined
  /** On 127.0.0.1. Undefined: any that is free. */
  readonly port: number | undefined
  /** Server settings. Given on the command line, so that no file in the data directory and no ALTER SYSTEM changes them. */
  readonly settings: Readonly<Record<string, string>>
  /** Gets each line the server writes. */
  readonly onLine: (line: string) => void
  readonly clock: Clock
  /** How long a start, with whatever recovery it needs, may take; milliseconds. */
  readonly startTimeoutMs: number
  /** Whether the child keeps this process alive; default true. */
  readonly keepsAlive?: boolean
}

/** An acknowledged commit survives a crash of the server and of the machine. */
export const durableSettings: Readonly<Record<string, string>> = { fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on' }

/** The log shows neither statements nor values: they name persons. */
const fixedSettings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_destination: 'stderr',
  logging_collector: 'off',
  log_line_prefix: '',
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_statement: 'none',
  log_error_verbosity: 'terse',
  log_parameter_max_length: '0',
  log_parameter_max_length_on_error: '0',
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })

/** The path the server is told: with another account it may not be able to walk to the directory it is handed (see ServerAccount). */
export const directoryArgument = (directory: string, account: ServerAccount | undefined): string =>
  account === undefined ? directory : '/proc/self/cwd'

const launch = (options: PostmasterOptions, port: number): ChildProcess => {
  const { binaries, dataDirectory, account } = options
  const settings = { ...options.settings, ...fixedSettings, cluster_name: directoryMark(dataDirectory), port: String(port) }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return spawn(binaries.postgres, ['-D', directoryArgument(dataDirectory, account), ...flags], {
    cwd: dataDirectory,
    env: serverEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
    // A session of its own: a Ctrl-C or a signal to the service's group must not stop the server before the drain.
    detached: true,
    windowsHide: true,
    ...account,
  })
}

/** Line 8 of postmaster.pid says `ready` once connections are taken (src/include/utils/pidfile.h). */
const isReady = (dataDirectory: string, pid: number): boolean => {
  try {
    const lines = readFileSync(path.join(dataDirectory, 'postmaster.pid'), 'utf8').split('\n')
    return Number(lines[0]) === pid && lines[7]?.trim() === 'ready'
  } catch {
    return false
  }
}

const keptLines = 20

const launchOnce = async (
  options: PostmasterOptions,
  port: number,
): Promise<Postmaster | { readonly failure: string; readonly exit: PostmasterExit | undefined }> => {
  const { dataDirectory, clock, startTimeoutMs } = options
  const child = launch(options, port)
  const tail: string[] = []
  let ended = false
  const exited = new Promise<PostmasterExit>((resolve) => {
    child.once('exit', (code, signal) => {
      ended = true
      resolve({ code, signal })
    })
    child.once('error', (thrown) => {
      tail.push(thrown.message)
      ended = true
      resolve({ code: null, signal: null })
    })
  })
  if (child.stderr !== null) {
    createInterface({ input: child.stderr }).on('line', (line) => {
      tail.push(line)
      if (tail.length > keptLines) tail.shift()
      options.onLine(line)
    })
  }
  const askToStop = (): void => {
    if (process.platform !== 'win32') return void child.kill('SIGINT')
    // Windows has no signals: `kill` would end the server at once, and the next start would have to recover.
    const asking = spawn(options.binaries.pgCtl, ['stop', '-m', 'fast', '--no-wait', '-D', dataDirectory], {
      env: serverEnvironment(),
      stdio: 'ignore',
      windowsHide: true,
    })
    asking.on('error', () => child.kill())
  }
  const stop = async (graceMs = 30_000): Promise<void> => {
    askToStop()
    if (await settlesWithin(exited, graceMs)) return
    child.kill('SIGQUIT')
    if (await settlesWithin(exited, 10_000)) return
    child.kill('SIGKILL')
    await exited
  }
  const pid = child.pid ?? -1
  await waitUntil(() => ended || isReady(dataDirectory, pid), { clock, timeoutMs: startTimeoutMs })
  if (!ended && isReady(dataDirectory, pid)) {
    if (options.keepsAlive === false) {
      child.unref()
      ;(child.stderr as unknown as { unref?(): void } | null)?.unref?.()
    }
    return { pid, port, exited, stop }
  }
  if (!ended) await stop()
  // The last lines may come after the exit.
  const exit = await exited
  if (child.stderr !== null && !child.stderr.closed)
    await settlesWithin(new Promise((resolve) => child.stderr?.once('close', resolve)), 1000)
  return { failure: tail.join(' | '), exit }
}

/**
 * Starts the server on the data directory and waits until it takes connections. Throws StartError with the server's own last words when it
 * does not. A port that was taken in the meantime is tried again, or another where none was asked for.
 */
export const startPostmaster = async (options: PostmasterOptions): Promise<Postmaster> => {
  const attempts = 5
  for (let attempt = 1; ; attempt += 1) {
    const started = await launchOnce(options, options.port ?? (await freePort()))
    if ('pid' in started) return started
    const portTaken = /could not bind|could not create any TCP\/IP sockets/.test(started.failure)
    if (!portTaken || attempt === attempts) {
      throw new StartError(`Postgres does not start in ${options.dataDirectory}: ${started.failure || 'it gave no reason'}.`, {
        mayPass: true,
      })
    }
  }
}
