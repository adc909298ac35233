import { execFile } from 'node:child_process'
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { StartError } from '../start-error.ts'
import { binariesIn, type PostgresBinaries } from './binaries.ts'
import { serverEnvironment } from './server-environment.ts'

/**
 * Postgres refuses to run as root, so a service that runs as root starts it as another account. Its directory is handed over as the working
 * directory, which a process may use even where it could not walk the path to it; so nothing has to be opened to the world.
 */
export interface ServerAccount {
  readonly uid: number
  readonly gid: number
}

const run = promisify(execFile)

/** An account by name from the text of /etc/passwd (passwd(5)); undefined when it is not there or is root. */
export const accountNamed = (passwd: string, name: string): ServerAccount | undefined => {
  for (const line of passwd.split('\n')) {
    const [user, , uid, gid] = line.split(':')
    if (user === name && uid !== undefined && gid !== undefined && Number(uid) > 0) return { uid: Number(uid), gid: Number(gid) }
  }
  return undefined
}

/**
 * The account to run the server as; undefined when the service's own will do, which is anyone but root. A data directory that exists keeps
 * its owner. initdb needs an account that has a name, hence `postgres`, else `nobody`.
 */
export const serverAccount = (dataDirectory: string): ServerAccount | undefined => {
  if (process.getuid?.() !== 0) return undefined
  if (process.platform !== 'linux')
    throw new StartError('Embedded Postgres does not run as root on this system; start the service as an ordinary user.')
  if (existsSync(dataDirectory)) {
    const { uid, gid } = lstatSync(dataDirectory)
    if (uid === 0)
      throw new StartError(`${dataDirectory} belongs to root, which Postgres refuses; give it to an account such as postgres ("chown -R").`)
    return { uid, gid }
  }
  const passwd = readFileSync('/etc/passwd', 'utf8')
  const account = accountNamed(passwd, 'postgres') ?? accountNamed(passwd, 'nobody')
  if (account === undefined)
    throw new StartError('Postgres refuses to run as root and there is no account "postgres" or "nobody" to run it as.')
  return account
}

const runsAs = async (binaries: PostgresBinaries, account: ServerAccount): Promise<boolean> => {
  try {
    await run(binaries.postgres, ['--version'], { ...account, cwd: '/', env: serverEnvironment() })
    return true
  } catch {
    return false
  }
}

const openToReaders = (directory: string): void => {
  chmodSync(directory, 0o755)
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const name = path.join(directory, entry.name)
    if (entry.isDirectory()) openToReaders(name)
    else if (entry.isFile()) chmodSync(name, path.basename(directory) === 'bin' ? 0o755 : 0o644)
  }
}

/**
 * The programs in a place the account can read: as installed, or copied once below `cacheDirectory` (default /var/cache/chartwarden) when
 * the installation is below a directory closed to others, such as /root.
 */
export const binariesFor = async (
  binaries: PostgresBinaries,
  account: ServerAccount | undefined,
  cacheDirectory = '/var/cache/chartwarden',
): Promise<PostgresBinaries> => {
  if (account === undefined || (await runsAs(binaries, account))) return binaries
  const directory = path.join(cacheDirectory, `postgres-${binaries.version}`)
  const copy = binariesIn(directory, binaries.version)
  if (!existsSync(directory)) {
    const unfinished = `${directory}.${process.pid}`
    mkdirSync(cacheDirectory, { recursive: true, mode: 0o755 })
    cpSync(binaries.directory, unfinished, { recursive: true, verbatimSymlinks: true })
    openToReaders(unfinished)
    try {
      renameSync(unfinished, directory)
    } catch (thrown) {
      rmSync(unfinished, { recursive: true, force: true })
      if (!existsSync(directory)) throw thrown
    }
  }
  if (await runsAs(copy, account)) return copy
  throw new StartError(
    `Postgres refuses to run as root and the account ${account.uid} can use neither ${binaries.directory} nor ${directory}; start the service as an ordinary user.`,
  )
}
