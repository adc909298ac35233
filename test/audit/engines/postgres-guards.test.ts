/** What the database itself refuses, whoever asks: roles, triggers, row security. The refusals come from a real server. */
import type pg from 'pg'
import t from 'tap'
import { partitions } from '../../../services/audit/engines/postgres/migrations/0002-tables.ts'
import { systemLedger } from '../../../services/audit/ledger.ts'
import { appendOf, change, decision, newClinic, openClinic } from '../../support/ledger-entries.ts'
import { createLedgerDatabase, openEngine, openPool } from '../../support/postgres-engine.ts'

const schema = 'chartwarden_ledger'
const database = await createLedgerDatabase(t)
const pools = {
  writer: openPool(t, database.writerUrl),
  feed: openPool(t, database.feedUrl),
  query: openPool(t, database.queryUrl),
  owner: openPool(t, database.migrateUrl),
  superuser: openPool(t, database.adminUrl),
}
const engine = openEngine(t, database)
const [left, right] = [await openClinic(engine), await openClinic(engine)]
await engine.appendBatch([appendOf(left, 0n, [decision(), decision()]), appendOf(right, 0n, [decision()])])

/** SQLSTATE of the refusal; undefined if the statement was carried out, which is undone. */
const refusal = async (pool: pg.Pool, text: string, before: readonly string[] = []): Promise<string | undefined> => {
  const client = await pool.connect()
  try {
    await client.query('begin')
    for (const statement of before) await client.query(statement)
    await client.query(text)
    return undefined
  } catch (thrown) {
    return (thrown as { code: string }).code
  } finally {
    await client.query('rollback')
    client.release()
  }
}

const anyPartition = `${schema}.${partitions[3]}`
const insertion = (table: string) =>
  `insert into ${table} (position, revision, recorded_at, id, log_id, state_changing, clinic, type, request_digest, bytes)
  values (1000, 1000, 0, gen_random_uuid(), 1, false, '${left}', 'x', sha256('x'), 'x')`

const forbidden: readonly string[] = [
  ...['entries', 'heads', 'log_head', ...partitions].flatMap((table) => [`delete from ${schema}.${table}`, `truncate ${schema}.${table}`]),
  `update ${schema}.entries set bytes = 'x'`,
  `update ${schema}.entries set bytes = 'x' where clinic = '${left}' and revision = 0`,
  `update ${anyPartition} set bytes = 'x'`,
  `update ${schema}.heads set revision = 0`,
  `update ${schema}.log_head set position = 0`,
  insertion(`${schema}.entries`),
  insertion(anyPartition),
  `insert into ${schema}.heads values ('intruder', 5, 5)`,
  `insert into ${schema}.log_head values (2, 0)`,
  `merge into ${schema}.entries e using (select 1) s on e.clinic = '${left}' when matched then delete`,
  `select bytes from ${anyPartition}`,
  `select from ${schema}.log_head for update`,
  `select from ${schema}.entries for update`,
  `copy ${schema}.entries from stdin`,
  `drop table ${schema}.entries`,
  `drop schema ${schema} cascade`,
  `alter table ${schema}.entries disable trigger all`,
  `alter table ${schema}.entries disable row level security`,
  `alter table ${schema}.entries no force row level security`,
  `drop trigger refuse_change on ${schema}.entries`,
  `drop policy query_reads on ${schema}.entries`,
  `create policy mine on ${schema}.entries using (true)`,
  `create table ${schema}.mine (x int)`,
  `create table public.mine (x int)`,
  `create temporary table entries (x int)`,
  `create or replace function ${schema}.refuse_change() returns trigger language plpgsql as 'begin return old; end'`,
  `alter function ${schema}.refuse_change() owner to current_user`,
  `set role chartwarden_owner`,
  `set role chartwarden_append`,
  `set session_replication_role = replica`,
]

for (const role of ['writer', 'feed', 'query'] as const) {
  t.test(`the ${role} role changes nothing`, async (t) => {
    for (const statement of forbidden) t.equal(await refusal(pools[role], statement), '42501', statement)
  })
}

t.test('only the writer role may append', async (t) => {
  const call = `select * from ${schema}.append('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{0}', '', '', 0)`
  t.equal(await refusal(pools.writer, call), undefined)
  t.equal(await refusal(pools.feed, call), '42501')
  t.equal(await refusal(pools.query, call), '42501')
})

t.test('a superuser is refused as well, and in replica mode too, where ordinary triggers sleep', async (t) => {
  const changes = [
    `update ${schema}.entries set bytes = 'x'`,
    `delete from ${schema}.entries`,
    `delete from ${schema}.entries where clinic = '${left}' and revision = 1`,
    `truncate ${schema}.entries`,
    `truncate ${schema}.heads`,
    `truncate ${schema}.log_head`,
    `delete from ${schema}.heads`,
    `delete from ${schema}.log_head`,
  ]
  for (const statement of changes) {
    t.equal(await refusal(pools.superuser, statement), '42501', statement)
    t.equal(await refusal(pools.superuser, statement, ['set local session_replication_role = replica']), '42501', `replica: ${statement}`)
  }
})

t.test('a partition is guarded like the whole, each of them', async (t) => {
  const filled = new Set<string>()
  while (filled.size < partitions.length) {
    const clinic = await openClinic(engine)
    const { rows } = await pools.superuser.query(`select tableoid::regclass::text as name from ${schema}.entries where clinic = $1`, [
      clinic,
    ])
    filled.add(rows[0].name)
  }
  for (const name of filled) {
    for (const statement of [`update ${name} set bytes = 'x'`, `delete from ${name}`, `truncate ${name}`]) {
      t.equal(await refusal(pools.superuser, statement), '42501', statement)
      t.equal(await refusal(pools.superuser, statement, ['set local session_replication_role = replica']), '42501', `replica: ${statement}`)
    }
  }
})

t.test('row security is on and forced for the table, its heads and every partition, and every guard fires always', async (t) => {
  const { rows: tables } = await pools.superuser.query(
    `select c.relname, c.relrowsecurity and c.relforcerowsecurity as forced,
      array(select g.tgname::text from pg_trigger g where g.tgrelid = c.oid and g.tgenabled = 'A' and not g.tgisinternal order by 1) as guards
    from pg_class c where c.relnamespace = '${schema}'::regnamespace and c.relkind in ('r', 'p') order by 1`,
  )
  t.equal(tables.length, partitions.length + 3)
  for (const table of tables) {
    t.equal(table.forced, table.relname !== 'log_head', table.relname)
    t.same(table.guards, ['refuse_change', 'refuse_truncate'], table.relname)
  }
  const { rows: sleeping } = await pools.superuser.query(
    `select g.tgname from pg_trigger g join pg_class c on c.oid = g.tgrelid where c.relnamespace = '${schema}'::regnamespace and g.tgenabled <> 'A'`,
  )
  t.same(sleeping, [])
})

t.test('the refusal names table and operation', async (t) => {
  await t.rejects(pools.superuser.query(`delete from ${schema}.entries`), /DELETE on chartwarden_ledger\.entries_\d\d is refused/)
})

const seenBy = async (setting: string | undefined, from = `${schema}.entries`): Promise<readonly string[]> => {
  const client = await pools.query.connect()
  try {
    await client.query('begin')
    if (setting !== undefined) await client.query(`select set_config('chartwarden.clinic', $1, true)`, [setting])
    const { rows } = await client.query(`select distinct clinic from ${from}`)
    return rows.map((row: { clinic: string }) => row.clinic)
  } finally {
    await client.query('rollback')
    client.release()
  }
}

t.test('the query role sees the clinic it has named, and nothing without one', async (t) => {
  for (const table of [`${schema}.entries`, `${schema}.heads`]) {
    t.same(await seenBy(left, table), [left])
    t.same(await seenBy(right, table), [right])
    t.same(await seenBy(undefined, table), [])
    t.same(await seenBy('', table), [])
    t.same(await seenBy('no-such-clinic', table), [])
    t.same(await seenBy(`${left}' or true --`, table), [])
    t.same(await seenBy('%', table), [])
  }
  t.same(await seenBy(undefined), [], 'and the setting ended with its transaction')
})

t.test('a function in a condition cannot look at rows of another clinic', async (t) => {
  const client = await pools.query.connect()
  t.teardown(() => client.release(true))
  await client.query(`select set_config('chartwarden.clinic', $1, false)`, [left])
  const { rows } = await client.query(
    `select count(*)::int as others from ${schema}.entries where clinic <> $1 and octet_length(bytes) / 1 > 0`,
    [left],
  )
  t.equal(rows[0].others, 0)
})

t.test('row security binds the owner, who has no policy', async (t) => {
  const { rows } = await pools.owner.query(`select count(*)::int as entries from ${schema}.entries`)
  t.equal(rows[0].entries, 0)
})

t.test('the writer and the feed read every clinic', async (t) => {
  for (const pool of [pools.writer, pools.feed]) {
    const { rows } = await pool.query(`select distinct clinic from ${schema}.entries where clinic = any ($1)`, [[left, right]])
    t.equal(rows.length, 2)
  }
})

t.test('the append functions run as a role of its own, with a search path of its own, and one of them for the writer alone', async (t) => {
  const { rows } = await pools.superuser.query(
    `select p.proname, p.prosecdef, p.proowner::regrole::text as owner, p.proconfig, p.proacl::text as acl, r.rolcanlogin
    from pg_proc p join pg_roles r on r.oid = p.proowner where p.pronamespace = '${schema}'::regnamespace order by 1`,
  )
  t.match(rows, [
    { proname: 'append', prosecdef: true, owner: 'chartwarden_append', rolcanlogin: false },
    { proname: 'append_batch', prosecdef: true, owner: 'chartwarden_append', rolcanlogin: false },
    { proname: 'refuse_change', prosecdef: false, owner: 'chartwarden_owner', rolcanlogin: false },
  ])
  for (const { proconfig } of rows.slice(0, 2)) t.ok(proconfig.includes(`search_path=pg_catalog, ${schema}, pg_temp`))
  t.same(rows[0].acl, '{chartwarden_append=X/chartwarden_append,chartwarden_writer=X/chartwarden_append}')
  t.same(rows[1].acl, '{chartwarden_append=X/chartwarden_append}', 'only through the other one')
  t.notMatch(rows[2].acl, '{=X', 'not for everybody')
})

/** Nothing appended as a batch, and one append that comes alone and is refused; both answer alike. */
const calling = async (before: readonly string[]): Promise<string | undefined> => {
  const alone = `select * from ${schema}.append('{nowhere}', '{1}', '{-2}', '{0}', '{1}', array[gen_random_uuid()], '{false}', '{1}', '{x}', '{0,1}',
    sha256('x'), 'x', 0)`
  const batch = `select * from ${schema}.append('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{0}', '', '', 0)`
  const answers = [await refusal(pools.writer, batch, before), await refusal(pools.writer, alone, before)]
  return answers[0] === answers[1] ? answers[0] : answers.join(' and ')
}

t.test('an append outside READ COMMITTED is refused: it would not see what was committed while it waited', async (t) => {
  t.equal(await calling(['set transaction isolation level repeatable read']), '25001')
  t.equal(await calling(['set transaction isolation level serializable']), '25001')
  t.equal(await calling(['set transaction isolation level read committed']), undefined)
})

t.test('an append that a crash could take back is refused', async (t) => {
  t.equal(await calling(['set local synchronous_commit = off']), '55000')
  t.equal(await calling(['set local synchronous_commit = local']), undefined)
})

t.test('the database refuses a state of the system ledger, a clinic without a name and an entry that is too large', async (t) => {
  const append = (clinic: string, stateChanging: boolean, length: number) =>
    `select * from ${schema}.append(array['${clinic}'], '{1}', '{-1}', '{9223372036854775807}', '{1}', array[gen_random_uuid()],
      '{${stateChanging}}', '{1}', '{x}', '{0,${length}}', sha256('x'), convert_to(repeat('x', ${length}), 'UTF8'), 0)`
  t.equal(await refusal(pools.writer, append(systemLedger, true, 10)), '23514')
  t.equal(await refusal(pools.writer, append('', false, 10)), '23514')
  t.equal(await refusal(pools.writer, append(newClinic(), false, 65_536)), '23514')
  t.equal(await refusal(pools.writer, append(newClinic(), true, 65_535)), undefined)
})

t.test('a temporary table of the same name does not stand in front of the ledger', async (t) => {
  const client = await pools.superuser.connect()
  t.teardown(() => client.release(true))
  await client.query(`create temporary table heads (clinic text, revision bigint, state_revision bigint)`)
  await client.query(`create temporary table entries (like ${schema}.entries)`)
  const clinic = newClinic()
  await client.query(
    `select * from ${schema}.append(array[$1::text], '{1}', '{-1}', '{9223372036854775807}', '{1}', array[gen_random_uuid()],
      '{true}', '{1}', '{x}', '{0,1}', sha256('x'), 'x', 0)`,
    [clinic],
  )
  t.same(await engine.head(clinic), { revision: 0n, stateRevision: 0n })
  t.same((await client.query('select * from pg_temp.entries')).rows, [])
})

t.test('a refused batch leaves no number out', async (t) => {
  const before = await engine.end()
  const late = change()
  t.match(await engine.appendBatch([appendOf(left, 9n, [late])]), [{ kind: 'moved' }])
  t.equal(
    await refusal(
      pools.writer,
      `select * from ${schema}.append(array['${left}'], '{1}', '{-2}', '{9223372036854775807}', '{1}', array[gen_random_uuid()],
      '{false}', '{1}', '{x}', '{0,1}', sha256('x'), 'x', 0)`,
    ),
    undefined,
    'and is rolled back',
  )
  t.equal(await engine.end(), before)
  await engine.appendBatch([appendOf(left, 'any', [decision()])])
  t.equal(engine.distance(before, await engine.end()), 1n)
})
