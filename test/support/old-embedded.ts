/** A state directory as a release left it whose embedded PostgreSQL was of an earlier major version. */
import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { systemClock } from '../../services/kernel/clock.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { newPassword } from '../../services/kernel/postgres/admin-secret.ts'
import { locateBinaries, locateBinariesBelow } from '../../services/kernel/postgres/binaries.ts'
import { adminRole } from '../../services/kernel/postgres/data-directory.ts'
import { databaseUrl } from '../../services/kernel/postgres/database-url.ts'
import { durableSettings, startPostmaster } from '../../services/kernel/postgres/postmaster.ts'
import { embeddedDatabase, provision } from '../../services/kernel/postgres/provision.ts'
import { loginRoles, newLoginPasswords } from '../../services/kernel/postgres/roles.ts'
import { binariesFor, serverAccount } from '../../services/kernel/postgres/server-account.ts'
import { newStateDirectory, type StateDirectory } from './embedded-service.ts'
import { copyDirectory, dataDirectoryTemplate, type TestDatabase } from './postgres-server.ts'

/** The last release whose programs PostgreSQL 18 follows. */
const oldVersion = '17.10.0-beta.17'

const npm = promisify(execFile)

/** Installs PostgreSQL 17 for this machine the way the guide says, once for all tests, and returns the directory. */
export const oldServerDirectory = async (): Promise<string> => {
  const directory = path.join(os.tmpdir(), `chartwarden-test-old-server-${oldVersion}-${process.getuid?.() ?? 'user'}`)
  if (existsSync(directory)) return directory
  const unfinished = mkdtempSync(`${directory}.new-`)
  await npm('npm', [
    ...['install', '--prefix', unfinished, '--prefer-offline', '--no-audit', '--no-fund'],
    `${locateBinaries().package}@${oldVersion}`,
  ])
  chmodSync(unfinished, 0o755)
  try {
    renameSync(unfinished, directory)
  } catch (thrown) {
    // Another test process was first.
    rmSync(unfinished, { recursive: true, force: true })
    if (!existsSync(directory)) throw thrown
  }
  return directory
}

export interface OldServer {
  readonly database: TestDatabase
  stop(): Promise<void>
}

/** Starts the old server on a state directory, which it makes. */
export const startOldServer = async (test: Test, oldServer: string, { stateDir, dataDirectory }: StateDirectory): Promise<OldServer> => {
  const account = serverAccount(dataDirectory)
  const binaries = await binariesFor(locateBinariesBelow(oldServer), account)
  const { directory, password } = await dataDirectoryTemplate(binaries, account)
  mkdirSync(path.dirname(dataDirectory), { recursive: true, mode: 0o700 })
  writeFileSync(path.join(stateDir, 'postgres.password'), `${password}\n`, { mode: 0o600 })
  copyDirectory(directory, dataDirectory)
  const postmaster = await startPostmaster({
    binaries,
    dataDirectory,
    account,
    port: undefined,
    settings: { shared_buffers: '64MB', ...durableSettings },
    onLine: () => {},
    clock: systemClock,
    startTimeoutMs: 60_000,
  })
  test.teardown(() => postmaster.stop())
  const passwords = newLoginPasswords(() => newPassword(systemRandomness))
  const url = (user: string, secret: string, database: string): string =>
    databaseUrl({ host: '127.0.0.1', port: postmaster.port, user, password: secret, database })
  const adminUrl = (database: string): string => url(adminRole, password, database)
  await provision(adminUrl, passwords)
  const login = (purpose: keyof typeof loginRoles): string => url(loginRoles[purpose], passwords[purpose], embeddedDatabase)
  return {
    database: {
      name: embeddedDatabase,
      adminUrl: adminUrl(embeddedDatabase),
      migrateUrl: login('migrate'),
      writerUrl: login('writer'),
      feedUrl: login('feed'),
      queryUrl: login('query'),
      close: async () => {},
    },
    stop: () => postmaster.stop(),
  }
}

/** A copy that is removed, with whatever runs in it, when the test ends. */
export const copyOfState = (test: Test, source: StateDirectory): StateDirectory => {
  const copy = newStateDirectory(test)
  copyDirectory(source.stateDir, copy.stateDir)
  return copy
}
