/** A ledger in a real Postgres, fsync on, and a sealer of it with a signer store and a key of its own. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { createPostgresEngine } from '../services/audit/engines/postgres/engine.ts'
import type { LedgerEngine } from '../services/audit/ledger.ts'
import { createDirectorySignerStore } from '../services/audit/log/directory-signer-store.ts'
import { type VerifierKey, verifierKeyOf } from '../services/audit/log/note.ts'
import { createSealer } from '../services/audit/log/sealer.ts'
import { createSignerFiles } from '../services/audit/log/signer/signer-files.ts'
import { systemClock } from '../services/kernel/clock.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { migrate } from '../services/kernel/postgres/migrate.ts'
import { schemaMigrations } from '../services/schema-migrations.ts'
import { startTestServer, type TestDatabase } from '../test/support/postgres-server.ts'
import { waitFor } from '../test/support/wait-for.ts'

export interface SealedLedger {
  readonly database: TestDatabase
  /** The superuser's. */
  readonly admin: pg.Pool
  readonly engine: LedgerEngine
  readonly verifierKey: (origin: string) => VerifierKey
  /** Resolves when checkpoints cover so many entries of all clinics together, which is how many there are. */
  seal(entries: number): Promise<void>
}

/** Everything is gone at the end. */
export const withSealedLedger = async <Result>(work: (ledger: SealedLedger) => Promise<Result>): Promise<Result> => {
  const server = await startTestServer()
  const database = await server.createDatabase()
  const directory = mkdtempSync(path.join(os.tmpdir(), 'chartwarden-signer-'))
  const [admin, writer, feed] = [database.adminUrl, database.writerUrl, database.feedUrl].map(
    (connectionString) => new pg.Pool({ connectionString, max: 10 }),
  ) as [pg.Pool, pg.Pool, pg.Pool]
  for (const pool of [admin, writer, feed]) pool.on('error', () => {})
  const engine = createPostgresEngine({ writer, feed })
  const { privateKey } = generateKeyPairSync('ed25519')
  const verifierKey = (origin: string) => verifierKeyOf(origin, privateKey)
  const key = {
    createdAt: 0,
    verifierKey,
    sign: (text: string, origin: string) => ({
      name: origin,
      keyId: verifierKey(origin).keyId,
      signature: sign(null, Buffer.from(text), privateKey),
    }),
  }
  const sealer = createSealer({
    pool: feed,
    store: createDirectorySignerStore({ files: createSignerFiles(directory, systemRandomness), installation: 'bench' }),
    feed: engine,
    keys: {
      current: async () => [key],
      currentOf: async (clinics) => new Map(clinics.map((clinic) => [clinic, [key]])),
      known: async () => [key],
      prepare: async () => key,
      activate: async () => {},
    },
    base: 'log.example',
    entries: async (clinic) => ((await engine.head(clinic))?.revision ?? -1n) + 1n,
    announceRestart: async () => {},
    onHaltsChanged: () => {},
    clock: systemClock,
    logger: { info: () => {}, warn: console.error, error: console.error } as never,
  })
  try {
    await migrate(admin, schemaMigrations)
    return await work({
      database,
      admin,
      engine,
      verifierKey,
      seal: async (entries) => {
        sealer.start()
        await waitFor('the last checkpoint', async () => {
          const { rows } = await admin.query<{ published: string | null }>(
            'select sum(size) as published from (select max(size) as size from chartwarden_log.checkpoints group by clinic) newest',
          )
          return Number(rows[0]?.published ?? 0) === entries
        })
      },
    })
  } finally {
    await sealer.stop()
    await engine.close()
    await Promise.all([admin, writer, feed].map((pool) => pool.end()))
    await server.close()
    rmSync(directory, { recursive: true, force: true })
  }
}
