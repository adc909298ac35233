/** Entries that were parked, once they can be read: applied in order, each once, or the read model built anew. */
import t from 'tap'
import { allProjections } from '../../services/projections/all-projections.ts'
import type { Projection } from '../../services/projections/projection.ts'
import { createLog, createProjectionHouse, type ProjectionHouse } from '../support/projections.ts'
import { waitFor } from '../support/wait-for.ts'

/** The same read models by a release that could not read some entries. */
const blindTo = (ids: readonly string[], name: string): readonly Projection[] =>
  allProjections.map((projection) =>
    projection.name !== name
      ? projection
      : {
          ...projection,
          apply: async (...[transaction, events]: Parameters<Projection['apply']>) => {
            if (events.some(({ entry }) => ids.includes(entry.id))) throw new TypeError('not understood yet')
            await projection.apply(transaction, events)
          },
        },
  )

const askForReplay = (house: ProjectionHouse) =>
  house.adminPool.query(`
    select pg_advisory_xact_lock(hashtextextended('chartwarden projections registry', 0));
    update chartwarden_projections.generations set replay = true where state = 'live'`)

const parked = async (house: ProjectionHouse): Promise<number> => (await house.rows('parked_entries')).length

const generations = async (house: ProjectionHouse, projection: string): Promise<number> => {
  const { rows } = await house.adminPool.query(
    `select from chartwarden_projections.generations where projection = $1 and state <> 'dropped'`,
    [projection],
  )
  return rows.length
}

const write = async (house: ProjectionHouse) => {
  const script = await house.script('north')
  const anna = await script.staff('anna')
  const first = await script.decided('permit', { subject: anna })
  const left = await script.offboarded(anna)
  const second = await script.decided('deny', { subject: anna })
  await script.decided('deny', { subject: anna })
  return { script, anna, first, left, second }
}

t.test('rows of their own are made up for in place, each once', async (t) => {
  const house = await createProjectionHouse(t)
  const { first, second } = await write(house)
  await house.catchUp()
  const whole = await house.everything()
  await house.clear()
  await house.catchUp({ projections: blindTo([first.id, second.id], 'access_history') })
  t.equal(await parked(house), 2)
  t.equal((await house.rows('access_history')).length, 1, 'neighbours were applied')

  await askForReplay(house)
  const log = createLog()
  const runners = [house.runner({ logger: log.logger }), house.runner({ logger: log.logger })]
  for (const runner of runners) runner.start()
  await waitFor('the replay', async () => (await parked(house)) === 0)
  t.same(await house.everything(), whole)
  await askForReplay(house)
  await waitFor('another replay', () => log.lines.filter(({ event }) => event === 'parked_entries_replayed').length > allProjections.length)
  for (const runner of runners) await runner.stop()
  t.same(await house.everything(), whole, 'and not again')
  t.equal(await generations(house, 'access_history'), 1, 'nothing was built anew')
})

t.test('rows that rest on the order of entries are built anew, and those that rest on them', async (t) => {
  const house = await createProjectionHouse(t)
  const { left } = await write(house)
  await house.catchUp()
  const whole = await house.everything()
  await house.clear()
  await house.catchUp({ projections: blindTo([left.id], 'offboardings') })
  t.equal(await parked(house), 1)
  t.notMatch(await house.everything(), whole)
  await askForReplay(house)
  const runner = house.runner()
  runner.start()
  await waitFor('the new ones', async () => (await parked(house)) === 0)
  t.same(await house.everything(), whole, 'what was tried after leaving is marked and counted')
  await runner.stop()
})

t.test('what still cannot be read stays parked', async (t) => {
  const house = await createProjectionHouse(t)
  const { first } = await write(house)
  const projections = blindTo([first.id], 'access_history')
  await house.catchUp({ projections })
  await askForReplay(house)
  const log = createLog()
  const runner = house.runner({ projections, logger: log.logger })
  runner.start()
  await waitFor('the attempt', () =>
    log.lines.some(({ event, fields }) => event === 'parked_entries_replayed' && (fields as { left: number }).left === 1),
  )
  await runner.stop()
  t.match(await house.rows('parked_entries'), [{ entry_id: first.id, reason: 'unreadable', detail: 'TypeError' }])
})

t.test('a type that has become known is replayed without being asked', async (t) => {
  const house = await createProjectionHouse(t)
  const { first } = await write(house)
  await house.catchUp()
  const whole = await house.everything()
  const accesses = await house.qualified('access_history')
  // As an earlier release leaves it that did not know the type.
  await house.adminPool.query(`delete from ${accesses} where entry_id = $1`, [first.id])
  await house.adminPool.query(
    `insert into chartwarden_projections.parked (projection, generation, clinic, revision, entry_id, type, reason, detail)
     select projection, generation, 'north', $2, $1, 'chartwarden.access.decided.v1', 'unknown_type', 'unknown type'
     from chartwarden_projections.generations where projection in ('access_history', 'identities') and state = 'live'`,
    [first.id, String(first.revision)],
  )
  const runner = house.runner()
  runner.start()
  await waitFor('the replay', async () => (await parked(house)) === 0)
  await runner.stop()
  t.same(await house.everything(), whole)
  t.equal(await generations(house, 'identities'), 1, 'a type that does not concern a read model is no reason to build it anew')
})
