/** A database of the first release: its tables stay for its replicas, and the read models are built from the ledger. */
import { pino } from 'pino'
import t from 'tap'
import { createMemoryEngine } from '../../services/audit/engines/memory.ts'
import { createVault } from '../../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../../services/audit/vault/memory-key-store.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { migrate } from '../../services/kernel/postgres/migrate.ts'
import { createPool } from '../../services/kernel/postgres/pool.ts'
import { allProjections } from '../../services/projections/all-projections.ts'
import { projectionMigrations } from '../../services/projections/migrations.ts'
import { createProjectionRunner } from '../../services/projections/runner.ts'
import { createLedgerScript } from '../support/ledger-script.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { createLog } from '../support/projections.ts'
import { waitFor } from '../support/wait-for.ts'

const ofTheFirstRelease = {
  name: projectionMigrations.name,
  migrations: projectionMigrations.migrations.filter(({ name }) => name < '0006'),
}

t.test('the read models of the first release are built anew beside its tables, which stay as they are', async (t) => {
  const database = await createTestDatabase(t)
  const open = (url: string) => {
    const pool = createPool({ url, applicationName: 'test', logger: pino({ level: 'silent' }) })
    t.teardown(() => pool.end())
    return pool
  }
  const [owner, admin, feed] = [open(database.migrateUrl), open(database.adminUrl), open(database.feedUrl)]
  await migrate(owner, [ofTheFirstRelease])
  await admin.query(`
    insert into chartwarden_projections.checkpoints (runner, position, projections) values ('reports', '7', 'identities@1');
    insert into chartwarden_projections.progress (clinic, complete_to_revision) values ('north', 6);
    insert into chartwarden_projections.identities values ('north', 'p', 'patient', '', gen_random_uuid(), 'chartwarden.identity.introduced.v1', null)`)
  const old = async () => {
    const tables = ['checkpoints', 'progress', 'parked_entries', 'identities', 'access_history', 'role_grants', 'offboardings']
    return Promise.all(tables.map(async (table) => (await admin.query(`select * from chartwarden_projections.${table}`)).rows))
  }
  const before = await old()
  await migrate(owner, [projectionMigrations])
  t.same(await migrate(owner, [projectionMigrations]), [], 'migrating again changes nothing')

  const engine = createMemoryEngine({ clock: systemClock })
  const masterKey = createMasterKey(systemRandomness.bytes(32), systemRandomness)
  const vault = createVault({ masterKey, keyStore: createMemoryKeyStore(), randomness: systemRandomness })
  const script = await createLedgerScript(engine, vault, 'north')
  const anna = await script.staff('anna')
  for (let count = 0; count < 5; count += 1) await script.decided('permit', { subject: anna })
  const runner = createProjectionRunner({
    feed: engine,
    pool: feed,
    projections: allProjections,
    logger: createLog().logger,
    takeoverMs: 20,
  })
  t.teardown(() => runner.stop())
  runner.start()
  await waitFor('the read models', async () => {
    const { rows } = await admin.query(`select from chartwarden_projections.generations where state = 'live'`)
    return rows.length === allProjections.length
  })
  const { rows } = await admin.query('select count(*)::integer as accesses from chartwarden_read_access_history_1.access_history')
  t.same(rows, [{ accesses: 5 }])
  t.same(await old(), before, 'the tables of the first release stay for its replicas')
  await runner.stop()
})
