import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import type { Logger } from 'pino'
import type { Clock } from '../clock.ts'
import type { DatabaseUrls } from '../config.ts'
import type { Randomness } from '../ids.ts'
import { StartError } from '../start-error.ts'
import { adminPassword, newPassword } from './admin-secret.ts'
import { locateBinaries, type PostgresBinaries } from './binaries.ts'
import { adminRole, checkDataDirectory, createDataDirectory, removeUnfinished } from './data-directory.ts'
import { databaseUrl } from './database-url.ts'
import { errorCode } from './error-code.ts'
import { stopLeftovers } from './leftovers.ts'
import { durableSettings, type Postmaster, startPostmaster } from './postmaster.ts'
import { embeddedDatabase, provision } from './provision.ts'
import { type LoginPasswords, loginRoles, newLoginPasswords } from './roles.ts'
import { binariesFor, serverAccount } from './server-account.ts'
import { acquireStateLock, type StateLock } from './state-lock.ts'
import { type ServerExit, superviseServer } from './supervisor.ts'
import { finishSwitch } from './upgrade/directories.ts'

/**
 * The database of a laptop or a small clinic: a real Postgres server of our own below the state directory. Order matters: the state lock
 * comes first, because only its holder may judge what an earlier run left behind; the server outlives a service that is killed, and the
 * next start stops it before it starts its own.
 */
export interface EmbeddedPostgresOptions {
  /** Holds everything: lock, password file and data. Made if missing. */
  readonly stateDir: string
  readonly logger: Logger
  readonly clock: Clock
  readonly randomness: Randomness
  /** Further server settings; durability and logging cannot be changed. */
  readonly settings?: Readonly<Record<string, string>>
  /** How long a start, with crash recovery, may take; milliseconds. Default 300,000. */
  readonly startTimeoutMs?: number
}

export interface EmbeddedPostgres {
  readonly urls: DatabaseUrls & { readonly migrate: string }
  /** Superuser on the service's database; for provisioning and support, never for serving. */
  readonly adminUrl: string
  /** Of the server that runs now; undefined while it is being started again and after `stop`. */
  readonly pid: number | undefined
  readonly port: number
  /** Tells of every exit that `stop` did not ask for. Returns what ends the telling. */
  onExit(listener: (exit: ServerExit) => void): () => void
  /** Fast shutdown, then the state lock is free. Close the pools first. Safe to call twice. */
  stop(): Promise<void>
}

/** Beside the durable ones, which cannot be changed. */
export const embeddedSettings: Readonly<Record<string, string>> = {
  max_connections: '100',
  shared_buffers: '128MB',
  max_wal_size: '2GB',
  jit: 'off',
}

/** Makes it where it is missing. Throws StartError where that cannot be. */
export const prepareStateDirectory = (stateDir: string): void => {
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 })
    mkdirSync(path.join(stateDir, 'postgres'), { recursive: true, mode: 0o700 })
    chmodSync(path.join(stateDir, 'postgres'), 0o700)
  } catch (thrown) {
    throw new StartError(
      `The state directory ${stateDir} cannot be used (${errorCode(thrown) ?? 'unknown error'}); set CHARTWARDEN_STATE_DIR to one this account may write.`,
      {
        cause: thrown,
      },
    )
  }
}

/** LOG and below is the server's ordinary talk; what stops a connection or the server is a warning. */
export const logServerLine = (logger: Logger, line: string): void => {
  const level = /^(FATAL|PANIC):/.test(line) ? 'warn' : 'debug'
  logger[level]({ event: 'postgres.server', line }, 'embedded Postgres says')
}

const startLocked = async (
  options: EmbeddedPostgresOptions,
  located: PostgresBinaries,
  stateDir: string,
  lock: StateLock,
): Promise<EmbeddedPostgres> => {
  const { logger, clock, randomness } = options
  const dataDirectory = path.join(stateDir, 'postgres', 'data')
  const password = adminPassword({ file: path.join(stateDir, 'postgres.password'), dataDirectory, randomness })
  const account = serverAccount(dataDirectory)
  const binaries: PostgresBinaries = await binariesFor(located, account)
  await removeUnfinished(dataDirectory, clock)
  finishSwitch(dataDirectory)
  if (!existsSync(dataDirectory)) {
    logger.info({ event: 'postgres.initialising', dataDirectory }, 'making the embedded database')
    await createDataDirectory({ binaries, dataDirectory, account, password, randomness })
  }
  checkDataDirectory(dataDirectory, binaries)

  const clearAndStart = async (port: number | undefined): Promise<Postmaster> => {
    const { stopped, stalePid } = await stopLeftovers({ dataDirectory, clock })
    if (stopped.length > 0) logger.warn({ event: 'postgres.leftovers_stopped', pids: stopped }, 'stopped a server that an earlier run left')
    if (stalePid !== undefined)
      logger.warn({ event: 'postgres.stale_pid_cleared', pid: stalePid }, 'cleared the pid file of a server that is gone')
    const started = await startPostmaster({
      binaries,
      dataDirectory,
      account,
      port,
      settings: { ...embeddedSettings, ...options.settings, ...durableSettings },
      onLine: (line) => logServerLine(logger, line),
      clock,
      startTimeoutMs: options.startTimeoutMs ?? 300_000,
    })
    logger.info({ event: 'postgres.started', pid: started.pid, port: started.port }, 'embedded Postgres is ready')
    return started
  }

  const first = await clearAndStart(undefined)
  const { port } = first
  // The logins' passwords live as long as this process: nothing else is meant to use them.
  const passwords = newLoginPasswords(() => newPassword(randomness))
  const adminUrl = (database: string) => databaseUrl({ host: '127.0.0.1', port, user: adminRole, password, database })
  try {
    await provision(adminUrl, passwords)
  } catch (thrown) {
    await first.stop()
    throw new StartError(`The embedded database in ${dataDirectory} does not accept its own administrator: ${(thrown as Error).message}.`, {
      cause: thrown,
    })
  }
  const supervisor = superviseServer({ first, restart: () => clearAndStart(port), logger, clock })
  const loginUrl = (purpose: keyof LoginPasswords) =>
    databaseUrl({ host: '127.0.0.1', port, user: loginRoles[purpose], password: passwords[purpose], database: embeddedDatabase })
  return {
    urls: { writer: loginUrl('writer'), feed: loginUrl('feed'), query: loginUrl('query'), migrate: loginUrl('migrate') },
    adminUrl: adminUrl(embeddedDatabase),
    get pid() {
      return supervisor.pid
    },
    port,
    onExit: supervisor.onExit,
    stop: async () => {
      await supervisor.stop()
      lock.release()
    },
  }
}

/**
 * Starts the embedded server, making its database at the first start and recovering whatever an earlier run left. Throws StartError, one
 * line, when the directory is in use by another service or cannot be used.
 */
export const startEmbeddedPostgres = async (options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> => {
  const stateDir = path.resolve(options.stateDir)
  // First: without the programs, as in a container, it is a database that has to be named and not a directory.
  const located = locateBinaries()
  prepareStateDirectory(stateDir)
  const lock = await acquireStateLock({ directory: stateDir, clock: options.clock })
  try {
    return await startLocked(options, located, stateDir, lock)
  } catch (thrown) {
    lock.release()
    throw thrown
  }
}
