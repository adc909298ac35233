/**
 * Entries a second into the log of a ledger that nobody sealed before: leaf hashes, tiles, and signed checkpoints twice a second on the way,
 * until one covers everything. Real Postgres and signer store, fsync on. `node bench/log-catch-up.ts [entries, default 400000]`
 */
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { createPostgresEngine } from '../services/audit/engines/postgres/engine.ts'
import { createDirectorySignerStore } from '../services/audit/log/directory-signer-store.ts'
import { verifierKeyOf } from '../services/audit/log/note.ts'
import { createSealer } from '../services/audit/log/sealer.ts'
import { createSignerFiles } from '../services/audit/log/signer/signer-files.ts'
import { systemClock } from '../services/kernel/clock.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { migrate } from '../services/kernel/postgres/migrate.ts'
import { schemaMigrations } from '../services/schema-migrations.ts'
import { startTestServer } from '../test/support/postgres-server.ts'
import { waitFor } from '../test/support/wait-for.ts'
import { machine } from './machine.ts'

export interface CatchUp {
  readonly entries: number
  readonly clinics: number
  readonly bytesPerEntry: number
  readonly entriesPerSecond: number
}

const clinics = 20
const bytesPerEntry = 640

/** Entries of the usual length, in turn of every clinic, straight into the tables. */
const fill = `
  with grown as (update chartwarden_ledger.log_head set position = $1),
    headed as (insert into chartwarden_ledger.heads select 'clinic-' || c, $1 / ${clinics} - 1, -1 from generate_series(0, ${clinics - 1}) c)
  insert into chartwarden_ledger.entries (position, revision, recorded_at, id, log_id, state_changing, clinic, type, request_digest, bytes)
  select n + 1, n / ${clinics}, extract(epoch from now())::bigint * 1000, gen_random_uuid(), 1, false, 'clinic-' || n % ${clinics},
    'chartwarden.access.decided.v1', sha256('request'), convert_to(repeat(md5(n::text), ${bytesPerEntry / 32}), 'UTF8')
  from generate_series(0, $1::bigint - 1) n`

export const runCatchUp = async (entries = 400_000): Promise<CatchUp> => {
  const server = await startTestServer()
  const database = await server.createDatabase()
  const directory = mkdtempSync(path.join(os.tmpdir(), 'chartwarden-signer-'))
  const [admin, writer, feed] = [database.adminUrl, database.writerUrl, database.feedUrl].map(
    (connectionString) => new pg.Pool({ connectionString, max: 10 }),
  ) as [pg.Pool, pg.Pool, pg.Pool]
  for (const pool of [admin, writer, feed]) pool.on('error', () => {})
  const engine = createPostgresEngine({ writer, feed })
  const { privateKey } = generateKeyPairSync('ed25519')
  const nameless = (origin: string) => verifierKeyOf(origin, privateKey)
  const key = {
    createdAt: 0,
    verifierKey: nameless,
    sign: (text: string, origin: string) => ({
      name: origin,
      keyId: nameless(origin).keyId,
      signature: sign(null, Buffer.from(text), privateKey),
    }),
  }
  const sealer = createSealer({
    pool: feed,
    store: createDirectorySignerStore({ files: createSignerFiles(directory, systemRandomness), installation: 'bench' }),
    feed: engine,
    keys: { current: async () => [key], known: async () => [key], prepare: async () => key, activate: async () => {} },
    base: 'log.example',
    entries: async (clinic) => ((await engine.head(clinic))?.revision ?? -1n) + 1n,
    announceRestart: async () => {},
    onHaltsChanged: () => {},
    clock: systemClock,
    logger: { info: () => {}, warn: console.error, error: console.error } as never,
  })
  try {
    await migrate(admin, schemaMigrations)
    await admin.query(fill, [entries])
    await admin.query('vacuum analyze chartwarden_ledger.entries')
    const started = performance.now()
    sealer.start()
    await waitFor('the last checkpoint', async () => {
      const { rows } = await admin.query<{ published: string | null }>(
        'select sum(size) as published from (select max(size) as size from chartwarden_log.checkpoints group by clinic) newest',
      )
      return Number(rows[0]?.published ?? 0) === entries
    })
    const seconds = (performance.now() - started) / 1_000
    return { entries, clinics, bytesPerEntry, entriesPerSecond: entries / seconds }
  } finally {
    await sealer.stop()
    await engine.close()
    await Promise.all([admin, writer, feed].map((pool) => pool.end()))
    await server.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  console.info(machine())
  console.info(await runCatchUp(Number(process.argv[2] ?? 400_000)))
  process.exit(0)
}
