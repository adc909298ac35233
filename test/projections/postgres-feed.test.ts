/** The runner on a real ledger in Postgres, through a kill of the database. */
import { pino } from 'pino'
import t from 'tap'
import { createPostgresEngine } from '../../services/audit/engines/postgres/engine.ts'
import { ledgerMigrations } from '../../services/audit/engines/postgres/migrations.ts'
import type { LedgerEngine, StoredEntry } from '../../services/audit/ledger.ts'
import { createVault } from '../../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../../services/audit/vault/memory-key-store.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { migrate } from '../../services/kernel/postgres/migrate.ts'
import { createPool } from '../../services/kernel/postgres/pool.ts'
import { allProjections } from '../../services/projections/all-projections.ts'
import { projectionMigrations } from '../../services/projections/migrations.ts'
import { createProjectionRunner } from '../../services/projections/runner.ts'
import { createLedgerScript } from '../support/ledger-script.ts'
import { createTestDatabase, ownTestServer } from '../support/postgres.ts'
import { createLog } from '../support/projections.ts'
import { waitFor } from '../support/wait-for.ts'

t.test('after kill -9 of the database every entry is in the read models exactly once', async (t) => {
  const server = await ownTestServer(t)
  const database = await createTestDatabase(t, { server })
  const open = (url: string) => {
    const pool = createPool({ url, applicationName: 'test', logger: pino({ level: 'silent' }) })
    t.teardown(() => pool.end())
    return pool
  }
  await migrate(open(database.migrateUrl), [ledgerMigrations, projectionMigrations])
  const [admin, feed, writer] = [open(database.adminUrl), open(database.feedUrl), open(database.writerUrl)]
  const engine = createPostgresEngine({ writer, feed, pollMs: 20, pageEntries: 7 })
  t.teardown(() => engine.close())
  // The same append again until it is answered, as the batcher's callers do: what was stored before the kill is then a duplicate.
  const patient: LedgerEngine = {
    ...engine,
    appendBatch: async (appends) => {
      for (;;) {
        try {
          const outcomes = await engine.appendBatch(appends)
          return outcomes.map((outcome) =>
            outcome.kind === 'duplicate'
              ? { ...outcome, kind: 'stored', revisions: outcome.originals.map((entry) => entry.revision) }
              : outcome,
          )
        } catch {
          await waitFor('the database', async () => (await admin.query('select 1').catch(() => undefined)) !== undefined)
        }
      }
    },
  }
  const vault = createVault({
    masterKey: createMasterKey(systemRandomness.bytes(32), systemRandomness),
    keyStore: createMemoryKeyStore(),
    randomness: systemRandomness,
  })
  const log = createLog()
  const runner = createProjectionRunner({
    feed: engine,
    pool: feed,
    projections: allProjections,
    logger: log.logger,
    takeoverMs: 20,
    firstRetryMs: 10,
    longestRetryMs: 100,
  })
  t.teardown(() => runner.stop())
  runner.start()

  const scripts = await Promise.all(['north', 'south'].map((clinic) => createLedgerScript(patient, vault, clinic)))
  const write = async () => {
    await Promise.all(
      scripts.map(async (script) => {
        const anna = await script.staff('anna')
        for (let count = 0; count < 60; count += 1) await script.decided(count % 5 === 0 ? 'deny' : 'permit', { subject: anna })
      }),
    )
  }
  await write()
  const writing = write()
  await server.kill()
  await server.start()
  await writing
  t.ok(
    log.lines.some(({ event }) => event === 'projections_retrying'),
    'the runner noticed',
  )

  const written: StoredEntry[] = []
  for (const script of scripts) for await (const entry of engine.read(script.clinic, 0n, script.head())) written.push(entry)
  const decided = written.filter(({ type }) => type === 'chartwarden.access.decided.v1').map(({ id }) => id)
  const projected = async (): Promise<string[]> => {
    const { rows } = await admin.query<{ entry_id: string }>(
      'select entry_id from chartwarden_read_access_history_1.access_history order by clinic, revision',
    )
    return rows.map((row) => row.entry_id)
  }
  await waitFor('the read models', async () => (await projected()).length >= decided.length)
  t.same(await projected(), decided)
  t.equal(decided.length, 240)
  const { rows } = await admin.query('select clinic, complete_to_revision from chartwarden_projections.clinic_progress order by clinic')
  t.same(
    rows,
    scripts.map((script) => ({ clinic: script.clinic, complete_to_revision: String(script.head()) })),
  )
})
