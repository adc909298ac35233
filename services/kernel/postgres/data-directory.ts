import { spawn } from 'node:child_process'
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import type { Clock } from '../clock.ts'
import type { Randomness } from '../ids.ts'
import { StartError } from '../start-error.ts'
import type { PostgresBinaries } from './binaries.ts'
import { stopLeftovers } from './leftovers.ts'
import { directoryArgument } from './postmaster.ts'
import type { ServerAccount } from './server-account.ts'
import { serverEnvironment } from './server-environment.ts'

/** The role initdb makes: a superuser, used by the service itself to provision the other roles and for nothing else. */
export const adminRole = 'chartwarden_admin'

export interface NewDataDirectory {
  readonly binaries: PostgresBinaries
  /** Absolute; must not exist. */
  readonly dataDirectory: string
  readonly account: ServerAccount | undefined
  /** Of `adminRole`. */
  readonly password: string
  readonly randomness: Randomness
  /** Whether to wait until the files are on disk; default true. */
  readonly sync?: boolean
}

/** Settles with what initdb wrote when it failed, else undefined. */
const runInitdb = (options: NewDataDirectory, directory: string, passwordFile: number): Promise<string | undefined> => {
  const { binaries, account } = options
  const arguments_ = [
    '-D',
    directoryArgument(directory, account),
    `--username=${adminRole}`,
    // The open file and not its path, which another account could not walk to; Windows has no such name, and no other account here.
    process.platform === 'win32' ? `--pwfile=${directory}.password` : '--pwfile=/dev/fd/3',
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // Built in, so that an update of the machine's C library never changes the order of an index.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--data-checksums',
    ...(options.sync === false ? ['--no-sync'] : []),
  ]
  return new Promise((resolve, reject) => {
    const child = spawn(binaries.initdb, arguments_, {
      cwd: directory,
      env: serverEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe', passwordFile],
      windowsHide: true,
      ...account,
    })
    let output = ''
    child.stdout?.on('data', (chunk) => (output += chunk))
    child.stderr?.on('data', (chunk) => (output += chunk))
    child.once('error', reject)
    child.once('close', (code) => resolve(code === 0 ? undefined : output.trim().replaceAll('\n', ' | ')))
  })
}

/** A rename in it is on disk from then on. */
export const syncDirectory = (directory: string): void => {
  if (process.platform === 'win32') return
  const handle = openSync(directory, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

const unfinishedPrefix = (dataDirectory: string): string => `${path.basename(dataDirectory)}.new-`

/** Removes what a crash left while a data directory was being made, and ends the programs that may still be making it. */
export const removeUnfinished = async (dataDirectory: string, clock: Clock): Promise<void> => {
  const parent = path.dirname(dataDirectory)
  for (const entry of readdirSync(parent, { withFileTypes: true })) {
    if (!entry.name.startsWith(unfinishedPrefix(dataDirectory))) continue
    const unfinished = path.join(parent, entry.name)
    if (entry.isDirectory()) await stopLeftovers({ dataDirectory: unfinished, clock })
    rmSync(unfinished, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Makes a data directory. It is made under a temporary name and renamed when it is complete, so that one that exists is never half made. */
export const createDataDirectory = async (options: NewDataDirectory): Promise<void> => {
  const { dataDirectory, account } = options
  const parent = path.dirname(dataDirectory)
  const unfinished = path.join(parent, unfinishedPrefix(dataDirectory) + options.randomness.uuid())
  mkdirSync(unfinished, { mode: 0o700 })
  const passwordPath = `${unfinished}.password`
  const written = openSync(passwordPath, 'wx', 0o600)
  try {
    writeSync(written, `${options.password}\n`)
    if (account !== undefined) {
      chownSync(unfinished, account.uid, account.gid)
      chownSync(passwordPath, account.uid, account.gid)
    }
  } finally {
    closeSync(written)
  }
  const passwordFile = openSync(passwordPath, 'r')
  try {
    const failure = await runInitdb(options, unfinished, passwordFile)
    if (failure !== undefined) throw new StartError(`Postgres cannot make its directory ${dataDirectory}: ${failure}`)
    renameSync(unfinished, dataDirectory)
    syncDirectory(parent)
  } finally {
    closeSync(passwordFile)
    rmSync(passwordPath, { force: true })
    rmSync(unfinished, { recursive: true, force: true })
  }
}

/** Major version of the server that made the data directory, e.g. `18`. Throws StartError where there is none. */
export const majorOf = (dataDirectory: string): string => {
  const versionFile = path.join(dataDirectory, 'PG_VERSION')
  if (!existsSync(versionFile)) {
    throw new StartError(`${dataDirectory} is not a Postgres data directory (no PG_VERSION); restore it, or move it away to begin anew.`)
  }
  return readFileSync(versionFile, 'utf8').trim()
}

/** Throws StartError unless the existing data directory is of the programs' major version. */
export const checkDataDirectory = (dataDirectory: string, binaries: PostgresBinaries): void => {
  const version = majorOf(dataDirectory)
  if (version === binaries.major) return
  const advice =
    Number(version) < Number(binaries.major)
      ? 'run "chartwarden database upgrade", which says how'
      : 'start the release that was used last, or a later one'
  throw new StartError(
    `${dataDirectory} was made by PostgreSQL ${version} and this release brings PostgreSQL ${binaries.major}; ${advice}.`,
  )
}
