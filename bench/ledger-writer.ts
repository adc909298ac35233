/**
 * One writer process of `ledger.ts`: takes a job over IPC, keeps the asked number of appends in flight for the asked time and tells what it
 * measured. Job `ledger` goes through batcher and engine as the service does; job `raw` inserts the same bytes as rows of a plain table.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import pg from 'pg'
import { createBatcher } from '../services/audit/batcher.ts'
import { createPostgresEngine } from '../services/audit/engines/postgres/engine.ts'
import type { Append } from '../services/audit/ledger.ts'
import { systemClock } from '../services/kernel/clock.ts'

export interface Job {
  readonly kind: 'ledger' | 'raw'
  readonly url: string
  readonly clinics: readonly string[]
  readonly inFlight: number
  readonly entryBytes: number
  readonly warmUpMs: number
  readonly measureMs: number
}

export interface Measured {
  readonly appends: number
  readonly seconds: number
  /** Latencies in milliseconds, sorted. */
  readonly latencies: readonly number[]
  /** Appends in a statement, on average. */
  readonly perStatement: number
}

const bytesPool = randomBytes(4 * 1_048_576)
const slice = (length: number): Buffer => {
  const start = Math.floor(Math.random() * (bytesPool.length - length))
  return bytesPool.subarray(start, start + length)
}

/** Runs `call` in `loops` loops; counts what ends after the warm-up. `call` returns how many appends it was. */
const load = async (job: Job, loops: number, call: (loop: number) => Promise<number>): Promise<Omit<Measured, 'perStatement'>> => {
  const begin = performance.now() + job.warmUpMs
  const end = begin + job.measureMs
  const latencies: number[] = []
  let appends = 0
  const loop = async (index: number): Promise<void> => {
    for (let started = performance.now(); started < end; ) {
      const count = await call(index)
      const now = performance.now()
      if (now >= begin && now < end) {
        if (count > 0) latencies.push(now - started)
        appends += count
      }
      started = now
    }
  }
  await Promise.all(Array.from({ length: loops }, (_, index) => loop(index)))
  return { appends, seconds: job.measureMs / 1_000, latencies: latencies.sort((left, right) => left - right) }
}

const runLedger = async (job: Job): Promise<Measured> => {
  const writer = new pg.Pool({ connectionString: job.url, max: 2 })
  const engine = createPostgresEngine({ writer, feed: writer })
  let statements = 0
  let sent = 0
  const batcher = createBatcher({
    engine,
    clock: systemClock,
    onBatch: (stats) => {
      statements += 1
      sent += stats.appends
    },
  })
  const append = async (loop: number): Promise<number> => {
    const clinic = job.clinics[(loop + Math.floor(Math.random() * job.clinics.length)) % job.clinics.length] as string
    const request: Append = {
      clinic,
      restsOn: 0n,
      entries: [
        {
          id: randomUUID(),
          type: 'chartwarden.access.decided.v1',
          stateChanging: false,
          requestDigest: slice(32),
          bytes: slice(job.entryBytes),
        },
      ],
    }
    const outcome = await batcher.append(request)
    // Queued for more than a second, as on a machine that is busy: the service would decide again.
    if (outcome.kind === 'stale') return 0
    if (outcome.kind !== 'stored') throw new Error(`an append was ${outcome.kind}`)
    return 1
  }
  const measured = await load(job, job.inFlight, append)
  await batcher.drain()
  await engine.close()
  await writer.end()
  return { ...measured, perStatement: sent / statements }
}

const runRaw = async (job: Job): Promise<Measured> => {
  const client = new pg.Client({ connectionString: job.url })
  await client.connect()
  const rows = Math.min(job.inFlight, 512)
  const text = `insert into plain (bytes) values ${Array.from({ length: rows }, (_, index) => `($${index + 1})`).join(', ')}`
  const insert = async (): Promise<number> => {
    await client.query({ name: 'raw', text, values: Array.from({ length: rows }, () => slice(job.entryBytes)) })
    return rows
  }
  const measured = await load(job, 1, insert)
  await client.end()
  return { ...measured, perStatement: rows }
}

process.on('message', (job: Job) => {
  const run = job.kind === 'ledger' ? runLedger(job) : runRaw(job)
  run.then(
    (measured) => process.send?.(measured, () => process.disconnect()),
    (thrown: unknown) => {
      process.stderr.write(`${String((thrown as Error).stack)} ${String((thrown as Error).cause ?? '')}\n`)
      process.exit(1)
    },
  )
})
