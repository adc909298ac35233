/** What the database itself refuses where the keys are kept, whoever asks. The refusals come from a real server. */
import pg from 'pg'
import t from 'tap'
import { createPostgresKeyStore } from '../../../services/audit/vault/postgres-key-store.ts'
import { createPostgresLogKeyStore } from '../../../services/audit/vault/postgres-log-key-store.ts'
import type { Pseudonym } from '../../../services/audit/vault.ts'
import { openPool } from '../../support/postgres-engine.ts'
import { createVaultDatabase } from '../../support/postgres-vault.ts'

const { escapeLiteral } = pg
const schema = 'chartwarden_vault'
const tables = ['clinic_keys', 'identity_keys', 'log_key_activations', 'log_keys'] as const
const database = await createVaultDatabase(t)
const pools = {
  writer: openPool(t, database.writerUrl),
  feed: openPool(t, database.feedUrl),
  query: openPool(t, database.queryUrl),
  owner: openPool(t, database.migrateUrl),
  superuser: openPool(t, database.adminUrl),
}
const keyStore = createPostgresKeyStore({ pool: pools.writer })
for (const clinic of ['north', 'south']) {
  await keyStore.putClinicKeys(clinic, { pseudonymKey: Buffer.from('p'), digestKey: Buffer.from('d') })
  await keyStore.putIdentityKeys(
    clinic,
    ['a', 'b'].map((name) => ({ pseudonym: `${clinic}-${name}` as Pseudonym, wrapped: Buffer.from(name), commit: name })),
  )
}
const logKeyStore = createPostgresLogKeyStore({ pool: pools.writer })
const logKeyId = '00000000-0000-0000-0000-000000000001'
for (const clinic of ['north', 'south']) {
  await logKeyStore.put(clinic, { id: logKeyId, wrapped: Buffer.from('w'), publicKey: Buffer.alloc(32) })
  await logKeyStore.activate(clinic, logKeyId, { ordinal: -1n })
}
const naming = (clinic: string) => `select set_config('chartwarden.clinic', ${escapeLiteral(clinic)}, true)`

/** What a statement did, undone again: rows, or the SQLSTATE of the refusal. */
const attempt = async (pool: pg.Pool, text: string, before: readonly string[] = []): Promise<readonly pg.QueryResultRow[] | string> => {
  const client = await pool.connect()
  try {
    await client.query('begin')
    for (const statement of before) await client.query(statement)
    return (await client.query<pg.QueryResultRow>(text)).rows
  } catch (thrown) {
    return (thrown as { code: string }).code
  } finally {
    await client.query('rollback')
    client.release()
  }
}

const forbidden: readonly string[] = [
  ...tables.flatMap((table) => [
    `delete from ${schema}.${table}`,
    `truncate ${schema}.${table}`,
    `select from ${schema}.${table} for update`,
    `drop table ${schema}.${table}`,
    `alter table ${schema}.${table} disable row level security`,
    `alter table ${schema}.${table} no force row level security`,
    `drop policy writer_reads on ${schema}.${table}`,
    `create policy mine on ${schema}.${table} using (true)`,
  ]),
  `update ${schema}.clinic_keys set pseudonym_key = 'x'`,
  `update ${schema}.identity_keys set wrapped_key = null, destroyed_at = now()`,
  `insert into ${schema}.identity_keys values ('north', 'north-a', 'x', 'x') on conflict (clinic, pseudonym) do update set wrapped_key = 'x'`,
  `merge into ${schema}.identity_keys k using (select 1) s on k.clinic = 'north' when matched then delete`,
  `update ${schema}.log_keys set public_key = wrapped_key`,
  `update ${schema}.log_key_activations set retire_others_at = null`,
  `create or replace function ${schema}.clinic_keys(of_clinic text) returns setof ${schema}.clinic_keys language sql as 'select 1'`,
  `create table ${schema}.mine (x int)`,
  `drop schema ${schema} cascade`,
  `set role chartwarden_owner`,
]

for (const role of ['writer', 'feed', 'query'] as const) {
  t.test(`the ${role} role changes no key`, async (t) => {
    for (const statement of forbidden) t.equal(await attempt(pools[role], statement, [naming('north')]), '42501', statement)
  })
}

t.test('only the writer role reaches the keys', async (t) => {
  for (const role of ['feed', 'query'] as const) {
    for (const table of tables) t.equal(await attempt(pools[role], `select from ${schema}.${table}`, [naming('north')]), '42501')
    t.equal(await attempt(pools[role], `select * from ${schema}.identity_keys('north', '{north-a}')`), '42501')
    t.equal(await attempt(pools[role], `select * from ${schema}.log_keys('north')`), '42501')
  }
})

t.test('the writer reads the keys of the clinic it has named, and none without one', async (t) => {
  for (const table of tables) {
    const seen = async (before: readonly string[]) => {
      const rows = await attempt(pools.writer, `select distinct clinic from ${schema}.${table}`, before)
      return Array.isArray(rows) ? rows.map(({ clinic }) => clinic) : rows
    }
    t.same(await seen([naming('north')]), ['north'], table)
    t.same(await seen([naming('south')]), ['south'], table)
    t.same(await seen([]), [], `${table}, none named`)
    t.same(await seen([naming('')]), [], `${table}, an empty name`)
    t.same(await seen([naming("north' or true --")]), [], `${table}, a cunning name`)
  }
})

t.test('the writer adds keys only to the clinic it has named', async (t) => {
  const inserting = (clinic: string) => [
    `insert into ${schema}.clinic_keys values ('${clinic}', 'p', 'd') on conflict do nothing`,
    `insert into ${schema}.identity_keys (clinic, pseudonym, wrapped_key, commitment) values ('${clinic}', 'new', 'x', 'x')`,
    `insert into ${schema}.log_keys (clinic, id, wrapped_key, public_key) values ('${clinic}', gen_random_uuid(), 'x', decode(repeat('00', 32), 'hex'))`,
    `insert into ${schema}.log_key_activations (clinic, id, ordinal) values ('${clinic}', '${logKeyId}', 7) on conflict do nothing`,
  ]
  for (const statement of inserting('north')) {
    t.same(await attempt(pools.writer, statement, [naming('north')]), [], statement)
    t.equal(await attempt(pools.writer, statement, [naming('south')]), '42501', statement)
    t.equal(await attempt(pools.writer, statement), '42501', `none named: ${statement}`)
  }
})

t.test('a key is never added as destroyed to a clinic that has its own keys: that would bar an identity for ever', async (t) => {
  const statement = `insert into ${schema}.identity_keys (clinic, pseudonym, commitment, destroyed_at) values ('north', 'new', 'x', now())`
  t.equal(await attempt(pools.writer, statement, [naming('north')]), '42501')
})

t.test('the functions name their clinic for their own transaction alone', async (t) => {
  const client = await pools.writer.connect()
  t.teardown(() => client.release())
  t.equal((await client.query(`select * from ${schema}.identity_keys('north', '{north-a,south-a}')`)).rows.length, 1)
  t.equal((await client.query(`select from ${schema}.identity_keys`)).rowCount, 0)
})

t.test('a clinic is asked for its own keys only, whatever pseudonym is named', async (t) => {
  const found = await keyStore.identityKeys('north', ['north-a', 'south-a'] as Pseudonym[])
  t.same([...found.keys()], ['north-a'])
})

t.test('row security is on and forced, and everything belongs to the owner, who has no login', async (t) => {
  const { rows } = await pools.superuser.query(
    `select c.relname, c.relrowsecurity and c.relforcerowsecurity as forced, c.relowner::regrole::text as owner
    from pg_class c where c.relnamespace = '${schema}'::regnamespace and c.relkind = 'r' order by 1`,
  )
  t.same(
    rows,
    tables.map((relname) => ({ relname, forced: true, owner: 'chartwarden_owner' })),
  )
  const { rows: functions } = await pools.superuser.query(
    `select p.prosecdef, p.proowner::regrole::text as owner, p.proacl::text as acl from pg_proc p where p.pronamespace = '${schema}'::regnamespace`,
  )
  t.equal(functions.length, 10)
  for (const { prosecdef, owner, acl } of functions) {
    t.equal(prosecdef, false, 'they run as whoever calls')
    t.equal(owner, 'chartwarden_owner')
    t.same(acl, '{chartwarden_owner=X/chartwarden_owner,chartwarden_writer=X/chartwarden_owner}')
  }
  const { rows: schemas } = await pools.superuser.query(
    `select nspowner::regrole::text as owner from pg_namespace where nspname = '${schema}'`,
  )
  t.same(schemas, [{ owner: 'chartwarden_owner' }])
})

t.test('the owner can destroy a key, and neither put another in its place nor remove the row', async (t) => {
  const destroy = `update ${schema}.identity_keys set wrapped_key = null, destroyed_at = now()
    where clinic = 'north' and pseudonym = 'north-a' returning pseudonym`
  t.same(await attempt(pools.owner, destroy), [{ pseudonym: 'north-a' }])
  t.equal(await attempt(pools.owner, `update ${schema}.identity_keys set wrapped_key = 'x' where pseudonym = 'north-a'`), '42501')
  for (const table of tables) t.same(await attempt(pools.owner, `delete from ${schema}.${table} returning clinic`), [], 'no row is seen')
  t.same(await attempt(pools.owner, `select from ${schema}.clinic_keys`), [])
})
