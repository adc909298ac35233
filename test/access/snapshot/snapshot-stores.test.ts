/** What every snapshot store does, and what the database itself refuses where the snapshots are kept. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { createMemorySnapshotStore } from '../../../services/access/snapshot/memory-snapshot-store.ts'
import { snapshotMigrations } from '../../../services/access/snapshot/migrations.ts'
import { createPostgresSnapshotStore } from '../../../services/access/snapshot/postgres-snapshot-store.ts'
import type { SnapshotStore, StoredSnapshot } from '../../../services/access/snapshot-store.ts'
import { ledgerMigrations } from '../../../services/audit/engines/postgres/migrations.ts'
import { migrate } from '../../../services/kernel/postgres/migrate.ts'
import { fault } from '../../support/fault.ts'
import { newClinic } from '../../support/ledger-entries.ts'
import { createTestDatabase } from '../../support/postgres.ts'
import { openPool } from '../../support/postgres-engine.ts'

const database = await createTestDatabase(t)
const pools = {
  writer: openPool(t, database.writerUrl),
  feed: openPool(t, database.feedUrl),
  query: openPool(t, database.queryUrl),
  owner: openPool(t, database.migrateUrl),
  superuser: openPool(t, database.adminUrl),
}
t.same(await migrate(pools.owner, [ledgerMigrations, snapshotMigrations]).then((applied) => applied.at(-1)), 'snapshot/0001_state_table')

const snapshotOf = (stateRevision: bigint, content: string, format = 1): StoredSnapshot => ({
  format,
  stateRevision,
  sealed: Buffer.from(content),
})
const plain = (snapshot: StoredSnapshot | undefined) => snapshot && { ...snapshot, sealed: Buffer.from(snapshot.sealed).toString() }

const suite = (name: string, store: SnapshotStore): void => {
  const keeps = async (test: Test, clinic: string, expected: StoredSnapshot) => test.same(plain(await store.read(clinic)), plain(expected))

  t.test(`${name}: what was written is read, by clinic`, async (t) => {
    const [clinic, other] = [newClinic(), newClinic()]
    t.equal(await store.read(clinic), undefined)
    t.equal(await store.write(clinic, snapshotOf(0n, 'one')), true)
    await keeps(t, clinic, snapshotOf(0n, 'one'))
    t.equal(await store.read(other), undefined)
    t.equal(await store.write(other, snapshotOf(2n ** 62n, 'other', 7)), true)
    await keeps(t, other, snapshotOf(2n ** 62n, 'other', 7))
    await keeps(t, clinic, snapshotOf(0n, 'one'))
  })

  t.test(`${name}: a higher revision wins, an equal or lower one does not, whichever comes last`, async (t) => {
    const clinic = newClinic()
    await store.write(clinic, snapshotOf(5n, 'five'))
    t.equal(await store.write(clinic, snapshotOf(4n, 'four')), false)
    t.equal(await store.write(clinic, snapshotOf(5n, 'five again')), false)
    t.equal(await store.write(clinic, snapshotOf(5n, 'five again', 2)), false)
    await keeps(t, clinic, snapshotOf(5n, 'five'))
    t.equal(await store.write(clinic, snapshotOf(6n, 'six', 2)), true)
    await keeps(t, clinic, snapshotOf(6n, 'six', 2))
  })

  t.test(`${name}: one that did not open gives way to any, unless another came meanwhile`, async (t) => {
    const clinic = newClinic()
    await store.write(clinic, snapshotOf(9n, 'bad'))
    t.equal(await store.write(clinic, snapshotOf(5n, 'good'), { format: 1, stateRevision: 8n }), false)
    t.equal(await store.write(clinic, snapshotOf(5n, 'good'), { format: 2, stateRevision: 9n }), false)
    t.equal(await store.write(clinic, snapshotOf(5n, 'good'), { format: 1, stateRevision: 9n }), true)
    await keeps(t, clinic, snapshotOf(5n, 'good'))
    t.equal(await store.write(clinic, snapshotOf(4n, 'late'), { format: 1, stateRevision: 9n }), false)
  })

  t.test(`${name}: of many writers at once the highest revision stays`, async (t) => {
    const clinic = newClinic()
    const revisions = [3n, 17n, 4n, 11n, 16n, 2n, 9n]
    await Promise.all(revisions.map((revision) => store.write(clinic, snapshotOf(revision, `${revision}`))))
    await keeps(t, clinic, snapshotOf(17n, '17'))
  })

  t.test(`${name}: every byte comes back, of megabytes too`, async (t) => {
    const clinic = newClinic()
    const sealed = Uint8Array.from({ length: 3_000_001 }, (_, index) => (index * 7) & 255)
    await store.write(clinic, { format: 1, stateRevision: 1n, sealed })
    t.ok(Buffer.from(sealed).equals((await store.read(clinic))?.sealed as Uint8Array))
  })
}

suite('memory', createMemorySnapshotStore())
suite('Postgres', createPostgresSnapshotStore({ pool: pools.writer }))

const { escapeLiteral } = pg
const states = 'chartwarden_snapshot.states'
const naming = (clinic: string) => `select set_config('chartwarden.clinic', ${escapeLiteral(clinic)}, true)`

/** What a statement did, undone again: rows, how many it changed, or the SQLSTATE of the refusal. */
const attempt = async (
  pool: pg.Pool,
  text: string,
  before: readonly string[] = [],
): Promise<readonly pg.QueryResultRow[] | number | string> => {
  const client = await pool.connect()
  try {
    await client.query('begin')
    for (const statement of before) await client.query(statement)
    const { rows, rowCount, command } = await client.query<pg.QueryResultRow>(text)
    return command === 'SELECT' ? rows : (rowCount ?? 0)
  } catch (thrown) {
    return (thrown as { code: string }).code
  } finally {
    await client.query('rollback')
    client.release()
  }
}

t.before(async () => {
  const store = createPostgresSnapshotStore({ pool: pools.writer })
  for (const clinic of ['north', 'south']) await store.write(clinic, snapshotOf(1n, clinic))
})

const forbidden: readonly string[] = [
  `delete from ${states}`,
  `truncate ${states}`,
  `drop table ${states}`,
  `alter table ${states} disable row level security`,
  `alter table ${states} no force row level security`,
  `drop policy writer_reads on ${states}`,
  `create policy mine on ${states} using (true)`,
  `update ${states} set clinic = 'south'`,
  'create table chartwarden_snapshot.mine (x int)',
  'drop schema chartwarden_snapshot cascade',
  'set role chartwarden_owner',
]

for (const role of ['writer', 'feed', 'query'] as const) {
  t.test(`the ${role} role removes no snapshot, moves none to another clinic and changes no rule`, async (t) => {
    for (const statement of forbidden) t.equal(await attempt(pools[role], statement, [naming('north')]), '42501', statement)
  })
}

t.test('only the writer role reaches snapshots', async (t) => {
  for (const role of ['feed', 'query'] as const) {
    for (const statement of [`select from ${states}`, `select chartwarden_snapshot.read_state('north')`]) {
      t.equal(await attempt(pools[role], statement, [naming('north')]), '42501', statement)
    }
    const store = createPostgresSnapshotStore({ pool: pools[role] })
    await t.rejects(store.read('north'), fault('LEDGER_UNAVAILABLE'))
    await t.rejects(store.write('north', snapshotOf(2n, 'x')), fault('LEDGER_UNAVAILABLE'))
  }
})

t.test('the writer reads and changes the snapshot of the clinic it has named, and none without one', async (t) => {
  const select = `select clinic from ${states}`
  const update = `update ${states} set sealed = 'x'`
  t.same(await attempt(pools.writer, select, [naming('north')]), [{ clinic: 'north' }])
  t.equal(await attempt(pools.writer, update, [naming('north')]), 1)
  for (const name of ['', "north' or true --"]) {
    t.same(await attempt(pools.writer, select, [naming(name)]), [])
    t.equal(await attempt(pools.writer, update, [naming(name)]), 0)
  }
  t.same(await attempt(pools.writer, select), [])
  t.equal(await attempt(pools.writer, update), 0)
  const insert = `insert into ${states} (clinic, format, state_revision, sealed) values ('west', 1, 1, 'x')`
  t.equal(await attempt(pools.writer, insert, [naming('west')]), 1)
  t.equal(await attempt(pools.writer, insert, [naming('north')]), '42501')
  t.equal(await attempt(pools.writer, insert), '42501')
})

t.test('the functions name their clinic for their own transaction alone', async (t) => {
  const client = await pools.writer.connect()
  t.teardown(() => client.release())
  t.equal((await client.query(`select * from chartwarden_snapshot.read_state('north')`)).rows.length, 1)
  t.equal((await client.query(`select from ${states}`)).rowCount, 0)
})

t.test('row security is on and forced; everything belongs to the owner, who sees no snapshot', async (t) => {
  const { rows } = await pools.superuser.query(
    `select c.relname, c.relrowsecurity and c.relforcerowsecurity as forced, c.relowner::regrole::text as owner
    from pg_class c where c.relnamespace = 'chartwarden_snapshot'::regnamespace and c.relkind = 'r'`,
  )
  t.same(rows, [{ relname: 'states', forced: true, owner: 'chartwarden_owner' }])
  t.same(await attempt(pools.owner, `select from ${states}`, ['set local role chartwarden_owner', naming('north')]), [])
  const { rows: functions } = await pools.superuser.query(
    `select p.prosecdef, p.proacl::text as acl from pg_proc p where p.pronamespace = 'chartwarden_snapshot'::regnamespace`,
  )
  const own = { prosecdef: false, acl: '{chartwarden_owner=X/chartwarden_owner,chartwarden_writer=X/chartwarden_owner}' }
  t.same(functions, [own, own])
})

t.test('what the guide tells an owner to do after entries were lost empties the snapshots', async (t) => {
  const guide = await readFile(path.join(import.meta.dirname, '../../../docs/how-to/run-in-production.md'), 'utf8')
  const command = /`(truncate [^`]+)`/.exec(guide)?.[1]
  const store = createPostgresSnapshotStore({ pool: pools.writer })
  const clinic = newClinic()
  await store.write(clinic, snapshotOf(5n, 'of a history that was lost'))
  const client = await pools.owner.connect()
  try {
    await client.query(`set role chartwarden_owner; ${command}; reset role`)
  } finally {
    client.release()
  }
  t.equal(await store.read(clinic), undefined)
})

t.test('a database that does not answer is a fault with a name', async (t) => {
  const pool = new pg.Pool({ connectionString: database.writerUrl })
  await pool.end()
  await t.rejects(createPostgresSnapshotStore({ pool }).read('north'), fault('LEDGER_UNAVAILABLE'))
})
