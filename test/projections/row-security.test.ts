import t from 'tap'
import { allProjections } from '../../services/projections/all-projections.ts'
import { createProjectionHouse } from '../support/projections.ts'
import { openEmergency, writeConcern, writeDisclosure } from '../support/scripted-recordings.ts'

const tables = allProjections.flatMap((projection) => projection.tables)
const runnersOwn = ['definitions', 'lanes', 'generations', 'clinic_progress', 'parked']

t.test('the query role sees the clinic its transaction names and nothing else', async (t) => {
  const house = await createProjectionHouse(t)
  for (const clinic of ['north', 'south']) {
    const script = await house.script(clinic)
    const anna = await script.staff('anna')
    await script.granted(anna, 'dentist')
    await script.decided('permit', { subject: anna })
    await script.offboarded(anna)
    await script.writeRaw('chartwarden.future.invented.v1', {})
    const patient = await script.patient('p-1')
    await writeDisclosure(script, { patient, by: anna, at: script.nextTime() })
    await writeConcern(script, { patient, by: anna, at: script.nextTime() })
    await openEmergency(script, { subject: anna, patient, time: script.nextTime(), until: script.nextTime() + 60_000 })
  }
  await house.catchUp()

  const client = await house.queryPool.connect()
  t.teardown(() => client.release())
  const clinicsSeen = async (table: string): Promise<string[]> => {
    const { rows } = await client.query<{ clinic: string }>(`select distinct clinic from ${table} order by clinic`)
    return rows.map(({ clinic }) => clinic)
  }
  const as = async (clinic: string | undefined, work: () => Promise<unknown>): Promise<void> => {
    await client.query('begin')
    if (clinic !== undefined) await client.query(`select set_config('chartwarden.clinic', $1, true)`, [clinic])
    await work()
    await client.query('rollback')
  }
  const qualified = await Promise.all(tables.filter(({ query }) => query === 'readable').map(({ name }) => house.qualified(name)))
  // What holds rows after this script: the others are shown to be protected alike below.
  const holding = ['identities', 'access_history', 'role_grants', 'offboardings', 'disclosures', 'concerns', 'emergencies']
  const readable = [
    ...qualified.filter((name) => holding.some((table) => name.endsWith(`.${table}`))),
    'chartwarden_projections.clinic_progress',
    'chartwarden_projections.parked',
  ]
  for (const table of readable) {
    await as(undefined, async () => t.same(await clinicsSeen(table), [], `${table}: nothing without a clinic`))
    await as('south', async () => t.same(await clinicsSeen(table), ['south'], `${table}: the clinic named`))
    await as(undefined, async () => t.same(await clinicsSeen(table), [], `${table}: nothing once that transaction is over`))
    await as('', async () => t.same(await clinicsSeen(table), [], `${table}: nothing for an empty name`))
    await as('nowhere', async () => t.same(await clinicsSeen(table), [], `${table}: nothing for an unknown one`))
  }
})

/** Rights on tables: in the schemas of the read models, and on the runner's own. */
const rights = `
  select r.rolname as role, c.relname as table, p.privilege
  from pg_class c join pg_namespace n on n.oid = c.relnamespace,
    unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p (privilege),
    unnest(array['chartwarden_writer', 'chartwarden_feed', 'chartwarden_query', 'public']) r (rolname)
  where (n.nspname like 'chartwarden\\_read\\_%' or n.nspname = 'chartwarden_projections' and c.relname = any($1))
    and c.relkind = 'r' and has_table_privilege(r.rolname, c.oid, p.privilege)`

t.test('each role may do what its part needs and no more', async (t) => {
  const house = await createProjectionHouse(t)
  const { rows } = await house.adminPool.query<{ role: string; table: string; privilege: string }>(rights, [runnersOwn])
  const held = (role: string, table: string) => rows.filter((row) => row.role === role && row.table === table).map((row) => row.privilege)
  for (const { name, feed, query } of tables) {
    t.same(held('chartwarden_writer', name), [], `${name}: nothing for the writer`)
    t.same(held('public', name), [], `${name}: nothing for anybody`)
    t.same(held('chartwarden_query', name), query === 'readable' ? ['SELECT'] : [], `${name}: reports read`)
    t.same(held('chartwarden_feed', name), feed.toUpperCase().split(', '), `${name}: the runner writes`)
  }
  for (const name of runnersOwn) t.same([...held('chartwarden_writer', name), ...held('public', name)], [], name)
  t.same(held('chartwarden_feed', 'definitions'), ['SELECT'], 'the runner cannot write a definition')
  t.same(held('chartwarden_feed', 'generations'), ['SELECT'], 'nor a generation, but for the columns below')
  t.same(held('chartwarden_query', 'parked'), [], 'reports count what is parked')
  await t.rejects(house.queryPool.query('select detail from chartwarden_projections.parked'), { code: '42501' }, 'and see no more of it')
  t.same(held('chartwarden_query', 'clinic_progress'), ['SELECT'])
})

t.test('the runner can instantiate what was published, and nothing else', async (t) => {
  const house = await createProjectionHouse(t)
  const refused = async (code: string, statement: string) => t.rejects(house.feedPool.query(statement), { code }, statement)
  await refused('42501', 'create schema chartwarden_read_mine')
  await refused('42501', `insert into chartwarden_projections.definitions values ('mine', 1, '[]')`)
  await refused('42501', `update chartwarden_projections.definitions set tables = '[]'`)
  await refused('42501', `insert into chartwarden_projections.generations (projection, generation, version) values ('identities', 99, 1)`)
  await refused('42501', `update chartwarden_projections.generations set generation = 99`)
  await refused('42501', `select chartwarden_projections.index_tables('chartwarden_ledger', '[]')`)
  await refused('P0002', `select chartwarden_projections.create_generation('identities', 999)`)
  await refused('P0002', `select chartwarden_projections.drop_generation('identities', 1)`)
  for (const call of ['create_generation', 'index_generation', 'drop_generation']) {
    await t.rejects(
      house.queryPool.query(`select chartwarden_projections.${call}('identities', 1)`),
      { code: '42501' },
      `${call} by reports`,
    )
  }
})

t.test('row security is forced on every table that names a clinic, for its owner too', async (t) => {
  const house = await createProjectionHouse(t)
  const { rows } = await house.adminPool.query<{ relname: string }>(
    `select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where (n.nspname like 'chartwarden\\_read\\_%' or n.nspname = 'chartwarden_projections' and c.relname = any($1))
       and c.relkind = 'r' and not (c.relrowsecurity and c.relforcerowsecurity) order by 1`,
    [runnersOwn],
  )
  t.same(
    rows.map(({ relname }) => relname),
    ['definitions', 'generations', 'lanes'],
    'these are of no clinic',
  )
})
