import t from 'tap'
import { createProjectionHouse } from '../support/projections.ts'

const readable = ['identities', 'access_history', 'role_grants', 'offboardings', 'progress']
const tables = [...readable, 'parked_entries', 'checkpoints']

t.test('the query role sees the clinic its transaction names and nothing else', async (t) => {
  const house = await createProjectionHouse(t)
  for (const clinic of ['north', 'south']) {
    const script = await house.script(clinic)
    const anna = await script.staff('anna')
    await script.granted(anna, 'dentist')
    await script.decided('permit', { subject: anna })
    await script.offboarded(anna)
  }
  await house.catchUp()

  const client = await house.queryPool.connect()
  t.teardown(() => client.release())
  const clinicsSeen = async (table: string): Promise<string[]> => {
    const { rows } = await client.query<{ clinic: string }>(`select distinct clinic from chartwarden_projections.${table} order by clinic`)
    return rows.map(({ clinic }) => clinic)
  }
  const as = async (clinic: string | undefined, work: () => Promise<unknown>): Promise<void> => {
    await client.query('begin')
    if (clinic !== undefined) await client.query(`select set_config('chartwarden.clinic', $1, true)`, [clinic])
    await work()
    await client.query('rollback')
  }
  for (const table of readable) {
    await as(undefined, async () => t.same(await clinicsSeen(table), [], `${table}: nothing without a clinic`))
    await as('south', async () => t.same(await clinicsSeen(table), ['south'], `${table}: the clinic named`))
    await as(undefined, async () => t.same(await clinicsSeen(table), [], `${table}: nothing once that transaction is over`))
    await as('', async () => t.same(await clinicsSeen(table), [], `${table}: nothing for an empty name`))
    await as('nowhere', async () => t.same(await clinicsSeen(table), [], `${table}: nothing for an unknown one`))
  }
})

t.test('each role may do what its part needs and no more', async (t) => {
  const house = await createProjectionHouse(t)
  const { rows } = await house.adminPool.query<{ role: string; table: string; privilege: string }>(
    `select r.rolname as role, c.relname as table, p.privilege
     from pg_class c join pg_namespace n on n.oid = c.relnamespace,
       unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p (privilege),
       unnest(array['chartwarden_writer', 'chartwarden_feed', 'chartwarden_query', 'public']) r (rolname)
     where n.nspname = 'chartwarden_projections' and c.relkind = 'r' and has_table_privilege(r.rolname, c.oid, p.privilege)`,
  )
  const held = (role: string) =>
    Object.fromEntries(
      tables.map((table) => [table, rows.filter((row) => row.role === role && row.table === table).map((row) => row.privilege)]),
    )
  t.same(held('chartwarden_writer'), Object.fromEntries(tables.map((table) => [table, []])))
  t.same(held('public'), Object.fromEntries(tables.map((table) => [table, []])))
  t.same(held('chartwarden_query'), Object.fromEntries(tables.map((table) => [table, readable.includes(table) ? ['SELECT'] : []])))
  const changing = ['offboardings', 'role_grants', 'progress', 'checkpoints']
  t.same(
    held('chartwarden_feed'),
    Object.fromEntries(tables.map((table) => [table, changing.includes(table) ? ['SELECT', 'INSERT', 'UPDATE'] : ['SELECT', 'INSERT']])),
  )
})

t.test('row security is forced on every table that names a clinic, for its owner too', async (t) => {
  const house = await createProjectionHouse(t)
  const { rows } = await house.adminPool.query(
    `select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'chartwarden_projections' and c.relkind = 'r' and not (c.relrowsecurity and c.relforcerowsecurity)`,
  )
  t.same(rows, [{ relname: 'checkpoints' }], 'the checkpoint is of no clinic')
})
