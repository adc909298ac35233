/** A read model built anew beside the one that answers reports, and the switch between them. */
import { type Kysely, sql } from 'kysely'
import t from 'tap'
import { positionOf } from '../../services/audit/engines/position.ts'
import type { LedgerFeed } from '../../services/audit/ledger.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { allProjections } from '../../services/projections/all-projections.ts'
import { onPool } from '../../services/projections/database.ts'
import { publishDefinitions } from '../../services/projections/definitions.ts'
import { measureLag } from '../../services/projections/lag.ts'
import type { Projection } from '../../services/projections/projection.ts'
import { createReportReader, readProgress } from '../../services/projections/reports/report-reader.ts'
import { beginRebuild } from '../../services/projections/upkeep.ts'
import { fault } from '../support/fault.ts'
import { createLog, createProjectionHouse, type ProjectionHouse } from '../support/projections.ts'
import { waitFor } from '../support/wait-for.ts'

const soon = () => systemClock.monotonic() + 20_000

/** Counts the decisions about each person; a second version keeps the last action as well. */
const tally = (version: number, options: Partial<Projection> = {}): Projection => ({
  name: 'tally',
  version,
  types: ['chartwarden.access.decided.v1'],
  tables: [
    {
      name: 'tally',
      columns: `clinic text collate "C" not null, subject text not null, decisions bigint not null${version > 1 ? ', last_action text not null' : ''},
        primary key (clinic, subject)`,
      indexes: { tally_by_decisions: '(clinic, decisions)' },
      feed: 'select, insert, update',
      query: 'readable',
    },
  ],
  apply: async (transaction, events) => {
    for (const { clinic, event } of events) {
      if (event.type !== 'chartwarden.access.decided.v1') continue
      const { subject, action } = event.data
      const more = version > 1 ? sql`, last_action = ${action}` : sql``
      await sql`
        insert into tally as t values (${clinic}, ${subject.pseudonym}, 1${version > 1 ? sql`, ${action}` : sql``})
        on conflict (clinic, subject) do update set decisions = t.decisions + 1${more}`.execute(transaction)
    }
  },
  ...options,
})

const publish = (house: ProjectionHouse, projections: readonly Projection[]): Promise<void> =>
  (onPool(house.adminPool) as unknown as Kysely<unknown>)
    .transaction()
    .execute((transaction) => publishDefinitions(transaction, projections))

interface GenerationRow {
  readonly projection: string
  readonly generation: number
  readonly version: number
  readonly state: string
}

const generationsOf = async (house: ProjectionHouse, projection: string): Promise<readonly GenerationRow[]> => {
  const { rows } = await house.adminPool.query<GenerationRow>(
    'select projection, generation, version, state from chartwarden_projections.generations where projection = $1 order by generation',
    [projection],
  )
  return rows
}

const isLive = async (house: ProjectionHouse, projection: string, version: number, generation = 1): Promise<boolean> =>
  (await generationsOf(house, projection)).some((row) => row.state === 'live' && row.version === version && row.generation >= generation)

/** A feed whose readers get one page each time it is let go on. */
const steppedFeed = (feed: LedgerFeed) => {
  let open: () => void = () => {}
  let gate: Promise<void> = Promise.resolve()
  const stepped: LedgerFeed = {
    ...feed,
    async *subscribe(from, signal) {
      for await (const batch of feed.subscribe(from, signal)) {
        await gate
        yield batch
      }
    },
  }
  return {
    feed: stepped,
    close: () => {
      gate = new Promise((resolve) => {
        open = resolve
      })
    },
    open: () => open(),
  }
}

const writeDecisions = async (house: ProjectionHouse, clinic: string, count: number) => {
  const script = await house.script(clinic)
  const anna = await script.staff('anna')
  const ben = await script.staff('ben')
  await script.offboarded(ben)
  for (let place = 0; place < count; place += 1) {
    await script.decided(place % 3 === 0 ? 'deny' : 'permit', { subject: place % 2 === 0 ? anna : ben })
  }
  return { script, anna, ben }
}

t.test('the same version is built anew beside the rows that answer reports, and takes their place once it is equal', async (t) => {
  const house = await createProjectionHouse(t)
  const { script, anna } = await writeDecisions(house, 'north', 40)
  await house.catchUp()
  const before = await house.everything()
  const reader = createReportReader({ pool: house.queryPool, clock: systemClock })
  const seen = () =>
    reader.read('north', soon(), async (transaction) => ({
      rows: (await transaction.selectFrom('access_history').select('revision').execute()).length,
      progress: await readProgress(transaction, 'north', ['access_history']),
    }))
  const complete = await seen()
  const generation = (await generationsOf(house, 'access_history')).length + 1

  const stepped = steppedFeed(house.engine)
  stepped.close()
  await beginRebuild(onPool(house.feedPool), allProjections)
  const log = createLog()
  const runner = house.runner({ feed: stepped.feed, logger: log.logger })
  runner.start()
  await waitFor('the work', () => runner.state === 'running')
  t.same(await seen(), complete, 'reports are answered from the old rows meanwhile')
  // A reader whose snapshot is older than the switch sees the old rows to its end.
  let switched: Promise<void> = Promise.resolve()
  const during = reader.read('north', soon(), async (transaction) => {
    const first = (await transaction.selectFrom('access_history').select('revision').execute()).length
    stepped.open()
    switched = waitFor('the switch', () => isLive(house, 'access_history', 2, generation))
    await switched
    const progress = await readProgress(transaction, 'north', ['access_history'])
    return { rows: (await transaction.selectFrom('access_history').select('revision').execute()).length, first, progress }
  })
  t.same(await during, { ...complete, first: complete.rows })
  await waitFor('all of them', async () =>
    (await Promise.all(allProjections.map(({ name, version }) => isLive(house, name, version, 2)))).every(Boolean),
  )
  t.same(await house.everything(), before, 'the new rows are the old ones')
  t.same(await seen(), complete)
  t.ok(log.lines.some(({ event }) => event === 'projections_switched'))

  await script.decided('permit', { subject: anna })
  await waitFor('what comes after the switch', async () => (await seen()).rows === complete.rows + 1)
  await runner.stop()
  const { rows } = await house.adminPool.query(
    `select count(distinct lane)::integer as lanes from chartwarden_projections.generations where state = 'live'`,
  )
  t.same(rows, [{ lanes: 1 }], 'all move together again')
})

t.test('twin: a switch before the new rows are complete is seen by whoever reads', async (t) => {
  const house = await createProjectionHouse(t)
  await writeDecisions(house, 'north', 10)
  await house.catchUp()
  const reader = createReportReader({ pool: house.queryPool, clock: systemClock })
  const progress = () => reader.read('north', soon(), (transaction) => readProgress(transaction, 'north', ['access_history']))
  const complete = await progress()
  const accessHistory = allProjections.filter(({ name }) => name === 'access_history')
  const [begun] = await beginRebuild(onPool(house.feedPool), accessHistory)
  await house.adminPool.query(`
    update chartwarden_projections.generations set state = 'retired', lane = null where projection = 'access_history' and state = 'live';
    update chartwarden_projections.generations set state = 'live' where projection = 'access_history' and generation = ${begun?.generation}`)
  t.not(await progress(), complete)
})

t.test('a new version is built beside the old one, which its release goes on to write and read until nobody does', async (t) => {
  const house = await createProjectionHouse(t)
  const { script, anna } = await writeDecisions(house, 'north', 9)
  const [first, second] = [tally(1), tally(2)]
  await publish(house, [first, second])
  const oldRelease = [...allProjections, first]
  const newRelease = [...allProjections, second]
  await house.catchUp({ projections: oldRelease })
  const readers = {
    old: createReportReader({ pool: house.queryPool, clock: systemClock, projections: oldRelease }),
    new: createReportReader({ pool: house.queryPool, clock: systemClock, projections: newRelease }),
    newReadsOld: createReportReader({ pool: house.queryPool, clock: systemClock, projections: [{ ...second, readable: [1] }] }),
  }
  const total = (release: keyof typeof readers) =>
    readers[release].read('north', soon(), async (transaction) => {
      const { rows } = await sql<{ total: string }>`select sum(decisions) as total from tally`.execute(transaction)
      return Number(rows[0]?.total)
    })
  await t.rejects(total('new'), fault('REPORT_BUILDING'), 'nothing is answered from tables of another shape')
  t.equal(await total('newReadsOld'), 9, 'unless the release can read them')

  const oldRunner = house.runner({ projections: oldRelease })
  oldRunner.start()
  await waitFor('the old release', () => oldRunner.state === 'running')
  const newRunner = house.runner({ projections: newRelease })
  newRunner.start()
  await waitFor('the new version', () => isLive(house, 'tally', 2))
  await script.decided('permit', { subject: anna })
  await waitFor('both', async () => (await total('old')) === 10 && (await total('new')) === 10 && (await total('newReadsOld')) === 10)

  await oldRunner.stop()
  const order = [...newRelease]
  await script.decided('permit', { subject: anna })
  await waitFor('the new release alone', async () => (await total('new')) === 11)
  await waitFor('its read models to move together', async () => {
    const { rows } = await house.adminPool.query(
      `select distinct lane from chartwarden_projections.generations where state = 'live' and (projection, version) in (select * from unnest($1::text[], $2::integer[]))`,
      [order.map(({ name }) => name), order.map(({ version }) => version)],
    )
    return rows.length === 1
  })
  t.match(await generationsOf(house, 'tally'), [
    { version: 1, state: 'live' },
    { version: 2, state: 'live' },
  ])
  await newRunner.stop()

  await house.adminPool.query(
    `update chartwarden_projections.generations set seen_at = now() - interval '1 hour', switched_at = now() - interval '1 hour'`,
  )
  const later = house.runner({ projections: newRelease, graceMs: 60_000 })
  later.start()
  await waitFor('the old version to be retired', async () => (await generationsOf(house, 'tally'))[0]?.state === 'retired')
  await house.adminPool.query(
    `update chartwarden_projections.generations set retired_at = now() - interval '1 hour' where state = 'retired'`,
  )
  await waitFor('its tables to be dropped', async () => (await generationsOf(house, 'tally'))[0]?.state === 'dropped')
  t.equal(await total('new'), 11)
  await t.rejects(total('old'), fault('REPORT_BUILDING'))
  await later.stop()
})

t.test('a rebuild that is interrupted anywhere goes on where it was', async (t) => {
  const house = await createProjectionHouse(t)
  await writeDecisions(house, 'north', 20)
  await writeDecisions(house, 'south', 20)
  await house.catchUp()
  const before = await house.everything()
  await beginRebuild(onPool(house.feedPool), allProjections)
  const one: LedgerFeed = {
    ...house.engine,
    async *subscribe(from, signal) {
      for await (const { entries, position } of house.engine.subscribe(from, signal)) {
        const start = Number(house.engine.distance(undefined, position)) - entries.length
        for (const [place, entry] of entries.entries()) yield { entries: [entry], position: positionOf(BigInt(start + place + 1)) }
      }
    },
  }
  const runner = house.runner({ feed: one })
  runner.start()
  let kills = 0
  const done = async () => (await generationsOf(house, 'access_history')).some((row) => row.state === 'live' && row.generation > 1)
  while (!(await done()) && kills < 25) {
    const { rowCount } = await house.adminPool.query(
      `select pg_terminate_backend(l.pid) from pg_locks l join pg_database d on d.oid = l.database
       where l.locktype = 'advisory' and d.datname = current_database()`,
    )
    kills += rowCount ?? 0
    await waitFor('the next runner', async () => runner.state === 'running' || (await done()))
  }
  await waitFor('every one', async () => {
    const all = await Promise.all(allProjections.map(async ({ name }) => (await generationsOf(house, name)).at(-1)))
    return all.every((row) => row?.state === 'live')
  })
  await runner.stop()
  t.ok(kills > 0, `${kills} connections were killed`)
  t.same(await house.everything(), before)
})

t.test('of two runners both building, every entry is applied once', async (t) => {
  const house = await createProjectionHouse(t)
  await writeDecisions(house, 'north', 80)
  const projections = [...allProjections, tally(1)]
  await publish(house, [tally(1)])
  const runners = [house.runner({ projections }), house.runner({ projections })]
  for (const runner of runners) runner.start()
  await waitFor('the read models', async () => (await isLive(house, 'tally', 1)) && (await house.rows('access_history')).length === 80)
  for (const runner of runners) await runner.stop()
  const { rows } = await house.adminPool.query('select sum(decisions)::integer as total from chartwarden_read_tally_1.tally')
  t.same(rows, [{ total: 80 }])
})

t.test('a definition that was changed without raising its version is refused', async (t) => {
  const house = await createProjectionHouse(t)
  await publish(house, [tally(1)])
  await publish(house, [tally(1)])
  await t.rejects(publish(house, [{ ...tally(2), version: 1 }]), { message: /raise it/ })
})

t.test('the lag names each read model, what is being built and how far', async (t) => {
  const house = await createProjectionHouse(t)
  await writeDecisions(house, 'north', 5)
  await house.catchUp()
  const db = onPool(house.feedPool)
  const measure = (projections: readonly Projection[]) => measureLag({ db, feed: house.engine, projections, state: 'running' })
  const total = (await house.entries()).length
  t.match(await measure(allProjections), { entries: 0n, seconds: 0, parked: 0n, state: 'running' })
  await writeDecisions(house, 'south', 5)
  await beginRebuild(db, allProjections.slice(0, 1))
  await publish(house, [tally(3)])
  const { entries, projections } = await measure([...allProjections, tally(3)])
  const more = BigInt((await house.entries()).length)
  t.equal(entries, more - BigInt(total))
  t.match(projections[0], { name: 'identities', state: 'live', entries, building: { applied: 0n, total: more } })
  t.ok((projections[1]?.seconds ?? 0) > 0, 'the last entry applied has an age')
  t.match(projections.at(-1), { name: 'tally', version: 3, state: 'absent', entries: more })
})
