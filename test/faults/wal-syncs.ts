/** How often Postgres syncs its write-ahead log for what the ledger answers, by its own count. */
import pg from 'pg'
import { createBatcher } from '../../services/audit/batcher.ts'
import { createPostgresEngine } from '../../services/audit/engines/postgres/engine.ts'
import { migrateLedger } from '../../services/audit/engines/postgres/migrations.ts'
import type { LedgerEngine } from '../../services/audit/ledger.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { appendOf, decision, openClinic } from '../support/ledger-entries.ts'
import type { TestDatabase } from '../support/postgres-server.ts'

export interface SyncCount {
  readonly what: string
  readonly answers: number
  /** That carried their entries. */
  readonly statements: number
  readonly syncs: number
}

/** A pool's connections have ended when this has. */
const withPool = async <Result>(url: string, work: (pool: pg.Pool) => Promise<Result>): Promise<Result> => {
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  try {
    return await work(pool)
  } finally {
    await pool.end()
  }
}

const withEngine = <Result>({ writerUrl, feedUrl }: TestDatabase, work: (engine: LedgerEngine) => Promise<Result>): Promise<Result> =>
  withPool(writerUrl, (writer) =>
    withPool(feedUrl, async (feed) => {
      const engine = createPostgresEngine({ writer, feed })
      try {
        return await work(engine)
      } finally {
        await engine.close()
      }
    }),
  )

/** Backends tell what they counted at the latest when they end. */
const readSyncs = async (superuser: pg.Client): Promise<number> => {
  for (;;) {
    const { rows } = await superuser.query<{ readonly running: number; readonly syncs: number }>(
      `select (select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid())::int as running,
         (select coalesce(sum(fsyncs), 0) from pg_stat_io where object = 'wal' and backend_type = 'client backend')::int as syncs`,
    )
    if (rows[0]?.running === 0) return rows[0].syncs
  }
}

export interface CountSyncsOptions {
  /** On a server that nobody else uses. */
  readonly database: TestDatabase
  readonly what: string
  readonly answers: number
  /** Whether each waits for the answer before it, or all are asked at once. */
  readonly oneAtATime: boolean
}

/** Appends to a new ledger that nothing else writes to, and counts. PostgreSQL 18 or later. */
export const countSyncs = async ({ database, what, answers, oneAtATime }: CountSyncsOptions): Promise<SyncCount> => {
  await withPool(database.migrateUrl, migrateLedger)
  const superuser = new pg.Client({ connectionString: database.adminUrl })
  await superuser.connect()
  try {
    const clinic = await withEngine(database, (engine) => openClinic(engine))
    await readSyncs(superuser)
    await superuser.query(`select pg_stat_reset_shared('io')`)
    let statements = 0
    await withEngine(database, async (engine) => {
      const onBatch = (): void => {
        statements += 1
      }
      const batcher = createBatcher({ engine, clock: systemClock, onBatch })
      const append = async (): Promise<void> => {
        const { kind } = await batcher.append(appendOf(clinic, 0n, [decision()]))
        if (kind !== 'stored') throw new Error(`an append was ${kind}`)
      }
      if (oneAtATime) for (let answer = 0; answer < answers; answer += 1) await append()
      else await Promise.all(Array.from({ length: answers }, append))
      await batcher.drain()
    })
    return { what, answers, statements, syncs: await readSyncs(superuser) }
  } finally {
    await superuser.end()
  }
}
