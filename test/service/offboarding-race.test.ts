/**
 * Promise 2 under load: three service processes on one database answer checks while 200 people are offboarded through all of them. The ledger
 * alone must prove that no permit of a person stands behind that person's offboarding, and every answer must stand in it as it was given.
 */
import t from 'tap'
import { clientsOf } from '../support/clinic.ts'
import { raceOffboardings } from '../support/offboarding-race.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { countersOf } from '../support/scrape.ts'
import { scratchDirectory, startTestService, testCallers, testEnvironment } from '../support/service.ts'
import { startServiceProcess } from '../support/service-process.ts'

t.test('200 people leave while three processes answer checks about them', { timeout: 240_000 }, async (t) => {
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'race')
  // The reader of this process makes the schema and the keys, and reads the ledger at the end.
  const reader = await startTestService(t, { database, stateDir })
  const environment = { ...testEnvironment(database, stateDir), CHARTWARDEN_METRICS_ADDR: '127.0.0.1:0' }
  const processes = await Promise.all(Array.from({ length: 3 }, () => startServiceProcess(t, environment)))
  const callers = testCallers(t, stateDir, environment)
  const token = await callers.token({ clinics: ['north'] })
  const replicas = processes.map(({ address }) => clientsOf({ client: (service, given) => callers.client(service, given, address) }, token))

  const found = await raceOffboardings({ clinic: 'north', reader: clientsOf(reader, token), replicas, leavers: 200, lanes: 8 })
  t.equal(found.notOnce, 0, 'every offboarding is in the ledger once')
  t.equal(found.gaps, 0, 'the ledger has no gap')
  t.same(found.permitsAfter, [], 'no permit stands behind its person’s offboarding')
  t.same(found.different, [], `all ${found.answers} answers stand in the ledger as they were given`)
  t.same(found.late, [], 'no permit was answered for a place behind an acknowledged offboarding')
  t.equal(found.untouched, 0, 'each of the 200 has permits before the offboarding and denies after it')

  const counted = await Promise.all(processes.map(({ metricsAddress }) => countersOf(metricsAddress)))
  for (const [index, of] of counted.entries()) {
    const again = of('chartwarden_decide_again_total', { cause: 'moved' })
    const refused = of('chartwarden_appends_total', { outcome: 'moved' })
    t.ok(again > 0 && refused >= again, `process ${index + 1}: the ledger refused ${refused} appends, ${again} decisions were made again`)
  }
})

t.test('a replica that fails ends the race at once, since nobody it was to answer is waited for', { timeout: 60_000 }, async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const clients = clientsOf(service, await service.token({ clinics: ['north', 'south'] }))
  const failing = { ...clients, access: { ...clients.access, check: () => Promise.reject(new Error('the replica is gone')) } }
  await t.rejects(raceOffboardings({ clinic: 'north', reader: clients, replicas: [clients, failing], leavers: 3, lanes: 1 }), {
    message: 'the replica is gone',
  })
  const deaf = { ...clients, people: { ...clients.people, offboard: () => new Promise<never>(() => {}) } }
  let checks = 0
  const later = {
    ...deaf,
    access: {
      ...clients.access,
      check: (...call: Parameters<typeof clients.access.check>) => {
        checks += 1
        return checks > 50 ? Promise.reject(new Error('the replica went')) : clients.access.check(...call)
      },
    },
  }
  await t.rejects(
    raceOffboardings({ clinic: 'south', reader: clients, replicas: [later], leavers: 3, lanes: 1 }),
    { message: 'the replica went' },
    'also while people leave',
  )
})
