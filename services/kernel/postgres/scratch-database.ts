/**
 * An empty database for one piece of work, gone afterwards: one of a server that is named, or a server of its own in a directory. What a
 * killed process left of either goes with the next one; one is made at a time, so that nobody's is taken for left behind.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import type { Logger } from 'pino'
import type { Clock } from '../clock.ts'
import type { Randomness } from '../ids.ts'
import { StartError } from '../start-error.ts'
import { startEmbeddedPostgres } from './embedded.ts'
import { errorCode } from './error-code.ts'
import { emptyServerBytes, type FreeBytes, requireFreeSpace } from './free-space.ts'
import { stopLeftovers } from './leftovers.ts'
import { acquireStateLock } from './state-lock.ts'

export interface ScratchDatabase {
  /** Of a login that may make schemas in it. Holds a password: never log it. */
  readonly url: string
  /** Drops it, whoever is connected. Safe to call twice. */
  close(): Promise<void>
}

export interface ScratchDatabaseOptions {
  /** Of a login that may create databases there and act as the owner of the schema, on any database of that server; undefined: a server of its own. */
  readonly serverUrl: string | undefined
  /** Where a server of its own has its data; made where it is missing. Nothing else may lie there. */
  readonly directory: string
  /**
   * What will be written to it, write-ahead log included: a server of its own, whose disk others need too, is not begun where there is less room.
   * How much a server that is named has, nobody can ask it. Defaults to nothing.
   */
  readonly bytes?: number | undefined
  /** As in `requireFreeSpace`. */
  readonly freeBytes?: FreeBytes | undefined
  readonly logger: Logger
  readonly clock: Clock
  readonly randomness: Randomness
}

const prefix = 'chartwarden_scratch_'

const once = (work: () => Promise<void>): (() => Promise<void>) => {
  let done: Promise<void> | undefined
  return () => {
    done ??= work()
    return done
  }
}

const connect = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: url, application_name: 'chartwarden-scratch' })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** The same login on another database of its server. */
const onDatabase = (url: string, name: string): string => {
  const other = new URL(url)
  other.pathname = `/${name}`
  return other.href
}

/** Throws StartError, without the name of a login or a password, where the server cannot be used for it. */
const onServer = async (url: string, { randomness }: ScratchDatabaseOptions): Promise<ScratchDatabase> => {
  // A lock holds in one database, a name on the whole server: whichever database is named, all take the lock in the same.
  const client = await connect(onDatabase(url, 'postgres')).catch((cause: unknown) => {
    throw new StartError(`The server for scratch databases cannot be reached: ${errorCode(cause) ?? 'no answer'}.`, {
      cause,
      mayPass: true,
    })
  })
  const drop = (name: string) => client.query(`drop database if exists ${pg.escapeIdentifier(name)} with (force)`)
  try {
    const { rows } = await client.query<{ locked: boolean }>(
      `select pg_try_advisory_lock(hashtextextended('chartwarden scratch', 0)) as locked`,
    )
    if (rows[0]?.locked !== true)
      throw new StartError('Another scratch database of that server is in use; try again later.', { mayPass: true })
    const left = await client.query<{ name: string }>('select datname as name from pg_catalog.pg_database where starts_with(datname, $1)', [
      prefix,
    ])
    for (const { name } of left.rows) await drop(name)
    const name = prefix + Buffer.from(randomness.bytes(8)).toString('hex')
    await client.query(`create database ${pg.escapeIdentifier(name)}`)
    await client.query(`revoke all on database ${pg.escapeIdentifier(name)} from public`)
    return {
      url: onDatabase(url, name),
      close: once(async () => {
        try {
          await drop(name)
        } finally {
          await client.end()
        }
      }),
    }
  } catch (cause) {
    await client.end()
    if (cause instanceof StartError) throw cause
    throw new StartError(
      `The server for scratch databases does not make one (${errorCode(cause) ?? 'no reason given'}); its login needs CREATEDB.`,
      {
        cause,
      },
    )
  }
}

/** Ends a server that a killed process left in the directory, and removes all it had. */
const clear = async ({ directory, clock }: ScratchDatabaseOptions): Promise<void> => {
  const postgres = path.join(directory, 'postgres')
  const data = path.join(postgres, 'data')
  if (existsSync(data)) await stopLeftovers({ dataDirectory: data, clock })
  for (const left of [postgres, path.join(directory, 'postgres.password')]) rmSync(left, { recursive: true, force: true, maxRetries: 5 })
}

const inDirectory = async (options: ScratchDatabaseOptions): Promise<ScratchDatabase> => {
  const { directory, bytes = 0, freeBytes, logger, clock, randomness } = options
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const lock = await acquireStateLock({ directory, clock, advice: 'it is another scratch database; try again once it is gone' })
  try {
    await clear(options)
    await requireFreeSpace({ what: 'A scratch database', bytes: bytes + emptyServerBytes, directory, freeBytes })
  } finally {
    lock.release()
  }
  const server = await startEmbeddedPostgres({ stateDir: directory, logger, clock, randomness })
  return {
    url: server.urls.migrate,
    close: once(async () => {
      await server.stop()
      await clear(options)
    }),
  }
}

/** Throws StartError where it cannot be made. */
export const openScratchDatabase = (options: ScratchDatabaseOptions): Promise<ScratchDatabase> =>
  options.serverUrl === undefined ? inDirectory(options) : onServer(options.serverUrl, options)
