import t, { type Test } from 'tap'
import { allProjections } from '../../services/projections/all-projections.ts'
import {
  compareReadModels,
  type ReadModelComparison,
  type ReadModelComparisonOptions,
} from '../../services/projections/compare-read-models.ts'
import type { Projection } from '../../services/projections/projection.ts'
import { everyType, openWorld, writeLine } from '../support/arbitrary-ledger.ts'
import { caught } from '../support/caught.ts'
import { createProjectionHouse, type ProjectionHouse } from '../support/projections.ts'

/** Two clinics with every type of entry, in the read models. */
const houseOfTwo = async (test: Test): Promise<ProjectionHouse> => {
  const house = await createProjectionHouse(test)
  for (const clinic of ['north', 'south']) {
    const world = await openWorld(await house.script(clinic))
    for (const [place, type] of [...everyType, ...everyType].entries()) {
      await writeLine(world, { type, who: place % 2, other: 0, what: place })
    }
  }
  await house.catchUp()
  return house
}

const compare = (house: ProjectionHouse, clinic = 'north', over: Partial<ReadModelComparisonOptions> = {}): Promise<ReadModelComparison> =>
  compareReadModels(clinic, {
    pool: house.feedPool,
    entries: house.engine,
    projections: allProjections,
    passed: async () => {},
    wanted: { deadline: Number.POSITIVE_INFINITY },
    ...over,
  })

const found = async (house: ProjectionHouse, clinic?: string) => {
  const outcome = await compare(house, clinic)
  if (outcome.kind !== 'compared') throw new Error(outcome.kind)
  return outcome
}

const leftovers = async (house: ProjectionHouse) => {
  const { rows } = await house.adminPool.query(
    `select nspname from pg_namespace where nspname like 'chartwarden\\_read\\_check%' union all select schema_name from chartwarden_projections.comparisons`,
  )
  return rows
}

t.test('read models that are the ledger’s show no difference, and nothing is left behind', async (t) => {
  const house = await houseOfTwo(t)
  const head = await house.engine.head('north')
  t.match(await found(house), { completeTo: head?.revision, differences: { length: 0 }, more: false })
  t.match(await found(house, 'south'), { differences: { length: 0 } })
  t.match(await found(house, 'nowhere'), { completeTo: -1n, differences: { length: 0 } })
  t.same(await leftovers(house), [])
})

t.test('a row changed, removed or added in any table is found and its entry named', async (t) => {
  const house = await houseOfTwo(t)
  for (const projection of allProjections) {
    for (const { name } of projection.tables) {
      const table = await house.qualified(name)
      const damage = async (statement: string) => house.adminPool.query(statement)
      await house.adminPool.query(`create table public.kept as select * from ${table}`)
      const { rows: written } = await house.adminPool.query<{ names: string }>(
        `select string_agg(attname, ', ') as names from pg_attribute where attrelid = $1::regclass and attnum > 0 and attgenerated = ''`,
        [table],
      )
      const columns = written[0]?.names
      const restore = () => house.adminPool.query(`truncate ${table}; insert into ${table} (${columns}) select ${columns} from public.kept`)
      const entry = `(select min(k.ctid) from public.kept k where clinic = 'north')`
      const { rows } = await house.adminPool.query(
        `select coalesce(to_jsonb(k) ->> 'entry_id', to_jsonb(k) ->> 'grant_id') as id, to_jsonb(k) ->> 'revision' as revision
         from public.kept k where ctid = ${entry}`,
      )
      const { id, revision } = rows[0] as { readonly id: string | null; readonly revision: string | null }
      const named = revision === null ? (await house.engine.find('north', [id ?? ''])).get(id ?? '')?.revision : BigInt(revision)
      t.equal(named === undefined, name === 'clinics', `${name}: its rows name their entry`)
      const one = `to_jsonb(x) = (select to_jsonb(k) from public.kept k where ctid = ${entry})`
      const column = { identities: 'type', role_grants: 'role', clinics: 'time_zone' }[name] ?? 'caller'
      for (const [kind, statement] of [
        ['changed', `update ${table} x set ${column} = 'another' where ${one}`],
        ['missing', `delete from ${table} x where ${one}`],
        ['changed', `update ${table} x set ${column} = ${column} || ' ' where ${one}`],
      ] as const) {
        await damage(statement)
        t.same((await found(house)).differences, [{ readModel: projection.name, table: name, kind, revision: named }], `${name}: ${kind}`)
        t.same((await found(house, 'south')).differences, [], 'and of the other clinic nothing')
        await restore()
      }
      if (name !== 'clinics') {
        await damage(`update ${table} x set clinic = 'south2' where ${one}`)
        t.match((await found(house, 'south2')).differences, [{ readModel: projection.name, kind: 'added' }], `${name}: added`)
        await restore()
      }
      await house.adminPool.query('drop table public.kept')
    }
  }
  t.same((await found(house)).differences, [])
})

t.test('twin: read models of entries that are not the ledger’s are what makes the difference', async (t) => {
  const house = await houseOfTwo(t)
  const table = await house.qualified('access_history')
  await house.adminPool.query(`update ${table} set caller = 'another' where clinic = 'north'`)
  t.ok((await found(house)).differences.length > 0)
  // A comparison whose read model is written by the same hand sees nothing.
  const forging: Projection[] = allProjections.map((projection) =>
    projection.name === 'access_history'
      ? {
          ...projection,
          apply: (transaction, events) =>
            projection.apply(
              transaction,
              events.map((one) => ({ ...one, event: { ...one.event, caller: 'another' } as typeof one.event })),
            ),
        }
      : projection,
  )
  t.match(await compare(house, 'north', { projections: forging }), { differences: { length: 0 } })
})

t.test('what was set aside as unreadable is so in both, or it is a difference', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const world = await openWorld(script)
  await writeLine(world, { type: 'chartwarden.access.decided.v1', who: 0, other: 0, what: 0 })
  const { revision } = await script.writeBytes('chartwarden.access.decided.v1', Buffer.from('{"half":'))
  await house.catchUp()
  t.same((await found(house)).differences, [])
  await house.adminPool.query(`delete from chartwarden_projections.parked where projection = 'access_history'`)
  t.same((await found(house)).differences, [{ readModel: 'access_history', table: 'parked', kind: 'missing', revision }])
})

t.test('more differences than are listed are said to be more', async (t) => {
  const house = await createProjectionHouse(t)
  const world = await openWorld(await house.script('north'))
  for (let place = 0; place < 120; place += 1) {
    await writeLine(world, { type: 'chartwarden.access.decided.v1', who: 0, other: 0, what: place })
  }
  await house.catchUp()
  await house.adminPool.query(`delete from ${await house.qualified('access_history')}`)
  t.match(await found(house), { more: true, differences: { length: 100 } })
})

t.test('read models that are still being built are not compared', async (t) => {
  const house = await houseOfTwo(t)
  const next = allProjections.map((projection) => ({ ...projection, version: projection.version + 100 }))
  t.same(await compare(house, 'north', { projections: next }), { kind: 'building' })
})

t.test('a comparison that is called off leaves nothing behind, and one whose process died is cleared away', async (t) => {
  const house = await houseOfTwo(t)
  const off = new AbortController()
  const passed = async () => off.abort()
  t.match(
    await caught(
      compare(house, 'north', {
        entries: {
          ...house.engine,
          read: (of, from, to) => {
            off.abort()
            return house.engine.read(of, from, to)
          },
        },
        passed,
        wanted: { deadline: Number.POSITIVE_INFINITY, signal: off.signal },
      }),
    ),
    { reason: 'CALL_CANCELLED' },
  )
  // As a process leaves it that was killed: without its lock.
  await house.feedPool.query(`select chartwarden_projections.create_comparison(array['clinics'], array[1])`)
  t.ok((await leftovers(house)).length > 0)
  await found(house)
  t.same(await leftovers(house), [])
})

t.test('the runner’s login may make no tables but these, and nobody else reads them', async (t) => {
  const house = await houseOfTwo(t)
  const { rows } = await house.feedPool.query<{ comparison: string; schema_name: string }>(
    `select * from chartwarden_projections.create_comparison(array['access_history'], array[${allProjections.find(({ name }) => name === 'access_history')?.version}])`,
  )
  const { comparison, schema_name: schema } = rows[0] as { comparison: string; schema_name: string }
  await t.rejects(house.queryPool.query(`select from ${schema}.access_history`), { code: '42501' })
  await t.rejects(house.feedPool.query(`create table ${schema}.mine (x int)`), { code: '42501' })
  await t.rejects(house.feedPool.query(`select chartwarden_projections.create_comparison(array['invented'], array[1])`), { code: 'P0002' })
  await house.feedPool.query('select chartwarden_projections.drop_comparison($1)', [comparison])
  t.same(await leftovers(house), [])
})
