import pg from 'pg'
import { runClosedLoop } from './closed-loop.ts'
import type { InsertJob, JobResult } from './jobs.ts'

const sampled = 4_096

const withClient = async <Result>(connectionString: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> => {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Entries as the service wrote them: the bytes that the bare table takes. */
const readEntries = (url: string): Promise<readonly Buffer[]> =>
  withClient(url, async (client) => {
    const { rows } = await client.query<{ bytes: Buffer }>(
      `select bytes from chartwarden_ledger.entries where type = 'chartwarden.access.decided.v1' limit ${sampled}`,
    )
    return rows.map(({ bytes }) => bytes)
  })

/** Commits are synced, as everywhere in this server; the table has a key and nothing else. */
export const runInsertJob = async (job: InsertJob): Promise<JobResult> => {
  const entries = await readEntries(job.ledgerUrl)
  if (entries.length === 0) throw new Error('there is no entry yet whose bytes could be inserted')
  return withClient(job.url, async (client) => {
    await client.query('drop table if exists plain')
    await client.query('create table plain (id bigint generated always as identity primary key, bytes bytea not null)')
    const text = `insert into plain (bytes) values ${Array.from({ length: job.rows }, (_, index) => `($${index + 1})`).join(', ')}`
    let next = 0
    let stored = 0
    const measured = await runClosedLoop({ ...job, inFlight: 1 }, async () => {
      const values = Array.from({ length: job.rows }, () => entries[next++ % entries.length])
      await client.query({ name: 'plain', text, values })
      stored += job.rows
      return job.rows
    })
    const { rows } = await client.query<{ count: string }>('select count(*) from plain')
    if (Number(rows[0]?.count) !== stored) throw new Error(`${stored} rows were stored and ${rows[0]?.count} are there`)
    return { ...measured, answers: new Map([['', stored]]) }
  })
}
