/**
 * Promise 2 does not rest on clocks: replicas whose machines disagree about the time, and whose clocks run at different speeds, keep it. In the
 * twin one replica's decisions rest on no state, and the same findings tell.
 */
import t, { type Test } from 'tap'
import type { Ledger } from '../../services/audit/ledger.ts'
import { type Clock, systemClock } from '../../services/kernel/clock.ts'
import { clientsOf } from '../support/clinic.ts'
import { restingOnAny } from '../support/gate.ts'
import { raceOffboardings } from '../support/offboarding-race.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { scratchDirectory, startTestService } from '../support/service.ts'

const minute = 60_000

/** A clock that is off by so much and runs at another speed. */
const otherClock = (aheadMs: number, speed: number): Clock => {
  const [wall, monotonic] = [systemClock.wall(), systemClock.monotonic()]
  const passed = (): number => (systemClock.monotonic() - monotonic) * speed
  return { wall: () => wall + aheadMs + passed(), monotonic: () => monotonic + passed() }
}

const clocks = (): readonly Clock[] => [otherClock(25 * minute, 1.05), otherClock(-120 * minute, 0.95), systemClock]

const raceWith = async (t: Test, decorations: readonly ((ledger: Ledger) => Ledger)[]) => {
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'clocks')
  const reader = await startTestService(t, { database, stateDir })
  const token = await reader.token({ clinics: ['north'], ttlSeconds: 3_600 })
  const replicas = await Promise.all(
    clocks().map((clock, index) => {
      const decorateLedger = decorations[index]
      return startTestService(t, { database, stateDir, clock, ...(decorateLedger === undefined ? {} : { decorateLedger }) })
    }),
  )
  return raceOffboardings({
    clinic: 'north',
    reader: clientsOf(reader, token),
    // What a replica writes itself it reads on to: one that is sabotaged is asked only.
    replicas: replicas.map((replica, index) => ({
      access: clientsOf(replica, token).access,
      people: clientsOf(decorations[index] === undefined ? replica : reader, token).people,
    })),
    leavers: 30,
    lanes: 4,
  })
}

t.test('replicas that disagree about the time let no leaver in', { timeout: 120_000 }, async (t) => {
  const { answers, ...found } = await raceWith(t, [])
  t.same(found, { gaps: 0, notOnce: 0, permitsAfter: [], different: [], late: [], untouched: 0 }, `${answers} answers`)
})

t.test('sabotage: a replica whose decisions rest on any state lets leavers in, and it shows', { timeout: 120_000 }, async (t) => {
  const found = await raceWith(t, [restingOnAny])
  t.ok(found.permitsAfter.length > 0)
  t.ok(found.late.length > 0)
})
