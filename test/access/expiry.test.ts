/** The worker: which clinics are looked at when, and that one clinic's fault is nobody else's. */
import t, { type Test } from 'tap'
import { createExpiry, type ExpiryOptions } from '../../services/access/expiry.ts'
import type { Ledger } from '../../services/audit/ledger.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { createEndingHouse, type EndingHouse, endingsOf } from '../support/ending-clinic.ts'
import { waitFor } from '../support/wait-for.ts'

const minute = 60_000

const startExpiry = (
  t: Test,
  house: EndingHouse,
  replica: ReturnType<EndingHouse['replica']>,
  over: Partial<ExpiryOptions> & { readonly rounds?: boolean } = {},
) => {
  const faults: { readonly clinic: string | undefined; readonly reason: string }[] = []
  const expiry = createExpiry({
    ...replica,
    onFault: (error, clinic) => faults.push({ clinic, reason: error instanceof ChartwardenError ? error.reason : String(error) }),
    tickMs: 5,
    restMs: 0,
    clinicsPerSecond: 1_000,
    roundRestMs: 5,
    firstRetryMs: 1,
    ...over,
  })
  t.teardown(() => expiry.stop())
  const ended = (clinic: string, count: number) =>
    waitFor(`${count} entries of ${clinic}`, async () => endingsOf(await house.events(clinic)).length === count)
  expiry.start({ rounds: over.rounds ?? true })
  return { expiry, faults, ended }
}

/** Reads that the worker asked for, by clinic. */
const countingFolds =
  (counts: Map<string, number>) =>
  (ledger: Ledger): Ledger => ({
    ...ledger,
    readState: (clinic, from) => {
      counts.set(clinic, (counts.get(clinic) ?? 0) + 1)
      return ledger.readState(clinic, from)
    },
  })

t.test('a clinic that is served is swept once something has ended', async (t) => {
  const house = createEndingHouse()
  await house.clinicEndingAt('north', house.clock.wall() + minute)
  const replica = house.replica()
  await replica.writers.open('north')
  const { ended, faults } = startExpiry(t, house, replica, { roundRestMs: 1_000_000 })
  house.clock.advance(minute + 1_000)
  await ended('north', 5)
  const { script, anna } = await house.clinicEndingAt('south', house.clock.wall() + minute)
  const south = await replica.writers.open('south')
  await script.granted(anna, 'short', { until: house.clock.wall() + 1 })
  await south.refresh()
  house.clock.advance(2_000)
  await ended('south', 1)
  t.same(faults, [])
})

t.test('a clinic nobody asks about is swept in the round, and folded only when it has to be', async (t) => {
  const house = createEndingHouse()
  await house.clinicEndingAt('north', house.clock.wall() + minute)
  await house.clinicEndingAt('south', house.clock.wall() + 10 * minute)
  const folds = new Map<string, number>()
  const replica = house.replica({ ledger: countingFolds(folds) })
  const { ended } = startExpiry(t, house, replica)
  await waitFor('a first look', () => folds.size === 2)
  const looks = { ...Object.fromEntries(folds) }
  house.clock.advance(minute + 1_000)
  await ended('north', 5)
  t.equal([...replica.writers.kept()].length, 0, 'the state of neither is kept')
  t.equal(folds.get('south'), looks.south, 'a clinic whose state has not moved is not folded again')
  house.clock.advance(10 * minute)
  await ended('south', 5)
})

t.test('a fault of one clinic is told, keeps nothing from the others and is tried again', async (t) => {
  const house = createEndingHouse()
  await house.clinicEndingAt('north', house.clock.wall() + minute)
  await house.clinicEndingAt('south', house.clock.wall() + minute)
  let broken = true
  const replica = house.replica({
    ledger: (ledger) => ({
      ...ledger,
      append: (append) =>
        broken && append.clinic === 'north' ? Promise.reject(new ChartwardenError('LEDGER_UNAVAILABLE')) : ledger.append(append),
    }),
  })
  const { ended, faults } = startExpiry(t, house, replica)
  house.clock.advance(2 * minute)
  await ended('south', 5)
  await waitFor('the fault', () => faults.length > 0)
  t.same(faults[0], { clinic: 'north', reason: 'LEDGER_UNAVAILABLE' })
  const count = faults.length
  for (let pass = 0; pass < 5; pass += 1) await replica.ledger.head('north')
  t.equal(faults.length, count, 'by the clock that stands still it is not tried again yet')
  broken = false
  house.clock.advance(minute)
  await ended('north', 5)
})

t.test('a ledger behind what was seen of it is left alone and said so', async (t) => {
  const house = createEndingHouse()
  await house.clinicEndingAt('north', house.clock.wall() + minute)
  let lost = false
  const replica = house.replica({
    ledger: (ledger) => ({ ...ledger, head: async (clinic) => (lost ? { revision: 0n, stateRevision: 0n } : ledger.head(clinic)) }),
  })
  const folds = new Map<string, number>()
  const { faults } = startExpiry(t, house, {
    ...replica,
    writers: {
      ...replica.writers,
      visit: (clinic) => {
        folds.set(clinic, (folds.get(clinic) ?? 0) + 1)
        return replica.writers.visit(clinic)
      },
    },
  })
  await waitFor('a first look', () => folds.get('north') === 1)
  lost = true
  house.clock.advance(2 * minute)
  await waitFor('the alarm', () => faults.length > 0)
  t.same(faults[0], { clinic: 'north', reason: 'LEDGER_REGRESSED' })
  t.same(endingsOf(await house.events('north')), [])
})

t.test('a ledger that cannot list its clinics is told and asked again', async (t) => {
  const house = createEndingHouse()
  await house.clinicEndingAt('north', house.clock.wall() + minute)
  let broken = true
  const replica = house.replica({
    ledger: (ledger) => ({
      ...ledger,
      clinics: (after, limit) => (broken ? Promise.reject(new ChartwardenError('LEDGER_UNAVAILABLE')) : ledger.clinics(after, limit)),
    }),
  })
  const { ended, faults } = startExpiry(t, house, replica)
  await waitFor('the fault', () => faults.length > 0)
  t.equal(faults[0]?.clinic, undefined)
  broken = false
  house.clock.advance(2 * minute)
  await ended('north', 5)
})

t.test('stopping waits for the append at hand and writes no more', async (t) => {
  const house = createEndingHouse()
  await house.clinicEndingAt('north', house.clock.wall() + minute)
  const arrived = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const replica = house.replica({
    ledger: (ledger) => ({
      ...ledger,
      append: async (append) => {
        arrived.resolve()
        await release.promise
        return ledger.append(append)
      },
    }),
  })
  house.clock.advance(2 * minute)
  const { expiry } = startExpiry(t, house, replica, { maxEntries: 2 })
  await arrived.promise
  const stopped = expiry.stop()
  release.resolve()
  await stopped
  t.equal(endingsOf(await house.events('north')).length, 2)
})

t.test('without rounds, only clinics that are served are swept', async (t) => {
  const house = createEndingHouse()
  await house.clinicEndingAt('north', house.clock.wall() + minute)
  await house.clinicEndingAt('south', house.clock.wall() + minute)
  const looked: string[] = []
  const replica = house.replica({
    ledger: (ledger) => ({
      ...ledger,
      clinics: (after, limit) => {
        looked.push(after)
        return ledger.clinics(after, limit)
      },
    }),
  })
  await replica.writers.open('north')
  const { expiry, ended } = startExpiry(t, house, replica, { rounds: false })
  house.clock.advance(minute + 1_000)
  await ended('north', 5)
  await expiry.stop()
  t.same(looked, [], 'nobody asked which clinics there are')
  t.equal(endingsOf(await house.events('south')).length, 0)
  const { ended: endedInRounds } = startExpiry(t, house, replica)
  await endedInRounds('south', 5)
  t.pass('twin: the rounds find the other one')
})
