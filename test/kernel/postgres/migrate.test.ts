import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { ledgerMigrations, migrateLedger } from '../../../services/audit/engines/postgres/migrations.ts'
import { type MigrationSet, migrate, type SetMigration } from '../../../services/kernel/postgres/migrate.ts'
import { fault } from '../../support/fault.ts'
import { createTestDatabase, ownTestServer } from '../../support/postgres.ts'
import { openPool } from '../../support/postgres-engine.ts'

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

t.test('a database newer than the programme is refused', async (t) => {
  const { owner } = await open(t)
  await migrate(owner, [set('a', first, second)])
  await t.rejects(migrate(owner, [set('a', first)]), fault('INTERNAL'))
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
