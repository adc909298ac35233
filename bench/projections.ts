/**
 * Entries a second into the read models, over a real ledger in Postgres: built anew beside the old rows (`rebuild`), brought up to date after
 * a pause (`catchUp`), and kept up while entries are appended (`live`). fsync is on. `node bench/projections.ts [entries, default 100000]`
 */
import { randomBytes, randomUUID } from 'node:crypto'
import pg from 'pg'
import { createPostgresEngine } from '../services/audit/engines/postgres/engine.ts'
import { ledgerMigrations } from '../services/audit/engines/postgres/migrations.ts'
import { sealEnvelope } from '../services/audit/entry.ts'
import type { Append, LedgerEngine, NewEntry } from '../services/audit/ledger.ts'
import { migrate } from '../services/kernel/postgres/migrate.ts'
import { allProjections } from '../services/projections/all-projections.ts'
import { onPool } from '../services/projections/database.ts'
import { projectionMigrations } from '../services/projections/migrations.ts'
import type { Projection } from '../services/projections/projection.ts'
import { createProjectionRunner, type RunnerLogger } from '../services/projections/runner.ts'
import { beginRebuild } from '../services/projections/upkeep.ts'
import { startTestServer, type TestServer } from '../test/support/postgres-server.ts'
import { waitFor } from '../test/support/wait-for.ts'
import { machine } from './machine.ts'

export interface ProjectionBenchOptions {
  /** In the ledger when a read model is built anew. Defaults to 100,000. */
  readonly entries?: number
  readonly clinics?: number
  /** Of its own unless given. */
  readonly server?: TestServer
  readonly logger?: RunnerLogger
}

/** Entries a second. */
export interface ProjectionRates {
  readonly entries: number
  readonly rebuildAccessHistory: number
  readonly rebuildAll: number
  readonly catchUpAll: number
  readonly liveAll: number
  /** Bytes a row of access history takes, with its indexes. */
  readonly accessHistoryBytesPerEntry: number
}

const silent: RunnerLogger = { info: () => {}, warn: (fields) => console.error(fields), error: (fields) => console.error(fields) }

/** One decision in five refused; persons and patients as in a clinic of some size. Sealed parts are random bytes of the usual length. */
export const decision = (clinic: string, number: number): NewEntry => {
  const denied = number % 5 === 0
  const id = randomUUID()
  return sealEnvelope({
    clinic,
    id,
    type: 'chartwarden.access.decided.v1',
    stateChanging: false,
    time: Date.UTC(2026, 0, 1) + number * 1_000,
    provenance: { caller: 'practice-software', correlationId: id },
    requestDigest: randomBytes(32),
    salt: randomBytes(16),
    data: {
      decision: denied ? 'deny' : 'permit',
      reason_code: denied ? 'no_grant' : 'role_permits',
      rule: denied ? '' : 'role/dentist#1',
      obligations: [],
      intent: 'access',
      subject: { type: 'staff', pseudonym: `s-${'0'.repeat(36)}${number % 40}` },
      action: 'read',
      resource_type: 'imaging',
      patient: `p-${'0'.repeat(36)}${(number * 7_919) % 5_000}`,
      purpose: 'TREAT',
      roles: ['dentist'],
      state_revision: 3,
      sealed: {
        kid: `p-${'0'.repeat(36)}${(number * 7_919) % 5_000}`,
        nonce: randomBytes(12).toString('base64'),
        ct: randomBytes(80).toString('base64'),
      },
    } as never,
  })
}

const statement = 500

export const write = async (engine: LedgerEngine, clinics: readonly string[], entries: number, from = 0): Promise<void> => {
  for (let start = from; start < from + entries; start += statement) {
    const appends = Array.from({ length: Math.min(statement, from + entries - start) }, (_, place): Append => {
      const clinic = clinics[(start + place) % clinics.length] as string
      return { clinic, restsOn: 'any', entries: [decision(clinic, start + place)] }
    })
    await engine.appendBatch(appends)
  }
}

export const run = async (options: ProjectionBenchOptions = {}): Promise<ProjectionRates> => {
  const { entries = 100_000, clinics: clinicCount = 20, logger = silent } = options
  const server = options.server ?? (await startTestServer())
  const database = await server.createDatabase()
  const pools: pg.Pool[] = []
  const open = (connectionString: string): pg.Pool => {
    const pool = new pg.Pool({ connectionString, max: 10 })
    pools.push(pool)
    return pool
  }
  try {
    await migrate(open(database.migrateUrl), [ledgerMigrations, projectionMigrations])
    const [admin, feed] = [open(database.adminUrl), open(database.feedUrl)]
    const engine = createPostgresEngine({ writer: open(database.writerUrl), feed, pollMs: 50 })
    const db = onPool(feed)
    const newRunner = () => createProjectionRunner({ feed: engine, pool: feed, projections: allProjections, logger, takeoverMs: 20 })

    /** Seconds until all rows of every read model are those of the ledger. */
    const timeTo = async (done: () => Promise<boolean>, work: () => Promise<void> = async () => {}): Promise<number> => {
      const runner = newRunner()
      const started = performance.now()
      runner.start()
      await work()
      await waitFor('the read models', done)
      const seconds = (performance.now() - started) / 1_000
      await runner.stop()
      return seconds
    }
    const allAtEnd = async (): Promise<boolean> => {
      const { rows } = await admin.query<{ state: string; position: string | null }>(
        `select g.state, l.position from chartwarden_projections.generations g join chartwarden_projections.lanes l using (lane) where g.state in ('live', 'building')`,
      )
      const end = await engine.end()
      return rows.length === allProjections.length && rows.every((row) => row.state === 'live' && row.position === (end ?? null))
    }
    const rebuild = async (projections: readonly Projection[]): Promise<number> => {
      const begun = await beginRebuild(db, projections)
      return timeTo(async () => {
        const { rows } = await admin.query(
          `select from chartwarden_projections.generations where state = 'live' and (projection, generation) in (select * from unnest($1::text[], $2::integer[]))`,
          [begun.map(({ projection }) => projection), begun.map(({ generation }) => generation)],
        )
        return rows.length === begun.length
      })
    }

    const clinics = Array.from({ length: clinicCount }, (_, number) => `clinic-${number}`)
    await engine.appendBatch(
      clinics.map((clinic) => ({ clinic, restsOn: -1n, entries: [{ ...decision(clinic, 0), stateChanging: true }] })),
    )
    await write(engine, clinics, entries)
    await timeTo(allAtEnd)
    const total = Number(engine.distance(undefined, await engine.end()))
    await admin.query('vacuum analyze')

    const accessHistory = await rebuild(allProjections.filter(({ name }) => name === 'access_history'))
    const everything = await rebuild(allProjections)
    const behind = Math.ceil(entries / 4)
    await write(engine, clinics, behind, entries)
    const catchUp = await timeTo(allAtEnd)
    const live = Math.ceil(entries / 8)
    const keptUp = await timeTo(allAtEnd, () => write(engine, clinics, live, entries + behind))
    const { rows } = await admin.query<{ bytes: string; rows: string }>(
      `select pg_total_relation_size((schema_name || '.access_history')::regclass) as bytes, $1::bigint as rows
       from chartwarden_projections.generations where projection = 'access_history' and state = 'live'`,
      [total + behind + live],
    )
    await engine.close()
    return {
      entries: total,
      rebuildAccessHistory: Math.round(total / accessHistory),
      rebuildAll: Math.round(total / everything),
      catchUpAll: Math.round(behind / catchUp),
      liveAll: Math.round(live / keptUp),
      accessHistoryBytesPerEntry: Math.round(Number(rows[0]?.bytes) / Number(rows[0]?.rows)),
    }
  } finally {
    await Promise.all(pools.map((pool) => pool.end()))
    await database.close()
    if (options.server === undefined) await server.close()
  }
}

if (import.meta.main) {
  const rates = await run({ entries: Number(process.argv[2] ?? '100000') })
  process.stdout.write(`${machine()}\n${JSON.stringify(rates, undefined, 2)}\n`)
}
