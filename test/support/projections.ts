/** Read models in a real Postgres over a ledger in memory, for tests of projections. */
import type pg from 'pg'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { createMemoryEngine } from '../../services/audit/engines/memory.ts'
import { numberOf, positionOf } from '../../services/audit/engines/position.ts'
import type { FeedBatch, LedgerEngine, LedgerFeed, StoredEntry } from '../../services/audit/ledger.ts'
import { createVault } from '../../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../../services/audit/vault/memory-key-store.ts'
import type { Vault } from '../../services/audit/vault.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { migrate } from '../../services/kernel/postgres/migrate.ts'
import { createPool } from '../../services/kernel/postgres/pool.ts'
import { allProjections } from '../../services/projections/index.ts'
import { projectionMigrations } from '../../services/projections/migrations.ts'
import type { Projection } from '../../services/projections/projection.ts'
import { createProjectionRunner, type ProjectionRunner, type RunnerLogger } from '../../services/projections/runner.ts'
import { createLedgerScript, type LedgerScript } from './ledger-script.ts'
import { createTestDatabase } from './postgres.ts'
import { waitFor } from './wait-for.ts'

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly event: string
  readonly fields: object
}

export const createLog = (): { readonly lines: readonly LogLine[]; readonly logger: RunnerLogger } => {
  const lines: LogLine[] = []
  const at = (level: LogLine['level']) => (fields: object) => {
    lines.push({ level, event: (fields as { event: string }).event, fields })
  }
  return { lines, logger: { info: at('info'), warn: at('warn'), error: at('error') } }
}

export interface RunnerChoices {
  readonly feed?: LedgerFeed
  readonly projections?: readonly Projection[]
  readonly logger?: RunnerLogger
  readonly advanced?: (clinic: string, revision: bigint) => void
}

export interface ProjectionHouse {
  readonly engine: LedgerEngine
  readonly vault: Vault
  /** The vault of a replica that has not used any key yet. */
  replicaVault(): Vault
  readonly keyStore: ReturnType<typeof createMemoryKeyStore>
  readonly adminPool: pg.Pool
  readonly feedPool: pg.Pool
  readonly queryPool: pg.Pool
  readonly urls: { readonly query: string; readonly feed: string; readonly admin: string }
  script(clinic: string): Promise<LedgerScript>
  /** A runner with short waiting times, stopped when the test ends. */
  runner(choices?: RunnerChoices): ProjectionRunner
  /** Runs one runner until it has taken everything the feed holds. */
  catchUp(choices?: RunnerChoices): Promise<void>
  /** Every entry of every ledger in order. */
  entries(): Promise<readonly StoredEntry[]>
  /** All rows of a table as the superuser sees them, in order of their key, without the columns that tell when they were written. */
  rows(table: string): Promise<readonly Record<string, unknown>[]>
  /** All read models at once, for comparing. */
  everything(): Promise<object>
  /** As if the read models had never been. */
  clear(): Promise<void>
}

const keys: Readonly<Record<string, string>> = {
  checkpoints: 'runner',
  progress: 'clinic',
  parked_entries: 'clinic, revision',
  identities: 'clinic, pseudonym',
  access_history: 'clinic, revision',
  role_grants: 'clinic, revision',
  offboardings: 'clinic, revision',
}

/** The one database of this test process, whose tests run one after the other. */
const openDatabase = async () => {
  const database = await createTestDatabase(t)
  const open = (url: string, applicationName: string) => {
    const pool = createPool({ url, applicationName, logger: pino({ level: 'silent' }), max: 6 })
    t.teardown(() => pool.end())
    return pool
  }
  // The roles are there; the ledger's own tables are not needed by read models over a ledger in memory.
  await migrate(open(database.migrateUrl, 'migrate'), [projectionMigrations])
  return {
    adminPool: open(database.adminUrl, 'admin'),
    feedPool: open(database.feedUrl, 'feed'),
    queryPool: open(database.queryUrl, 'query'),
    urls: { query: database.queryUrl, feed: database.feedUrl, admin: database.adminUrl },
  }
}
let shared: ReturnType<typeof openDatabase> | undefined

/** An empty house: a new ledger and cleared read models, in the one database of this test process. */
export const createProjectionHouse = async (test: Test): Promise<ProjectionHouse> => {
  shared ??= openDatabase()
  const { adminPool, feedPool, queryPool, urls } = await shared
  const { logger } = createLog()
  const engine = createMemoryEngine({ clock: systemClock })
  const keyStore = createMemoryKeyStore()
  const masterKey = createMasterKey(systemRandomness.bytes(32), systemRandomness)
  const replicaVault = () => createVault({ masterKey, keyStore, randomness: systemRandomness })
  const vault = replicaVault()

  const rows: ProjectionHouse['rows'] = async (table) => {
    const result = await adminPool.query<Record<string, unknown>>(
      `select to_jsonb(x) - 'updated_at' - 'parked_at' as row from chartwarden_projections.${table} x order by ${keys[table]}`,
    )
    return result.rows.map(({ row }) => row as Record<string, unknown>)
  }
  const runner: ProjectionHouse['runner'] = (choices = {}) => {
    const made = createProjectionRunner({
      feed: engine,
      pool: feedPool,
      projections: allProjections,
      logger,
      takeoverMs: 20,
      firstRetryMs: 5,
      longestRetryMs: 20,
      ...choices,
    })
    test.teardown(() => made.stop())
    return made
  }
  const clear = async (): Promise<void> => {
    await adminPool.query(
      `truncate ${Object.keys(keys)
        .map((table) => `chartwarden_projections.${table}`)
        .join(', ')}`,
    )
  }
  await clear()
  return {
    engine,
    vault,
    replicaVault,
    keyStore,
    adminPool,
    feedPool,
    queryPool,
    urls,
    script: (clinic) => createLedgerScript(engine, vault, clinic),
    runner,
    catchUp: async (choices = {}) => {
      const feed = choices.feed ?? engine
      const made = runner(choices)
      made.start()
      const end = await feed.end()
      await waitFor('the read models to catch up', async () => (await rows('checkpoints'))[0]?.position === end)
      await made.stop()
    },
    entries: async () => {
      const all: StoredEntry[] = []
      const stop = new AbortController()
      const end = await engine.end()
      if (end === undefined) return all
      for await (const batch of engine.subscribe(undefined, stop.signal)) {
        all.push(...batch.entries)
        if (batch.position === end) break
      }
      return all
    },
    rows,
    everything: async () => {
      const tables = Object.keys(keys).filter((table) => table !== 'checkpoints')
      return Object.fromEntries(await Promise.all(tables.map(async (table) => [table, await rows(table)] as const)))
    },
    clear,
  }
}

/** A feed that hands out these entries in batches of this size; `from` backs up by `overlap` entries, as a feed that repeats itself would. */
export const feedOf = (entries: readonly StoredEntry[], size: number, overlap = 0): LedgerFeed => ({
  async *subscribe(from, signal): AsyncGenerator<FeedBatch> {
    let start = Math.max(0, Number(numberOf(from)) - overlap)
    while (start < entries.length && !signal.aborted) {
      const end = Math.min(start + size, entries.length)
      yield { entries: entries.slice(start, end), position: positionOf(BigInt(end)) }
      start = end === entries.length ? end : Math.max(start + 1, end - overlap)
    }
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  },
  end: async () => (entries.length === 0 ? undefined : positionOf(BigInt(entries.length))),
  distance: (from, to) => numberOf(to) - numberOf(from),
})
