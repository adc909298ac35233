/**
 * Opening a clinic with a past: from its snapshot and without one, before and after many accesses were recorded. Each opening is the first
 * one of a process of its own, so nothing is warm but the database, or the second, as in a service that runs. Prints a table in Markdown.
 * `node bench/snapshot.ts [accesses, default 500,000] [openings of each kind, default 5] [shares: people, roles and shares alone]`
 */
import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import pg from 'pg'
import { snapshotMigrations } from '../services/access/snapshot/migrations.ts'
import { createBatcher } from '../services/audit/batcher.ts'
import { createPostgresEngine } from '../services/audit/engines/postgres/engine.ts'
import { ledgerMigrations } from '../services/audit/engines/postgres/migrations.ts'
import { sealEnvelope } from '../services/audit/entry.ts'
import { vaultMigrations } from '../services/audit/vault/migrations.ts'
import { systemClock } from '../services/kernel/clock.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { migrate } from '../services/kernel/postgres/migrate.ts'
import { endPool } from '../services/kernel/postgres/pool.ts'
import { startTestServer } from '../test/support/postgres-server.ts'
import { machine } from './machine.ts'
import { size as everything, laterChanges, sharesOnly, storyOfClinic, type Told } from './snapshot-clinic.ts'
import type { Opened, Opening } from './snapshot-opening.ts'

const accesses = Number(process.argv[2] ?? '500000')
const openings = Number(process.argv[3] ?? '5')
const size = process.argv[4] === 'shares' ? sharesOnly : everything
const clinic = 'north'
const perAppend = 250
const changesAfter = 500

const server = await startTestServer({ settings: { shared_buffers: '512MB', max_wal_size: '4GB' } })
const database = await server.createDatabase()
const [owner, writer, superuser] = [database.migrateUrl, database.writerUrl, database.adminUrl].map(
  (connectionString) => new pg.Pool({ connectionString }),
) as [pg.Pool, pg.Pool, pg.Pool]
const masterKey = Buffer.from(systemRandomness.bytes(32)).toString('base64')

const open = (wishes: Omit<Opening, 'writerUrl' | 'masterKey' | 'clinic'>): Promise<Opened> =>
  new Promise((resolve, reject) => {
    const child = fork(path.join(import.meta.dirname, 'snapshot-opening.ts'))
    let opened: Opened | undefined
    child.once('message', (message) => {
      opened = message as Opened
    })
    child.once('error', reject)
    child.once('exit', (code) => (opened ? resolve(opened) : reject(new Error(`an opening ended with ${code}`))))
    child.send({ writerUrl: database.writerUrl, masterKey, clinic, ...wishes } satisfies Opening)
  })

const engine = createPostgresEngine({ writer, feed: writer })
const batcher = createBatcher({ engine, clock: systemClock })
let entries = 0

const append = async (told: Iterable<Told>): Promise<void> => {
  const all = [...told].map(({ type, data }) =>
    sealEnvelope({
      clinic,
      id: randomUUID(),
      type,
      stateChanging: true,
      time: systemClock.wall(),
      provenance: { caller: 'bench' },
      requestDigest: systemRandomness.bytes(32),
      salt: systemRandomness.bytes(16),
      data: data as Parameters<typeof sealEnvelope>[0]['data'],
    }),
  )
  for (let first = 0; first < all.length; first += perAppend) {
    const restsOn = entries === 0 ? -1n : 'any'
    const outcome = await batcher.append({ clinic, entries: all.slice(first, first + perAppend), restsOn })
    if (outcome.kind !== 'stored') throw new Error(`an append was ${outcome.kind}`)
    entries = Number(outcome.revisions.at(-1)) + 1
  }
}

/** By the server itself, past the append function: quick, and the same rows in the same table. */
const recordAccesses = async (count: number): Promise<void> => {
  const client = await superuser.connect()
  try {
    await client.query('begin')
    await client.query(
      `insert into chartwarden_ledger.entries (position, revision, recorded_at, id, log_id, state_changing, clinic, type, request_digest, bytes)
      select h.position + n, c.revision + n, extract(epoch from clock_timestamp()) * 1000, gen_random_uuid(), 1, false, c.clinic,
        'chartwarden.access.decided.v1', sha256(n::text::bytea), convert_to(rpad('{', 620, md5(n::text)), 'UTF8')
      from chartwarden_ledger.log_head h, chartwarden_ledger.heads c, generate_series(1, $2::bigint) n where c.clinic = $1`,
      [clinic, count],
    )
    await client.query('update chartwarden_ledger.log_head set position = position + $1', [count])
    await client.query('update chartwarden_ledger.heads set revision = revision + $2 where clinic = $1', [clinic, count])
    await client.query('commit')
    await client.query('vacuum analyze chartwarden_ledger.entries')
  } finally {
    client.release()
  }
}

const spread = (values: readonly number[]): string => {
  const sorted = values.toSorted((left, right) => left - right)
  const [lowest, middle, highest] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)] as [number, number, number]
  return `${middle.toFixed(0)} (${lowest.toFixed(0)}–${highest.toFixed(0)})`
}

const row = async (name: string, kind: Opening['kind'], again = false): Promise<string> => {
  const opened: Opened[] = []
  for (let count = 0; count < openings; count += 1) opened.push(await open({ kind, again }))
  const column = (of: keyof Opened): string => spread(opened.map((one) => Number(one[of])))
  return `| ${[name, column('totalMs'), column('readMs'), column('openMs'), column('openCpuMs'), column('checkMs'), column('foldMs'), opened[0]?.entriesRead ?? ''].join(' | ')} |`
}

try {
  await migrate(owner, [ledgerMigrations, vaultMigrations, snapshotMigrations])
  await append(storyOfClinic(size))
  const written = await open({ kind: 'write' })
  await append(laterChanges(changesAfter))
  console.log(`${machine()}, PostgreSQL 18, fsync on; \`node bench/snapshot.ts ${process.argv.slice(2).join(' ')}\`.\n`)
  console.log(`${entries} state-changing entries, ${changesAfter} of them after the snapshot: ${JSON.stringify(size)}`)
  console.log(
    `The snapshot: ${(written.sealedBytes / 2 ** 20).toFixed(1)} MiB; copying the state ${written.captureMs.toFixed(1)} ms, writing it out ` +
      `${written.serialiseMs.toFixed(0)} ms in pieces of at most ${written.longestPieceMs.toFixed(1)} ms, sealing ${written.sealMs.toFixed(1)} ms.\n`,
  )
  console.log('Milliseconds, median (lowest–highest).\n')
  console.log(
    '| | all | reading the row | decrypting, checking, restoring | processor time of that | its entry in the ledger | folding what came after | entries read |',
  )
  console.log('|---|---|---|---|---|---|---|---|')
  console.log(await row('from the snapshot', 'snapshot'))
  console.log(await row('from the snapshot, in a process that has opened one before', 'snapshot', true))
  console.log(await row('from the first entry', 'ledger'))
  const started = performance.now()
  await recordAccesses(accesses)
  const seconds = (performance.now() - started) / 1_000
  await append(laterChanges(changesAfter))
  const more = `${accesses.toLocaleString('en')} accesses and ${changesAfter} changes later`
  console.log(await row(`${more}, from the snapshot`, 'snapshot'))
  console.log(await row(`${more}, from the snapshot, in a process that has opened one before`, 'snapshot', true))
  console.log(await row(`${more}, from the first entry`, 'ledger'))
  const { rows } = await superuser.query<{ 'QUERY PLAN': string }>(
    `explain (analyze, buffers, costs off, timing off, summary off) select revision, bytes from chartwarden_ledger.entries
    where clinic = '${clinic}' and state_changing and revision >= ${entries - accesses - 2 * changesAfter} order by revision limit 1000`,
  )
  console.log(`\nThe accesses were inserted in ${seconds.toFixed(0)} s. How the server finds the entries after the snapshot among them:\n`)
  console.log(rows.map((line) => `    ${line['QUERY PLAN']}`).join('\n'))
} finally {
  await batcher.drain()
  await engine.close()
  await Promise.all([owner, writer, superuser].map(endPool))
  await server.close()
}
