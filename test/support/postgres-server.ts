/** A real Postgres server for tests: fsync on, small memory, gone with the process that started it, however that ends. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { systemClock } from '../../services/kernel/clock.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { newPassword } from '../../services/kernel/postgres/admin-secret.ts'
import { locateBinaries, type PostgresBinaries } from '../../services/kernel/postgres/binaries.ts'
import { adminRole, createDataDirectory } from '../../services/kernel/postgres/data-directory.ts'
import { databaseUrl } from '../../services/kernel/postgres/database-url.ts'
import { stopLeftovers } from '../../services/kernel/postgres/leftovers.ts'
import { durableSettings, type Postmaster, type PostmasterExit, startPostmaster } from '../../services/kernel/postgres/postmaster.ts'
import {
  type LoginPasswords,
  type LoginPurpose,
  loginRoles,
  provisionDatabase,
  provisionRoles,
} from '../../services/kernel/postgres/roles.ts'

import { binariesFor, type ServerAccount, serverAccount } from '../../services/kernel/postgres/server-account.ts'
import { watchScratch } from './watched.ts'

export interface TestDatabase {
  readonly name: string
  /** Superuser. */
  readonly adminUrl: string
  /** Member of chartwarden_owner; may create schemas. */
  readonly migrateUrl: string
  readonly writerUrl: string
  readonly feedUrl: string
  readonly queryUrl: string
  /** Drops the database unless somebody is still connected; the server's end removes it anyway. Safe to call twice, and when the server is down. */
  close(): Promise<void>
}

export interface TestServer {
  readonly port: number
  /** Of the postmaster that runs or ran last. */
  readonly pid: number
  readonly dataDirectory: string
  /** Settles when the postmaster of now has ended. */
  readonly exited: Promise<PostmasterExit>
  createDatabase(): Promise<TestDatabase>
  /** Signals the postmaster and waits until it has ended; default SIGKILL. Its orphaned children are ended by `start`. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Starts it again on the same port after `kill` or `stop`. */
  start(): Promise<void>
  /** Fast shutdown. */
  stop(): Promise<void>
  /** Stops it and removes its files. */
  close(): Promise<void>
}

export interface TestServerOptions {
  /** Server settings, such as `max_connections` (default 100); they win over the safe ones. */
  readonly settings?: Readonly<Record<string, string>>
  /** Gives a program to start instead of the server's own, which it must become. */
  readonly program?: (postgres: string) => string
}

const testSettings: Readonly<Record<string, string>> = {
  max_connections: '100',
  shared_buffers: '64MB',
  max_wal_size: '1GB',
  io_method: 'sync',
  jit: 'off',
}

interface Template {
  /** A data directory nobody uses; copy it with `cp -a`. */
  readonly directory: string
  /** Of its superuser. */
  readonly password: string
}

/** initdb takes more than a second, so its result is kept per version and account and copied. */
export const dataDirectoryTemplate = async (binaries: PostgresBinaries, account: ServerAccount | undefined): Promise<Template> => {
  const home = path.join(
    os.tmpdir(),
    `chartwarden-test-postgres-${binaries.version}-${process.getuid?.() ?? 'user'}-${account?.uid ?? 'own'}`,
  )
  const directory = path.join(home, 'data')
  const passwordFile = path.join(home, 'password')
  if (!existsSync(home)) {
    const unfinished = mkdtempSync(`${home}.new-`)
    const password = newPassword(systemRandomness)
    writeFileSync(path.join(unfinished, 'password'), password, { mode: 0o600 })
    await createDataDirectory({
      binaries,
      dataDirectory: path.join(unfinished, 'data'),
      account,
      password,
      randomness: systemRandomness,
      sync: false,
    })
    try {
      renameSync(unfinished, home)
    } catch (thrown) {
      // Another test process was first.
      rmSync(unfinished, { recursive: true, force: true })
      if (!existsSync(directory)) throw thrown
    }
  }
  return { directory, password: readFileSync(passwordFile, 'utf8') }
}

/** Keeps owner and mode, as a server demands of its data directory. `target` must not exist. */
export const copyDirectory = (source: string, target: string): void => {
  const { status, stderr } = spawnSync('cp', ['-a', source, target], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`copying ${source} failed: ${stderr}`)
}

/** The server never keeps this process alive, so whoever waits for its end must. */
const stayingAlive = async (promise: Promise<unknown>): Promise<void> => {
  const timer = setInterval(() => {}, 60_000)
  try {
    await promise
  } finally {
    clearInterval(timer)
  }
}

/** By force it would crash a test that failed and left a client open, and hide why it failed. */
const dropIfUnused = async (client: pg.Client, name: string): Promise<void> => {
  const { rowCount } = await client.query('select from pg_stat_activity where datname = $1', [name])
  if (rowCount === 0) await client.query(`drop database if exists ${name}`)
}

/** Starts a server of its own. It never keeps this process alive and never outlives it. */
export const startTestServer = async (options: TestServerOptions = {}): Promise<TestServer> => {
  const located = locateBinaries()
  const account = serverAccount('/nonexistent')
  const binaries = await binariesFor(located, account)
  const { directory, password } = await dataDirectoryTemplate(binaries, account)
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'chartwarden-test-'))
  const dataDirectory = path.join(scratch, 'data')
  const watch = watchScratch(dataDirectory, scratch)
  copyDirectory(directory, dataDirectory)
  const postgres = options.program?.(binaries.postgres) ?? binaries.postgres

  const launch = (port: number | undefined): Promise<Postmaster> =>
    startPostmaster({
      binaries: { ...binaries, postgres },
      dataDirectory,
      account,
      port,
      settings: { ...durableSettings, ...testSettings, ...options.settings },
      onLine: () => {},
      clock: systemClock,
      startTimeoutMs: 60_000,
      keepsAlive: false,
    })
  let current = await launch(undefined)
  const { port } = current
  const passwords: LoginPasswords = {
    migrate: newPassword(systemRandomness),
    writer: newPassword(systemRandomness),
    feed: newPassword(systemRandomness),
    query: newPassword(systemRandomness),
  }
  const adminUrl = (database: string) => databaseUrl({ host: '127.0.0.1', port, user: adminRole, password, database })
  const loginUrl = (purpose: LoginPurpose, database: string) =>
    databaseUrl({ host: '127.0.0.1', port, user: loginRoles[purpose], password: passwords[purpose], database })
  const asAdmin = async (work: (client: pg.Client) => Promise<unknown>): Promise<void> => {
    const client = new pg.Client({ connectionString: adminUrl('postgres'), application_name: 'test-support' })
    client.on('error', () => {})
    await client.connect()
    try {
      await work(client)
    } finally {
      await client.end().catch(() => {})
    }
  }
  await asAdmin((client) => provisionRoles(client, passwords))

  const createDatabase = async (): Promise<TestDatabase> => {
    const name = `test_${systemRandomness.uuid().replaceAll('-', '').slice(0, 16)}`
    await asAdmin((client) => provisionDatabase(client, name))
    let closed: Promise<void> | undefined
    return {
      name,
      adminUrl: adminUrl(name),
      migrateUrl: loginUrl('migrate', name),
      writerUrl: loginUrl('writer', name),
      feedUrl: loginUrl('feed', name),
      queryUrl: loginUrl('query', name),
      close: () => {
        closed ??= asAdmin((client) => dropIfUnused(client, name)).catch(() => {})
        return closed
      },
    }
  }

  return {
    port,
    get pid() {
      return current.pid
    },
    dataDirectory,
    get exited() {
      return current.exited
    },
    createDatabase,
    kill: async (signal = 'SIGKILL') => {
      process.kill(current.pid, signal)
      await stayingAlive(current.exited)
    },
    start: async () => {
      await stopLeftovers({ dataDirectory, clock: systemClock, graceMs: 0 })
      current = await launch(port)
    },
    stop: () => current.stop(),
    close: async () => {
      await current.stop()
      await stopLeftovers({ dataDirectory, clock: systemClock, graceMs: 0 })
      await watch.clear()
    },
  }
}
