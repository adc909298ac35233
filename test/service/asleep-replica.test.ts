/**
 * A replica that slept while others went on: it lets nobody in who left meanwhile, and it catches up by the entries that change the state
 * alone, however many decisions lie between them. Shown by the statements that it sends and the rows that it gets.
 */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { Ledger } from '../../services/audit/ledger.ts'
import { type Clients, clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { openPool } from '../support/postgres-engine.ts'
import type { TestDatabase } from '../support/postgres-server.ts'
import { scratchDirectory, startTestService, testCallers, testEnvironment } from '../support/service.ts'
import { startServiceProcess } from '../support/service-process.ts'
import { watchStatements } from '../support/statement-counts.ts'

const clinic = 'north'
const batches = 5
const batchSize = 200

interface Sleeper {
  readonly clients: Clients
  sleep(): void
  wake(): void
}

/** What a replica of the service is: over that database, with that directory of its installation. */
type StartSleeper = (database: TestDatabase, stateDir: string, token: string) => Promise<Sleeper>

const stateChangingIn = async (t: Test, database: TestDatabase): Promise<number> => {
  const { rows } = await openPool(t, database.adminUrl).query<{ readonly count: string }>(
    'select count(*) from chartwarden_ledger.entries where clinic = $1 and state_changing',
    [clinic],
  )
  return Number(rows[0]?.count)
}

/** Lets it sleep over 1,000 decisions and some changes, and tells what it read to answer the first question after. */
const sleepOver = async (t: Test, start: StartSleeper) => {
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'asleep')
  const awake = await startTestService(t, { database, stateDir })
  const token = await awake.token({ clinics: [clinic] })
  const clients = clientsOf(awake, token)
  await registerTestClinic(clients, clinic)
  for (const person of ['anna', 'ben']) await hire(clients, clinic, person)

  const statements = await watchStatements(t, database)
  const sleeper = await start({ ...database, writerUrl: statements.writerUrl }, stateDir, token)
  t.equal((await sleeper.clients.access.check(readRecord(clinic, 'ben'))).decision, Decision.PERMIT, 'permitted before')
  const before = await stateChangingIn(t, database)
  sleeper.sleep()
  await clients.people.offboard({ requestId: randomUUID(), clinic, subject: staff('ben') })
  for (let batch = 0; batch < batches; batch += 1) {
    await hire(clients, clinic, `new-${batch}`)
    await clients.access.checkBatch({ clinic, checks: Array.from({ length: batchSize }, () => readRecord(clinic, 'anna')) })
  }
  const changes = (await stateChangingIn(t, database)) - before
  statements.reset()
  sleeper.wake()
  const answer = await sleeper.clients.access.check(readRecord(clinic, 'ben'))
  return { answer, changes, statements }
}

t.test('a process that was stopped denies who left meanwhile, and reads nothing but what changed the state', async (t) => {
  const { answer, changes, statements } = await sleepOver(t, async (database, stateDir, token) => {
    const environment = testEnvironment(database, stateDir)
    const replica = await startServiceProcess(t, environment)
    const callers = testCallers(t, stateDir, environment)
    return {
      clients: clientsOf({ client: (service, given) => callers.client(service, given, replica.address) }, token),
      sleep: () => void process.kill(replica.pid, 'SIGSTOP'),
      wake: () => void process.kill(replica.pid, 'SIGCONT'),
    }
  })
  t.equal(answer.decision, Decision.DENY)
  t.equal(answer.reasonCode, 'offboarded')
  t.equal(changes, 1 + 2 * batches)
  t.equal(statements.count('chartwarden_readState').rows, changes)
  t.same(statements.count('chartwarden_read'), { executions: 0, rows: 0 })
  t.ok(
    statements.rows() < batchSize,
    `${statements.rows()} rows of any kind, for ${changes} changes among ${batches * batchSize} decisions`,
  )
})

/** The sabotage: catches up by everything. */
const readingAll = (ledger: Ledger): Ledger => ({
  ...ledger,
  readState: async function* (of, from) {
    for await (const entry of ledger.read(of, from, 2n ** 62n)) if (entry.stateChanging) yield entry
  },
})

t.test('sabotage: a replica that catches up by every entry is seen to', async (t) => {
  const { answer, changes, statements } = await sleepOver(t, async (database, stateDir, token) => {
    const replica = await startTestService(t, { database, stateDir, decorateLedger: readingAll })
    return { clients: clientsOf(replica, token), sleep: () => {}, wake: () => {} }
  })
  t.equal(answer.decision, Decision.DENY)
  t.ok(statements.count('chartwarden_read').rows >= batches * batchSize + changes)
})
