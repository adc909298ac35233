/**
 * Durable appends per second: batcher and Postgres engine as the service uses them, beside raw batch inserts of the same bytes into a plain
 * table of the same server, in one run on one machine. fsync is on. Prints a table in Markdown.
 * `node bench/ledger.ts [seconds for each cell, default 2]`
 */
import { fork } from 'node:child_process'
import path from 'node:path'
import pg from 'pg'
import { createPostgresEngine } from '../services/audit/engines/postgres/engine.ts'
import { migrateLedger } from '../services/audit/engines/postgres/migrations.ts'
import { appendOf, change } from '../test/support/ledger-entries.ts'
import { startTestServer, type TestDatabase } from '../test/support/postgres-server.ts'
import type { Job, Measured } from './ledger-writer.ts'
import { machine } from './machine.ts'

const measureMs = Number(process.argv[2] ?? '2') * 1_000
const entryBytes = 620

const write = (job: Job): Promise<Measured> =>
  new Promise((resolve, reject) => {
    const child = fork(path.join(import.meta.dirname, 'ledger-writer.ts'), { serialization: 'advanced' })
    let measured: Measured | undefined
    child.once('message', (message) => {
      measured = message as Measured
    })
    child.once('error', reject)
    child.once('exit', (code) => (measured ? resolve(measured) : reject(new Error(`a writer ended with ${code}`))))
    child.send(job)
  })

const withPool = async <Result>(url: string, work: (pool: pg.Pool) => Promise<Result>): Promise<Result> => {
  const pool = new pg.Pool({ connectionString: url })
  try {
    return await work(pool)
  } finally {
    await pool.end()
  }
}

const openClinics = (database: TestDatabase, names: readonly string[]): Promise<void> =>
  withPool(database.writerUrl, async (pool) => {
    const engine = createPostgresEngine({ writer: pool, feed: pool })
    await engine.appendBatch(names.map((name) => appendOf(name, -1n, [change()])))
    await engine.close()
  })

/** Every entry acknowledged is there, once, and no number is missing. */
const checkLedger = (database: TestDatabase): Promise<void> =>
  withPool(database.adminUrl, async (pool) => {
    const { rows } = await pool.query(
      `select (select count(*) = max(position) and count(distinct position) = max(position) from chartwarden_ledger.entries)
        and not exists (select from chartwarden_ledger.entries group by clinic having count(*) <> max(revision) + 1) as gapless`,
    )
    if (rows[0].gapless !== true) throw new Error('the ledger has a gap')
  })

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0

const cell = (parts: readonly Measured[]): string => {
  const perSecond = parts.reduce((sum, { appends, seconds }) => sum + appends / seconds, 0)
  const latencies = parts.flatMap((part) => part.latencies).sort((left, right) => left - right)
  const perStatement = parts.reduce((sum, part) => sum + part.perStatement, 0) / parts.length
  const [p50, p99] = [percentile(latencies, 0.5), percentile(latencies, 0.99)].map((latency) => latency.toFixed(latency < 10 ? 1 : 0))
  return `${Math.round(perSecond).toLocaleString('en')} (${p50}, ${p99}; ${perStatement.toFixed(0)})`
}

const server = await startTestServer({ settings: { shared_buffers: '512MB', max_wal_size: '4GB' } })

const measure = async (kind: Job['kind'], clinics: number, inFlight: number, writers: number): Promise<string> => {
  if (inFlight < writers) return '–'
  const database = await server.createDatabase()
  const names = Array.from({ length: clinics }, (_, index) => `clinic-${index}`)
  await withPool(database.migrateUrl, async (pool) => {
    await migrateLedger(pool)
    await pool.query('create table public.plain (id bigint generated always as identity primary key, bytes bytea not null)')
    await pool.query('grant insert on public.plain to chartwarden_writer')
    await pool.query('grant usage on schema public to chartwarden_writer')
  })
  await openClinics(database, names)
  const job = { kind, url: database.writerUrl, clinics: names, inFlight: inFlight / writers, entryBytes, warmUpMs: 700, measureMs }
  const parts = await Promise.all(Array.from({ length: writers }, () => write(job)))
  await checkLedger(database)
  await database.close()
  return cell(parts)
}

try {
  const { rows } = await withPool((await server.createDatabase()).adminUrl, (pool) => pool.query('show server_version'))
  process.stdout.write(`${machine()}, PostgreSQL ${rows[0].server_version}, fsync on, entries of ${entryBytes} bytes.\n`)
  process.stdout.write(
    'Appends per second (p50, p99 in ms; appends in a statement). Raw: rows per second (of whole statements; rows in one).\n\n',
  )
  process.stdout.write(
    '| in flight | 1 clinic, 1 writer | 200 clinics, 1 writer | 1 clinic, 2 writers | 200 clinics, 2 writers | raw, 1 writer | raw, 2 writers |\n',
  )
  process.stdout.write('|---|---|---|---|---|---|---|\n')
  for (const inFlight of [1, 128, 1_024]) {
    const cells: string[] = []
    for (const writers of [1, 2]) for (const clinics of [1, 200]) cells.push(await measure('ledger', clinics, inFlight, writers))
    for (const writers of [1, 2]) cells.push(await measure('raw', 1, inFlight, writers))
    process.stdout.write(`| ${inFlight.toLocaleString('en')} | ${cells.join(' | ')} |\n`)
  }
} finally {
  await server.close()
}
