/**
 * Brings the data of an embedded server to the next major version. The programs of a release cannot read the files of another major, and
 * no dump program comes with them, so both servers run and the rows are copied. The old one takes no writes; the new one gets the same
 * roles and, by the same migrations, the same schema. Every row is compared before the directories change places, and the old one is kept.
 */
import { existsSync, rmSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import type { Logger } from 'pino'
import type { Clock } from '../../clock.ts'
import type { Randomness } from '../../ids.ts'
import { StartError } from '../../start-error.ts'
import { adminPassword, newPassword } from '../admin-secret.ts'
import { locateBinaries, locateBinariesBelow, type PostgresBinaries } from '../binaries.ts'
import { adminRole, createDataDirectory, majorOf, removeUnfinished } from '../data-directory.ts'
import { databaseUrl } from '../database-url.ts'
import { embeddedSettings, logServerLine, prepareStateDirectory } from '../embedded.ts'
import { emptyServerBytes, requireFreeSpace } from '../free-space.ts'
import { stopLeftovers } from '../leftovers.ts'
import { type MigrationSet, migrate } from '../migrate.ts'
import { createPool, endPool } from '../pool.ts'
import { durableSettings, type Postmaster, startPostmaster } from '../postmaster.ts'
import { embeddedDatabase, provision } from '../provision.ts'
import { loginRoles, newLoginPasswords } from '../roles.ts'
import { appliedMigrations } from '../schema-version.ts'
import { binariesFor, type ServerAccount, serverAccount } from '../server-account.ts'
import { acquireStateLock } from '../state-lock.ts'
import { copySequences, copyTable, digestTable, listTables, sameText, tableName } from './copy-tables.ts'
import { finishSwitch, switchDirectories, upgradeDirectories } from './directories.ts'

export interface UpgradeEmbeddedOptions {
  readonly stateDir: string
  /** Where npm installed the package of the old major (`npm install --prefix`); undefined where nothing needs to be done. */
  readonly oldServer: string | undefined
  /** Those of the programme, in order. Only what the old database has of them is made; the next start does the rest. */
  readonly sets: readonly MigrationSet[]
  /** Schemas that are made again from the others and are left out, as patterns of LIKE. */
  readonly derived: readonly string[]
  readonly logger: Logger
  readonly clock: Clock
  readonly randomness: Randomness
  /** For tests: called with the new database's URL between copying and comparing. */
  readonly copied?: (adminUrl: string) => Promise<void>
}

export type UpgradeOutcome =
  | { readonly kind: 'current'; readonly major: string }
  | { readonly kind: 'upgraded'; readonly from: string; readonly to: string; readonly kept: string; readonly rows: number }

interface Server {
  /** Superuser. */
  adminUrl(database: string): string
  url(user: string, password: string): string
}

const programsOf = (oldServer: string | undefined, major: string, current: PostgresBinaries): PostgresBinaries => {
  const advice = `run "npm install --prefix <directory> ${current.package}@${major}" and then "chartwarden database upgrade --old-server <directory>"`
  if (oldServer === undefined) throw new StartError(`The programs of PostgreSQL ${major} are needed once more: ${advice}.`)
  const found = locateBinariesBelow(oldServer)
  if (found.major !== major)
    throw new StartError(`${oldServer} holds PostgreSQL ${found.major}, and the data is of PostgreSQL ${major}: ${advice}.`)
  return found
}

const connect = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: url, application_name: 'chartwarden-upgrade' })
  client.on('error', () => {})
  await client.connect()
  await client.query(sameText)
  return client
}

/** The same schema as the old database's: what it has of our migrations, and no more. */
const makeSchema = async (options: UpgradeEmbeddedOptions, source: pg.Client, oldPool: pg.Pool, newPool: pg.Pool): Promise<void> => {
  const sets: MigrationSet[] = []
  for (const set of options.sets) {
    const applied = await appliedMigrations(oldPool, set.name)
    const unknown = applied.find((name) => set.migrations.every((migration) => migration.name !== name))
    if (unknown !== undefined)
      throw new StartError(
        `The database holds ${set.name}/${unknown}, which this release does not know; upgrade with the release that made it or a later one.`,
      )
    sets.push({ name: set.name, migrations: set.migrations.filter((migration) => applied.includes(migration.name)) })
  }
  if (sets.every((set) => set.migrations.length === 0)) {
    const { rows } = await source.query(`select nspname from pg_catalog.pg_namespace where nspname like 'chartwarden\\_%'`)
    if (rows.length > 0) throw new StartError('The database does not say which migrations it holds; it cannot be upgraded.')
  }
  await migrate(newPool, sets)
}

const copyAll = async (options: UpgradeEmbeddedOptions, oldServer: Server, newServer: Server, migrateUrl: string): Promise<number> => {
  const { logger, derived } = options
  const except = ['chartwarden\\_migrations', ...derived]
  const url = { old: oldServer.adminUrl(embeddedDatabase), new: newServer.adminUrl(embeddedDatabase) }
  const pool = (address: string) => createPool({ url: address, applicationName: 'chartwarden-upgrade', logger, statementTimeoutMs: 0 })
  // Migrated by the login that always does it: what it makes, it must own.
  const pools = { old: pool(url.old), new: pool(migrateUrl) }
  const source = await connect(url.old)
  const target = await connect(url.new)
  try {
    await makeSchema(options, source, pools.old, pools.new)
    const tables = await listTables(source, except)
    const made = await listTables(target, except)
    if (JSON.stringify(made) !== JSON.stringify(tables)) {
      const other = tables.find((table) => !made.some((same) => JSON.stringify(same) === JSON.stringify(table))) ?? made[0]
      throw new StartError(
        `The schema is not what its migrations make (${other === undefined ? 'a table is missing' : tableName(other)}); nothing was changed.`,
      )
    }
    for (const table of tables) {
      const rows = await copyTable(source, target, table)
      if (rows > 0) logger.info({ event: 'upgrade.copied', relation: tableName(table), rows }, 'copied')
    }
    await copySequences(source, target, except)
    await options.copied?.(url.new)
    let total = 0
    for (const table of tables) {
      const [before, after] = await Promise.all([digestTable(source, table), digestTable(target, table)])
      if (before.rows !== after.rows || before.digest !== after.digest)
        throw new StartError(
          `The copy of ${tableName(table)} differs from the original; nothing was changed, and the old database is as it was.`,
        )
      total += after.rows
    }
    logger.info({ event: 'upgrade.compared', tables: tables.length, rows: total }, 'every row is the same in both')
    await target.query('analyze')
    return total
  } finally {
    await Promise.all([source.end(), target.end(), endPool(pools.old), endPool(pools.new)])
  }
}

const requireSpace = async (stateDir: string, oldServer: Server): Promise<void> => {
  const client = await connect(oldServer.adminUrl(embeddedDatabase))
  try {
    const { rows } = await client.query<{ bytes: string }>('select pg_database_size(current_database()) as bytes')
    const bytes = Number(rows[0]?.bytes) * 1.2 + emptyServerBytes
    await requireFreeSpace({ what: 'The upgrade', bytes, directory: stateDir })
  } finally {
    await client.end()
  }
}

const upgradeLocked = async (options: UpgradeEmbeddedOptions, stateDir: string): Promise<UpgradeOutcome> => {
  const { clock, logger, randomness } = options
  const dataDirectory = path.join(stateDir, 'postgres', 'data')
  finishSwitch(dataDirectory)
  if (!existsSync(dataDirectory))
    throw new StartError(`There is no embedded database in ${stateDir}; set CHARTWARDEN_STATE_DIR to where it is.`)
  const current = locateBinaries()
  const major = majorOf(dataDirectory)
  if (major === current.major) return { kind: 'current', major }
  if (Number(major) > Number(current.major))
    throw new StartError(
      `${dataDirectory} is of PostgreSQL ${major}, newer than the PostgreSQL ${current.major} of this release; a database is never taken back.`,
    )
  const old = programsOf(options.oldServer, major, current)
  const directories = upgradeDirectories(dataDirectory, major)
  if (existsSync(directories.kept)) throw new StartError(`${directories.kept} is there from an earlier upgrade; move it away first.`)

  const password = adminPassword({ file: path.join(stateDir, 'postgres.password'), dataDirectory, randomness })
  const account: ServerAccount | undefined = serverAccount(dataDirectory)
  const running: Postmaster[] = []
  const start = async (programs: PostgresBinaries, directory: string, settings: Readonly<Record<string, string>>): Promise<Server> => {
    await stopLeftovers({ dataDirectory: directory, clock })
    const postmaster = await startPostmaster({
      binaries: await binariesFor(programs, account),
      dataDirectory: directory,
      account,
      port: undefined,
      settings: { ...embeddedSettings, ...settings, ...durableSettings },
      onLine: (line) => logServerLine(logger, line),
      clock,
      startTimeoutMs: 300_000,
    })
    running.push(postmaster)
    const url = (user: string, secret: string, database: string): string =>
      databaseUrl({ host: '127.0.0.1', port: postmaster.port, user, password: secret, database })
    return {
      adminUrl: (database) => url(adminRole, password, database),
      url: (user, secret) => url(user, secret, embeddedDatabase),
    }
  }
  const stopAll = async (): Promise<void> => {
    for (const postmaster of running.splice(0)) await postmaster.stop()
  }
  const clear = async (): Promise<void> => {
    await removeUnfinished(directories.filling, clock)
    if (existsSync(directories.filling)) await stopLeftovers({ dataDirectory: directories.filling, clock })
    rmSync(directories.filling, { recursive: true, force: true, maxRetries: 5 })
  }

  await clear()
  try {
    const from = await start(old, dataDirectory, { default_transaction_read_only: 'on' })
    await requireSpace(stateDir, from)
    const binaries = await binariesFor(current, account)
    await createDataDirectory({ binaries, dataDirectory: directories.filling, account, password, randomness })
    const to = await start(current, directories.filling, {})
    const passwords = newLoginPasswords(() => newPassword(randomness))
    await provision(to.adminUrl, passwords)
    const rows = await copyAll(options, from, to, to.url(loginRoles.migrate, passwords.migrate))
    await stopAll()
    switchDirectories(dataDirectory, directories)
    return { kind: 'upgraded', from: major, to: current.major, kept: directories.kept, rows }
  } finally {
    await stopAll()
    await clear()
  }
}

/**
 * Upgrades the embedded database in the state directory, whose service must be stopped. Returns without a change where its major is current.
 * Throws StartError, one line, when it cannot; then, as after a crash, the old database is as it was and the upgrade can be run again.
 */
export const upgradeEmbeddedPostgres = async (options: UpgradeEmbeddedOptions): Promise<UpgradeOutcome> => {
  const stateDir = path.resolve(options.stateDir)
  if (!existsSync(stateDir)) throw new StartError(`There is no state directory ${stateDir}; set CHARTWARDEN_STATE_DIR to where it is.`)
  prepareStateDirectory(stateDir)
  const lock = await acquireStateLock({ directory: stateDir, clock: options.clock })
  try {
    return await upgradeLocked(options, stateDir)
  } finally {
    lock.release()
  }
}
