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
import { allProjections } from '../../services/projections/all-projections.ts'
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
  readonly graceMs?: number
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
  script(clinic: string, timeZone?: string): Promise<LedgerScript>
  /** A runner with short waiting times, stopped when the test ends. */
  runner(choices?: RunnerChoices): ProjectionRunner
  /** Runs one runner until it has taken everything the feed holds. */
  catchUp(choices?: RunnerChoices): Promise<void>
  /** Every entry of every ledger in order. */
  entries(): Promise<readonly StoredEntry[]>
  /** All rows of a table as the superuser sees them, in order of their key, without the columns that tell when they were written. */
  rows(table: string): Promise<readonly Record<string, unknown>[]>
  /** Where a table is now, for a statement of the superuser's. */
  qualified(table: string): Promise<string>
  /** All read models at once, for comparing. */
  everything(): Promise<object>
  /** As if the read models had never been. */
  clear(): Promise<void>
}

const readModels = allProjections.flatMap(({ tables }) => tables.map(({ name }) => name))

/** What the runner keeps beside the read models, without its own numbers: as of the live generations. */
const runnerRows: Readonly<Record<string, string>> = {
  progress: `
    select p.clinic, min(p.complete_to_revision) as complete_to_revision
    from chartwarden_projections.clinic_progress p join chartwarden_projections.generations g using (lane)
    where g.state = 'live' group by p.clinic`,
  parked_entries: `
    select distinct p.clinic, p.revision, p.entry_id, p.type, p.reason, p.detail
    from chartwarden_projections.parked p join chartwarden_projections.generations g using (projection, generation)
    where g.state = 'live'`,
}

/** Has a runner make the tables of every read model, over a ledger that is still empty. */
const makeTables = async (pool: pg.Pool): Promise<void> => {
  const { logger } = createLog()
  const feed = createMemoryEngine({ clock: systemClock })
  const runner = createProjectionRunner({ feed, pool, projections: allProjections, logger, takeoverMs: 20, gatherMs: 5 })
  runner.start()
  await waitFor('the tables', async () => {
    const { rows } = await pool.query(`select from chartwarden_projections.generations where state = 'live'`)
    return rows.length === allProjections.length
  })
  await runner.stop()
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
  const feedPool = open(database.feedUrl, 'feed')
  await makeTables(feedPool)
  return {
    adminPool: open(database.adminUrl, 'admin'),
    feedPool,
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

  const liveSchemas = async (): Promise<ReadonlyMap<string, string>> => {
    const { rows } = await adminPool.query<{ projection: string; schema_name: string }>(
      `select projection, schema_name from chartwarden_projections.generations where state = 'live' order by version`,
    )
    const schemas = new Map(rows.map((row) => [row.projection, row.schema_name]))
    return new Map(allProjections.flatMap(({ name, tables }) => tables.map((table) => [table.name, schemas.get(name) ?? 'nowhere'])))
  }
  const qualified: ProjectionHouse['qualified'] = async (table) => `${(await liveSchemas()).get(table)}.${table}`
  const rows: ProjectionHouse['rows'] = async (table) => {
    const source = runnerRows[table] === undefined ? await qualified(table) : `(${runnerRows[table]})`
    const result = await adminPool.query<Record<string, unknown>>(
      `select to_jsonb(x) as row from ${source} x order by to_jsonb(x) -> 'clinic', to_jsonb(x) -> 'revision', to_jsonb(x)::text`,
    )
    return result.rows.map(({ row }) => row as Record<string, unknown>)
  }
  const places = async (): Promise<readonly (string | null)[]> => {
    const { rows } = await adminPool.query<{ position: string | null }>(
      `select distinct l.position from chartwarden_projections.generations g join chartwarden_projections.lanes l using (lane)
       where g.state in ('building', 'live')`,
    )
    return rows.map(({ position }) => position)
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
  /** Tests that build generations leave others than the ones they found. */
  const startOver = async (): Promise<void> => {
    const { rows } = await adminPool.query<{ schema_name: string; expected: boolean }>(
      `select schema_name, state = 'live' and lane = min(lane) over () and (projection, version) in
         (select * from unnest($1::text[], $2::integer[])) as expected
       from chartwarden_projections.generations where state <> 'dropped'`,
      [allProjections.map(({ name }) => name), allProjections.map(({ version }) => version)],
    )
    if (rows.length === allProjections.length && rows.every(({ expected }) => expected)) return
    for (const { schema_name } of rows) await adminPool.query(`drop schema ${schema_name} cascade`)
    await adminPool.query('delete from chartwarden_projections.generations; delete from chartwarden_projections.lanes')
    await makeTables(feedPool)
  }
  const clear = async (): Promise<void> => {
    await startOver()
    const schemas = await liveSchemas()
    await adminPool.query(`
      truncate ${[...schemas].map(([table, schema]) => `${schema}.${table}`).join(', ')},
        chartwarden_projections.clinic_progress, chartwarden_projections.parked;
      update chartwarden_projections.lanes set position = null, recorded_at = null`)
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
    script: (clinic, timeZone) => createLedgerScript(engine, vault, clinic, timeZone),
    runner,
    catchUp: async (choices = {}) => {
      const feed = choices.feed ?? engine
      const made = runner(choices)
      made.start()
      const end = await feed.end()
      await waitFor('the read models to catch up', async () => (await places()).every((place) => place === (end ?? null)))
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
    qualified,
    everything: async () => {
      const tables = [...readModels, ...Object.keys(runnerRows)]
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
