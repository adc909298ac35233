import fc from 'fast-check'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import type { StoredEntry } from '../../services/audit/ledger.ts'
import { allProjections } from '../../services/projections/all-projections.ts'
import { applyEntries } from '../../services/projections/apply-entries.ts'
import { onPool } from '../../services/projections/database.ts'
import type { Projection } from '../../services/projections/projection.ts'
import { beginRebuild } from '../../services/projections/upkeep.ts'
import { type Apply, brokenPromises } from '../contract/projection.ts'
import { everyType, type Line, lines, openWorld, writeLine } from '../support/arbitrary-ledger.ts'
import { createProjectionHouse, type ProjectionHouse } from '../support/projections.ts'
import { waitFor } from '../support/wait-for.ts'

const seed = Number(process.env.FC_SEED ?? Date.now() % 1_000_000)
const draw = <Value>(values: fc.Arbitrary<Value>): Value => fc.sample(values, { seed, numRuns: 1 })[0] as Value

/** Two clinics whose entries alternate: every type, in any order. */
const writeLedger = async (house: ProjectionHouse): Promise<readonly StoredEntry[]> => {
  const worlds = [await openWorld(await house.script('north')), await openWorld(await house.script('south'))]
  // Whatever is drawn: somebody holds a role, leaves, and tries again.
  const leaving = ['staff.reinstated', 'role.granted', 'access.decided', 'staff.offboarded', 'access.decided', 'access.recorded']
  const drawn = [
    ...draw(lines),
    ...leaving.map((name, place): Line => ({ type: `chartwarden.${name}.v1` as Line['type'], who: 0, other: 0, what: place * 3 })),
  ]
  for (const [place, line] of drawn.entries()) {
    for (const world of worlds) await writeLine(world, { ...line, what: line.what + (world === worlds[0] ? 0 : place) })
  }
  return house.entries()
}

/** A projection after what it reads. */
const withRead = (projection: Projection): readonly Projection[] => [
  ...allProjections.filter(({ name }) => projection.reads?.includes(name)),
  projection,
]

const named = (name: string): Projection => allProjections.find((projection) => projection.name === name) as Projection

t.test(`every projection keeps its promises (seed ${seed})`, async (t) => {
  const house = await createProjectionHouse(t)
  const entries = await writeLedger(house)
  t.same(
    everyType.filter((type) => !entries.some((entry) => entry.type === type)),
    [],
    'every type of the vocabulary is in the ledger',
  )
  const cuts = draw(fc.uniqueArray(fc.integer({ min: 1, max: entries.length - 1 }), { minLength: 6, maxLength: 12 })).sort((a, b) => a - b)
  for (const projection of allProjections) {
    t.same(await brokenPromises({ house, projections: withRead(projection), projection, entries, cuts }), [], projection.name)
  }

  await t.test('each read model built anew is the one that followed', async (t) => {
    await house.clear()
    await house.catchUp()
    const followed = await house.everything()
    for (const projection of allProjections) await beginRebuild(onPool(house.feedPool), [projection])
    const runner = house.runner()
    runner.start()
    await waitFor('the new ones', async () => {
      const { rows } = await house.adminPool.query(
        `select from chartwarden_projections.generations where state = 'live' and generation > 1`,
      )
      return rows.length === allProjections.length
    })
    await runner.stop()
    t.same(await house.everything(), followed)
  })

  await t.test('twins: what would break a promise is noticed', async (t) => {
    const check = (projection: Projection, only: readonly string[], apply?: Apply) => {
      const projections = [...withRead(named(projection.name)).slice(0, -1), projection]
      return brokenPromises({ house, projections, projection, entries, cuts, only, ...(apply === undefined ? {} : { apply }) })
    }
    const notices = async (t: Test, what: string, projection: Projection, promises: readonly string[], apply?: Apply) =>
      t.same(await check(projection, promises, apply), promises, `${projection.name}: ${what}`)
    const accessHistory = named('access_history')

    const outside: Projection = {
      ...accessHistory,
      apply: async (transaction, events) => {
        const { rows } = await sql<{ path: string }>`select current_setting('search_path') as path`.execute(transaction)
        await onPool(house.feedPool)
          .transaction()
          .execute(async (own) => {
            await sql`select set_config('search_path', ${rows[0]?.path}, true)`.execute(own)
            await accessHistory.apply(own, events)
          })
      },
    }
    await notices(t, 'rows that are not written with the place', outside, ['a crash after each apply'])

    const unguarded: Apply = async (db, plan, step) => {
      const open = await sql<{ epoch: string; position: string | null }>`
        select epoch, position from chartwarden_projections.lanes where lane = ${plan.lane}`.execute(db)
      const position = (open.rows[0]?.position ?? undefined) as typeof step.from
      // As if the place and the progress were no matter: whatever is delivered is applied.
      await sql`delete from chartwarden_projections.clinic_progress where lane = ${plan.lane}`.execute(db)
      const first = new Map<string, bigint>()
      for (const entry of step.entries) if (!first.has(entry.clinic)) first.set(entry.clinic, entry.revision)
      for (const [clinic, revision] of first) {
        await sql`insert into chartwarden_projections.clinic_progress (lane, clinic, complete_to_revision)
                  values (${plan.lane}, ${clinic}, ${String(revision - 1n)})`.execute(db)
      }
      return applyEntries(db, plan, { ...step, from: position })
    }
    const comparing = ['a restart that does not know what was committed', 'two runners at once']
    await notices(t, 'no place is compared', named('offboardings'), comparing, unguarded)
    await notices(t, 'no place is compared', accessHistory, ['entries delivered again', ...comparing], unguarded)

    const cutting: Projection = { ...accessHistory, apply: (transaction, events) => accessHistory.apply(transaction, events.slice(0, 5)) }
    await notices(t, 'rows that depend on the batch', cutting, ['batches of every size'])

    const roleGrants = named('role_grants')
    const peeking: Projection = {
      ...roleGrants,
      apply: async (transaction, events) => {
        await roleGrants.apply(transaction, events)
        await sql`
          update role_grants g set ended_at = valid_from where revision = any(${events.map(({ entry }) => String(entry.revision))})
            and exists (select from offboardings o where o.clinic = g.clinic and o.subject = g.subject)`.execute(transaction)
      },
    }
    await notices(t, 'rows that rest on what comes later', peeking, ['batches of every size'])

    const forgetful: Projection = { ...accessHistory, types: [...accessHistory.types, 'chartwarden.never.written.v1' as never] }
    await notices(t, 'a type that is never generated', forgetful, ['every type it handles is in the ledger'])
  })
})
