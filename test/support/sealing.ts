/** A real ledger and log in Postgres with a signer store in a directory, and sealers over them that a test may break. */
import { generateKeyPairSync, sign } from 'node:crypto'
import type { Pool, PoolClient } from 'pg'
import type { Test } from 'tap'
import type { LedgerEngine } from '../../services/audit/ledger.ts'
import { parseCheckpoint } from '../../services/audit/log/checkpoint.ts'
import { createDirectorySignerStore } from '../../services/audit/log/directory-signer-store.ts'
import type { LogKeys } from '../../services/audit/log/log-keys.ts'
import { parseNote, verifierKeyOf, verifyNote } from '../../services/audit/log/note.ts'
import { createSealer, type Sealer, type SealerOptions } from '../../services/audit/log/sealer.ts'
import { createSignerFiles, type SignerFiles } from '../../services/audit/log/signer/signer-files.ts'
import type { SignerStore } from '../../services/audit/log/signer-store.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { migrate } from '../../services/kernel/postgres/migrate.ts'
import { schemaMigrations } from '../../services/schema-migrations.ts'
import { appendOf, decision, openClinic, wholeLedger } from './ledger-entries.ts'
import { naiveLeaf, naiveTree } from './naive-tree.ts'
import { createTestDatabase } from './postgres.ts'
import { openEngine, openPool } from './postgres-engine.ts'
import type { TestDatabase } from './postgres-server.ts'
import { scratchDirectory } from './service.ts'
import { waitFor } from './wait-for.ts'

export const testBase = 'log.example'
export const originOf = (clinic: string): string => `${testBase}/v1/clinics/${clinic}/log`

/** A line of the sealer's log. */
export interface SealerLine {
  readonly event: string
  readonly message: string
  readonly clinic?: string
  readonly cause?: string
}

export interface Sealing {
  readonly database: TestDatabase
  readonly engine: LedgerEngine
  readonly feed: Pool
  readonly superuser: Pool
  readonly files: SignerFiles
  readonly store: SignerStore
  readonly keys: LogKeys
  readonly lines: readonly SealerLine[]
  entries(clinic: string): Promise<bigint>
  sealer(wishes?: Partial<SealerOptions>): Sealer
  /** Adds entries to a clinic's ledger, which is opened where it is missing. */
  write(clinic: string, entries: number): Promise<void>
  /** The same for very many entries, past the ledger's only door. */
  fill(clinic: string, entries: number): Promise<void>
  /** The newest checkpoint. */
  newest(clinic: string): Promise<{ readonly size: bigint; readonly root: string } | undefined>
  /** Waits until a checkpoint covers the clinic's whole ledger. */
  published(clinic: string): Promise<void>
  halted(clinic: string): Promise<string | undefined>
  /** What is wrong with everything the clinic's log has published, against the tree that its ledger makes by the letter; empty: nothing. */
  faults(clinic: string): Promise<readonly string[]>
}

/** One key for every clinic. */
const oneKey = (): LogKeys => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const key = {
    createdAt: 0,
    verifierKey: (origin: string) => verifierKeyOf(origin, privateKey),
    sign: (text: string, origin: string) => ({
      name: origin,
      keyId: verifierKeyOf(origin, privateKey).keyId,
      signature: sign(null, Buffer.from(text), privateKey),
    }),
  }
  return {
    current: async () => [key],
    currentOf: async (clinics) => new Map(clinics.map((clinic) => [clinic, [key]])),
    known: async () => [key],
    prepare: async () => key,
    activate: async () => {},
  }
}

export interface SealingOptions {
  /** A database that has everything already. Defaults to a new one. */
  readonly database?: TestDatabase
  readonly files?: SignerFiles
  readonly keys?: LogKeys
}

export const openSealing = async (test: Test, options: SealingOptions = {}): Promise<Sealing> => {
  const database = options.database ?? (await createTestDatabase(test))
  const superuser = openPool(test, database.adminUrl)
  if (options.database === undefined) await migrate(superuser, schemaMigrations)
  const engine = openEngine(test, database)
  const feed = openPool(test, database.feedUrl, { max: 6 })
  const files = options.files ?? createSignerFiles(scratchDirectory(test, 'signer'), systemRandomness)
  const { rows } = await superuser.query<{ installation: string }>('select installation from chartwarden_log.sealer')
  const store = createDirectorySignerStore({ files, installation: rows[0]?.installation ?? '' })
  const keys = options.keys ?? oneKey()
  const lines: SealerLine[] = []
  const note = (fields: object, message: string) => void lines.push({ ...(fields as { event: string }), message })
  const entries = async (clinic: string): Promise<bigint> => ((await engine.head(clinic))?.revision ?? -1n) + 1n

  const newest: Sealing['newest'] = async (clinic) => {
    const { rows: found } = await superuser.query<{ size: string; root: Buffer }>(
      `select c.size, c.root from chartwarden_log.checkpoints c join chartwarden_log.logs l using (clinic, generation)
       where clinic = $1 order by c.size desc limit 1`,
      [clinic],
    )
    return found[0] && { size: BigInt(found[0].size), root: found[0].root.toString('hex') }
  }

  const faults: Sealing['faults'] = async (clinic) => {
    const leaves = (await wholeLedger(engine, clinic)).map(({ bytes }) => naiveLeaf(bytes))
    const tree = naiveTree({ leaf: (index) => leaves[Number(index)] as Buffer })
    const found: string[] = []
    const { rows: checkpoints } = await superuser.query<{ size: string; root: Buffer; note: string; origin: string }>(
      `select c.size, c.root, c.note, l.origin from chartwarden_log.checkpoints c join chartwarden_log.logs l using (clinic, generation)
       where clinic = $1 order by c.size`,
      [clinic],
    )
    for (const { size, root, note: text, origin } of checkpoints) {
      const [key] = await keys.current(clinic)
      const told = parseCheckpoint(parseNote(text)?.text ?? '')
      if (!root.equals(tree.root(0n, BigInt(size)))) found.push(`root of ${size}`)
      if (told?.origin !== origin || told.size !== BigInt(size) || !told.root.equals(root)) found.push(`note of ${size}`)
      if (key === undefined || verifyNote(text, [key.verifierKey(origin)]).kind !== 'verified') found.push(`signature of ${size}`)
    }
    const { rows: tiles } = await superuser.query<{ level: number; index: string; hashes: Buffer; size: string }>(
      `select s.level, s.strip / 8 as index, string_agg(s.hashes, ''::bytea order by s.strip) as hashes, l.size
       from chartwarden_log.strips s join chartwarden_log.logs l using (clinic, generation)
       where clinic = $1 group by s.level, s.strip / 8, l.size`,
      [clinic],
    )
    const size = BigInt(tiles[0]?.size ?? 0)
    if (size !== BigInt(leaves.length)) found.push(`${size} entries in the tree of ${leaves.length}`)
    for (const { level, index, hashes } of tiles) {
      if (!hashes.equals(tree.tile({ level, index: BigInt(index) }, size).hashes)) found.push(`tile ${level}/${index}`)
    }
    for (let level = 0, count = size; count > 0n; level += 1, count /= 256n) {
      const have = tiles.filter((tile) => tile.level === level).length
      if (BigInt(have) !== (count + 255n) / 256n) found.push(`${have} tiles of level ${level}`)
    }
    return found
  }

  return {
    database,
    engine,
    feed,
    superuser,
    files,
    store,
    keys,
    lines,
    entries,
    newest,
    faults,
    sealer: (wishes = {}) => {
      const sealer = createSealer({
        pool: feed,
        store,
        feed: engine,
        keys,
        base: testBase,
        entries,
        announceRestart: async () => {},
        onHaltsChanged: () => {},
        clock: systemClock,
        logger: { info: note, warn: note, error: note } as unknown as SealerOptions['logger'],
        publishIntervalMs: 20,
        takeoverMs: 20,
        recheckMs: 50,
        ...wishes,
      })
      test.teardown(() => sealer.stop())
      return sealer
    },
    write: async (clinic, count) => {
      if ((await engine.head(clinic)) === undefined) await openClinic(engine, clinic)
      for (let left = count; left > 0; left -= 400) {
        const part = Array.from({ length: Math.min(left, 400) }, () => decision())
        await engine.appendBatch([appendOf(clinic, 'any', part)])
      }
    },
    fill: async (clinic, count) => {
      await openClinic(engine, clinic)
      await superuser.query(
        `with grown as (update chartwarden_ledger.log_head set position = position + $2 returning position - $2 as before),
          headed as (update chartwarden_ledger.heads set revision = $2 where clinic = $1)
         insert into chartwarden_ledger.entries (position, revision, recorded_at, id, log_id, state_changing, clinic, type, request_digest, bytes)
         select before + n, n, extract(epoch from now())::bigint * 1000, gen_random_uuid(), 1, false, $1, 'chartwarden.access.decided.v1',
           sha256('request'), convert_to(repeat(md5(n::text), 20), 'UTF8') from grown, generate_series(1, $2::bigint) n`,
        [clinic, count],
      )
    },
    published: (clinic) =>
      waitFor(`a checkpoint of all of ${clinic}`, async () => (await newest(clinic))?.size === (await entries(clinic))),
    halted: async (clinic) => {
      const { rows: found } = await superuser.query<{ halted: string | null }>(
        'select halted from chartwarden_log.logs where clinic = $1',
        [clinic],
      )
      return found[0]?.halted ?? undefined
    },
  }
}

/** A pool whose connections break for good before their statement number `at` is sent, all of them counted together. */
export const breakingPool = (pool: Pool, at: number): Pool & { readonly broken: () => boolean } => {
  let left = at
  const wrap = (client: PoolClient): PoolClient =>
    new Proxy(client, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown
        if (name !== 'query') return typeof value === 'function' ? value.bind(target) : value
        return (...statement: unknown[]) => {
          left -= 1
          if (left <= 0)
            (target as unknown as { readonly connection: { readonly stream: { destroy(): void } } }).connection.stream.destroy()
          return (value as (...given: unknown[]) => Promise<unknown>).apply(target, statement)
        }
      },
    })
  return Object.assign(Object.create(pool) as Pool, {
    connect: async () => {
      if (left <= 0) throw new Error('killed')
      return wrap(await pool.connect())
    },
    broken: () => left <= 0,
  })
}

/** What a backup holds of one clinic, and the way back to it: rows are put back as they were, by somebody whom no trigger stops. */
export const backupOf = async (superuser: Pool, clinic: string) => {
  const tables = [
    'chartwarden_ledger.entries',
    'chartwarden_ledger.heads',
    'chartwarden_log.logs',
    'chartwarden_log.strips',
    'chartwarden_log.checkpoints',
  ]
  const copyOf = (table: string) => `backup_${clinic.replaceAll('-', '_')}_${table.split('.')[1]}`
  for (const table of tables) await superuser.query(`create table ${copyOf(table)} as select * from ${table} where clinic = '${clinic}'`)
  return async (only: (table: string) => boolean = () => true): Promise<void> => {
    const client = await superuser.connect()
    try {
      await client.query('begin')
      for (const table of tables) await client.query(`alter table ${table} disable trigger all`)
      for (const table of tables.toReversed()) if (only(table)) await client.query(`delete from ${table} where clinic = '${clinic}'`)
      for (const table of tables) if (only(table)) await client.query(`insert into ${table} select * from ${copyOf(table)}`)
      for (const table of tables) await client.query(`alter table ${table} enable trigger all`)
      await client.query('commit')
    } finally {
      client.release()
    }
  }
}
