/**
 * The service with its ledger in KurrentDB, over the protocol double: the main job, what the ledger says of it, an answer that was lost, a
 * server that is away, and promise 2 with three replicas.
 */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { Ledger } from '../../services/audit/ledger.ts'
import { checkOf } from '../support/check-of.ts'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'
import { restingOnAny } from '../support/gate.ts'
import { cutAfterStoring, hold, storeSilently } from '../support/kurrent-double/append-scripts.ts'
import { startKurrentDouble } from '../support/kurrent-double/double.ts'
import { doMainJob } from '../support/main-job.ts'
import { raceOffboardings } from '../support/offboarding-race.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { scratchDirectory, startTestService, type TestServiceOptions, testCallers, testEnvironment } from '../support/service.ts'
import { startServiceProcess } from '../support/service-process.ts'
import { waitFor } from '../support/wait-for.ts'

/** One installation, with as many services in this process as are started. */
const installation = async (t: Test) => {
  const double = await startKurrentDouble(t)
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'kurrentdb')
  const environment = { CHARTWARDEN_KURRENTDB_URL: double.url }
  const start = (more: Partial<TestServiceOptions> = {}) => startTestService(t, { database, stateDir, environment, ...more })
  const service = await start()
  const token = await service.token({ clinics: ['north'] })
  return { double, database, stateDir, environment, start, token, clients: clientsOf(service, token) }
}

t.test('from a question to the report, and the end of a person’s access', async (t) => {
  const { double, clients } = await installation(t)
  await doMainJob(t, clients)

  const revisions: bigint[] = []
  for await (const { item } of clients.audit.readEntries({ clinic: 'north' }))
    if (item.case === 'entry') revisions.push(item.value.revision)
  t.same(
    revisions,
    revisions.map((_, index) => BigInt(index)),
  )
  const streams = new Set(double.appends.map(({ stream }) => stream))
  const own = [...streams].filter((stream) => stream.endsWith('-north'))
  t.equal(own.length, 1, 'one stream holds the clinic')
  t.equal(double.log.stream(own[0] ?? '')?.length, revisions.length, 'and nothing but its ledger')
  const { result } = await checkOf(clients.audit, 'north', {}, { projections: true })
  t.same(result?.faults, [])
  t.match(result, { moreFaults: false, projections: true })
})

t.test('an answer that was lost is found out about, and the caller is told what was stored', async (t) => {
  const { double, clients } = await installation(t)
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'anna')
  for (const script of [cutAfterStoring(double), storeSilently]) {
    const question = readRecord('north', 'anna')
    await clients.access.check(readRecord('north', 'anna'))
    double.script(script)
    const answer = await clients.access.check(question)
    t.equal(answer.decision, Decision.PERMIT)
    const again = await clients.access.check(question)
    t.equal(again.replayed, true)
    t.equal(again.entry?.revision, answer.entry?.revision)
  }
  t.same((await checkOf(clients.audit)).result?.faults, [])
})

t.test('without its server the service answers UNAVAILABLE, never a permit, and goes on by itself once it is back', async (t) => {
  const { double, clients } = await installation(t)
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'anna')
  const before = await clients.access.check(readRecord('north', 'anna'))
  double.stop()
  await t.rejects(clients.access.check(readRecord('north', 'anna')), fault('LEDGER_UNAVAILABLE'))
  await double.start()
  await waitFor('the service to answer again', () =>
    clients.access.check(readRecord('north', 'anna')).then(
      ({ decision }) => decision === Decision.PERMIT,
      () => false,
    ),
  )
  const { entry } = await clients.audit.getEntry({ clinic: 'north', key: { case: 'id', value: before.entry?.id ?? '' } })
  t.equal(entry?.revision, before.entry?.revision)
})

t.test('people leave while three processes answer checks about them', { timeout: 240_000 }, async (t) => {
  const { database, stateDir, environment, clients, token } = await installation(t)
  const variables = { ...testEnvironment(database, stateDir), ...environment }
  const processes = await Promise.all(Array.from({ length: 3 }, () => startServiceProcess(t, variables)))
  const callers = testCallers(t, stateDir, variables)
  const replicas = processes.map(({ address }) => clientsOf({ client: (service, given) => callers.client(service, given, address) }, token))
  const { answers, ...found } = await raceOffboardings({ clinic: 'north', reader: clients, replicas, leavers: 12, lanes: 4 })
  t.same(found, { gaps: 0, notOnce: 0, permitsAfter: [], different: [], late: [], untouched: 0 }, `${answers} answers`)
})

/** What a check answers whose append is under way in KurrentDB while the person is offboarded by another service. */
const checkHeldOverOffboarding = async (t: Test, decorateLedger: (ledger: Ledger) => Ledger = (ledger) => ledger) => {
  const { double, clients: here, token, start } = await installation(t)
  const there = clientsOf(await start({ decorateLedger }), token)
  await registerTestClinic(here, 'north')
  await hire(here, 'north', 'anna')
  t.equal((await there.access.check(readRecord('north', 'anna'))).decision, Decision.PERMIT, 'permitted before')
  const held = hold()
  double.script(held.script)
  const answer = there.access.check(readRecord('north', 'anna'))
  const append = await held.taken
  const left = await here.people.offboard({ requestId: randomUUID(), clinic: 'north', subject: staff('anna') })
  append.reply(append.store())
  return { answer: await answer, left }
}

t.test('a decision under way while the person is offboarded is decided again', async (t) => {
  const { answer, left } = await checkHeldOverOffboarding(t)
  t.match(answer, { decision: Decision.DENY, reasonCode: 'offboarded' })
  t.ok((answer.entry?.revision ?? 0n) > (left.entry?.revision ?? 0n))
})

t.test('sabotage: a decision that rests on any state lets the leaver in', async (t) => {
  const { answer, left } = await checkHeldOverOffboarding(t, restingOnAny)
  t.equal(answer.decision, Decision.PERMIT, 'without the mechanism the promise is broken')
  t.ok((answer.entry?.revision ?? 0n) > (left.entry?.revision ?? 0n))
})
