import t from 'tap'
import { createSweep } from '../../../services/access/expiry/sweep.ts'
import { entryId } from '../../../services/audit/entry.ts'
import type { Append, Ledger } from '../../../services/audit/ledger.ts'
import { createEndingHouse, type EndingHouse, endingsOf } from '../../support/ending-clinic.ts'
import { fault } from '../../support/fault.ts'

const minute = 60_000
const never = new AbortController().signal

const sweepOf = (house: EndingHouse, options: { readonly maxEntries?: number } = {}) => {
  const { randomness, clock } = house.replica()
  return createSweep({ randomness, clock, restMs: 0, ...options })
}

t.test('everything that has ended is said so once, a second after its end and not before', async (t) => {
  const house = createEndingHouse()
  const until = house.clock.wall() + minute
  const { anna, patient, grant, share, consent, emergency } = await house.clinicEndingAt('north', until)
  const writer = await house.replica().writers.open('north')
  const sweep = sweepOf(house)
  house.clock.advance(minute + 999)
  t.equal(await sweep(writer, never), 0, 'the margin')
  house.clock.advance(1)
  t.equal(await sweep(writer, never), 5)
  const end = new Date(until).toISOString()
  t.same(endingsOf(await house.events('north')), [
    { type: 'chartwarden.role.expired.v1', data: { subject: anna, role: 'dentist', grant_id: grant.id, until: end } },
    { type: 'chartwarden.careteam.expired.v1', data: { patient, subject: anna, until: end } },
    { type: 'chartwarden.share.expired.v1', data: { share_id: share.id, recipient: anna, patient, until: end } },
    { type: 'chartwarden.consent.expired.v1', data: { consent_id: consent.id, patient, until: end } },
    {
      type: 'chartwarden.emergency.closed.v1',
      data: { actor: { rule: 'expiry' }, emergency_id: emergency.id, subject: anna, patient, cause: 'expired' },
    },
  ])
  t.equal(await sweep(writer, never), 0, 'once')
  const { state } = writer
  t.same([state.grants.byId.size, state.careTeams.size, state.shares.byId.size, state.consents.byId.size], [1, 0, 0, 0])
  t.match(state.emergencies.byId.get(emergency.id), { closed: true, until }, 'its review stays owed, and it ended when it ended')
})

t.test('a review that comes before the entry does not swallow it', async (t) => {
  const house = createEndingHouse()
  const until = house.clock.wall() + minute
  const { script, anna, patient, emergency } = await house.clinicEndingAt('north', until)
  const about = { emergency_id: emergency.id, subject: anna, patient }
  house.clock.advance(minute)
  await script.write('chartwarden.emergency.reviewed.v1', { actor: { rule: 'scope/x' }, ...about, outcome: 'justified' })
  house.clock.advance(minute)
  const writer = await house.replica().writers.open('north')
  t.equal(await sweepOf(house)(writer, never), 5)
  const closings = endingsOf(await house.events('north')).filter(({ type }) => type === 'chartwarden.emergency.closed.v1')
  t.same(closings, [{ type: 'chartwarden.emergency.closed.v1', data: { ...about, actor: { rule: 'expiry' }, cause: 'expired' } }])
  t.same([writer.state.emergencies.byId.size, writer.state.emergencies.reviewed.size], [0, 0])
  t.equal(await sweepOf(house)(writer, never), 0, 'once')
})

t.test('two replicas write one entry, whatever each has seen', async (t) => {
  const house = createEndingHouse()
  const until = house.clock.wall() + minute
  const { grant, script, anna } = await house.clinicEndingAt('north', until)
  const [here, there] = await Promise.all([house.replica().writers.open('north'), house.replica().writers.open('north')])
  // Only the ledger knows of this one; a replica that lags must not write it alone, nor the others again.
  await script.granted(anna, 'later', { until: until + 1 })
  await there.refresh()
  house.clock.advance(2 * minute)
  const written = await Promise.all([sweepOf(house)(here, never), sweepOf(house)(there, never)])
  t.equal(written[0] + written[1], 6)
  const ended = endingsOf(await house.events('north'))
  t.equal(ended.length, 6)
  t.ok(
    (await house.events('north')).some(({ id }) => id === entryId('north', 'expire', grant.id, 0)),
    'the id says what ended',
  )
})

t.test('a replica that wrote some of them is no obstacle to the rest', async (t) => {
  const house = createEndingHouse()
  await house.clinicEndingAt('north', house.clock.wall() + minute)
  const [here, there] = await Promise.all([house.replica().writers.open('north'), house.replica().writers.open('north')])
  house.clock.advance(2 * minute)
  const stop = new AbortController()
  const first = sweepOf(house, { maxEntries: 2 })(here, stop.signal)
  stop.abort()
  t.equal(await first, 2, 'an append at hand is finished, and no more')
  t.equal(await sweepOf(house)(there, never), 3)
  t.equal(endingsOf(await house.events('north')).length, 5)
})

t.test('many ends are cut into appends', async (t) => {
  const house = createEndingHouse()
  const { script, anna } = await house.clinicEndingAt('north', house.clock.wall() + minute)
  for (let count = 0; count < 20; count += 1) await script.granted(anna, `role-${count}`, { until: house.clock.wall() + minute })
  const sizes: number[] = []
  const counting = (ledger: Ledger): Ledger => ({
    ...ledger,
    append: (append: Append) => {
      sizes.push(append.entries.length)
      return ledger.append(append)
    },
  })
  const writer = await house.replica({ ledger: counting }).writers.open('north')
  house.clock.advance(2 * minute)
  t.equal(await sweepOf(house, { maxEntries: 8 })(writer, never), 25)
  t.same(sizes, [8, 8, 8, 1])
})

t.test('an id that stands for something else is a fault and no endless loop', async (t) => {
  const house = createEndingHouse()
  await house.clinicEndingAt('north', house.clock.wall() + minute)
  const mismatching = (ledger: Ledger): Ledger => ({
    ...ledger,
    append: async () => ({ kind: 'mismatch', ledgerTime: house.clock.wall() }),
  })
  const writer = await house.replica({ ledger: mismatching }).writers.open('north')
  house.clock.advance(2 * minute)
  await t.rejects(sweepOf(house)(writer, never), fault('INTERNAL'))
})
