import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { ledgerMigrations, migrateLedger } from '../../../services/audit/engines/postgres/migrations.ts'
import { type MigrationSet, migrate, type SetMigration } from '../../../services/kernel/postgres/migrate.ts'
import { checkSchema } from '../../../services/kernel/postgres/schema-version.ts'
import { createTestDatabase, ownTestServer } from '../../support/postgres.ts'
import { openPool } from '../../support/postgres-engine.ts'
import { waitFor } from '../../support/wait-for.ts'

const step = (name: string, statement: string): SetMigration => ({
  name,
  up: async (db) => {
    await sql.raw(statement).execute(db)
  },
})

const first = step('0001_first', 'create table public.first (x int)')
const second = step('0002_second', 'create table public.second (x int)')
const set = (name: string, ...migrations: SetMigration[]): MigrationSet => ({ name, migrations })

const open = async (t: Test) => {
  const database = await createTestDatabase(t)
  return { owner: openPool(t, database.migrateUrl), superuser: openPool(t, database.adminUrl), database }
}

t.test('what is missing is applied, in order, once', async (t) => {
  const { owner } = await open(t)
  t.same(await migrate(owner, [set('a', first)]), ['a/0001_first'])
  t.same(await migrate(owner, [set('a', first)]), [])
  t.same(await migrate(owner, [set('a', first, second)]), ['a/0002_second'])
})

t.test('sets know nothing of each other', async (t) => {
  const { owner } = await open(t)
  await migrate(owner, [set('a', first)])
  t.same(await migrate(owner, [set('b', step('0001_first', 'create table public.third (x int)')), set('a', first)]), ['b/0001_first'])
  const { rows } = await owner.query(
    `select table_name from information_schema.tables where table_schema = 'chartwarden_migrations' order by 1`,
  )
  t.same(
    rows.map((row) => row.table_name),
    ['a', 'a_lock', 'b', 'b_lock'],
  )
})

t.test('a set is all or nothing, and the cause names the migration', async (t) => {
  const { owner } = await open(t)
  const thrown = await migrate(owner, [set('a', first, step('0002_bad', 'create tabel nonsense'))]).catch((caught: unknown) => caught)
  t.match(thrown, { reason: 'INTERNAL' })
  t.match(String((thrown as Error).cause), 'migrating "a" failed at 0002_bad')
  t.same(await migrate(owner, [set('a', first)]), ['a/0001_first'], 'and the lock is free again')
})

t.test('what a later release has added stays, and an earlier one goes on', async (t) => {
  const { owner, database } = await open(t)
  await migrate(owner, [set('a', first, second)])
  t.same(await migrate(owner, [set('a', first)]), [], 'an old replica that starts again')
  t.same(await checkSchema(openPool(t, database.writerUrl), [set('a', first)]), ['a/0002_second'], 'and one without the login of the owner')
  t.same(await migrate(owner, [set('a', first, second, step('0003_third', 'create table public.third (x int)'))]), ['a/0003_third'])
})

t.test('a step that took away what the earlier release uses keeps that release from starting', async (t) => {
  const { owner, database } = await open(t)
  await migrate(owner, [set('a', first, step('0002_contract_first', 'drop table public.first'))])
  const refusal = { name: 'StartError', message: /later release in a way this one cannot work with \(a\/0002_contract_first\)/ }
  await t.rejects(migrate(owner, [set('a', first)]), refusal)
  await t.rejects(checkSchema(openPool(t, database.writerUrl), [set('a', first)]), refusal)
})

t.test('a service that may not migrate says what its schema lacks', async (t) => {
  const { owner, database } = await open(t)
  const writer = openPool(t, database.writerUrl)
  await t.rejects(checkSchema(writer, [set('a', first)]), { message: /lacks a\/0001_first.*run "chartwarden database migrate" first/ })
  await migrate(owner, [set('a', first)])
  t.same(await checkSchema(writer, [set('a', first)]), [])
  await t.rejects(checkSchema(writer, [set('a', first, second)]), { message: /lacks a\/0002_second/ })
})

t.test('a migration does not queue behind a table in use: it gives up waiting and tries again', async (t) => {
  const { owner, superuser } = await open(t)
  await migrate(owner, [set('a', first)])
  const reader = await superuser.connect()
  await reader.query('begin; select * from public.first')
  const migrated = migrate(owner, [set('a', first, step('0002_wider', 'alter table public.first add column y int'))])
  const waits = async (): Promise<boolean> =>
    (await superuser.query(`select from pg_stat_activity where wait_event_type = 'Lock' and query like 'alter table%'`)).rowCount === 1
  await waitFor('the migration to wait', waits)
  await waitFor('the migration to give up', async () => !(await waits()))
  // Nobody waits behind the lock meanwhile.
  await superuser.query('select * from public.first')
  await reader.query('commit')
  reader.release()
  t.same(await migrated, ['a/0002_wider'])
})

t.test('several processes at once apply each migration once', async (t) => {
  const { database } = await open(t)
  const pools = Array.from({ length: 4 }, () => openPool(t, database.migrateUrl, { max: 1 }))
  const applied = await Promise.all(pools.map((pool) => migrate(pool, [ledgerMigrations, set('a', first, second)])))
  t.equal(applied.flat().length, ledgerMigrations.migrations.length + 2)
  t.equal(applied.filter((names) => names.length > 0).length, 1)
})

t.test('the ledger is migrated by its owner and by a superuser alike, with databases of one server at the same time', async (t) => {
  const databases = [await open(t), await open(t), await open(t)]
  const applied = await Promise.all(databases.map(({ owner, superuser }, index) => migrateLedger(index === 0 ? owner : superuser)))
  for (const names of applied) t.equal(names.length, ledgerMigrations.migrations.length)
  for (const { superuser } of databases) {
    const { rows } = await superuser.query(
      `select distinct relowner::regrole::text as owner from pg_class where relnamespace = 'chartwarden_ledger'::regnamespace`,
    )
    t.same(rows, [{ owner: 'chartwarden_owner' }])
  }
})

t.test('a user who is no superuser but may create roles migrates a server that has none of them', async (t) => {
  const server = await ownTestServer(t)
  const database = await server.createDatabase()
  const superuser = openPool(t, database.adminUrl)
  const { rows: roles } = await superuser.query<{ name: string }>(
    `select rolname as name from pg_roles where rolname like 'chartwarden%' and not rolsuper`,
  )
  await superuser.query(`create role plain login createrole password 'x'`)
  await superuser.query(`alter database ${database.name} owner to plain`)
  for (const { name } of roles) await superuser.query(`drop owned by ${name}`)
  await superuser.query(`drop role ${roles.map(({ name }) => name).join(', ')}`)
  const url = new URL(database.adminUrl)
  url.username = 'plain'
  url.password = 'x'
  const plain = openPool(t, url.href)
  t.equal((await migrateLedger(plain)).length, ledgerMigrations.migrations.length)
  t.same(await migrateLedger(plain), [])
})
