/** Processes that answer calls are killed, and then stopped, while they are asked: the ledger says what became of every question. */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { connectionsOf } from '../../services/kernel/postgres/pool-sizes.ts'
import { clientsOf, hire, readRecord, registerTestClinic } from '../support/clinic.ts'
import { createLedgerReader } from '../support/ledger-reader.ts'
import { ownConnections } from '../support/own-connections.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { scratchDirectory, testCallers, testEnvironment } from '../support/service.ts'
import { startServiceProcess } from '../support/service-process.ts'
import { waitFor } from '../support/wait-for.ts'
import { noWorkerLives, ofEvent, pidsOf } from '../support/worker-processes.ts'

t.setTimeout(280_000)

t.test('what answers is killed and then stopped under load: nothing is lost, and the killed are replaced', async (t) => {
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'killed')
  const environment = { ...testEnvironment(database, stateDir), CHARTWARDEN_WORKERS: '2' }
  const service = await startServiceProcess(t, environment)
  const callers = testCallers(t, stateDir, environment)
  const token = await callers.token({ clinics: ['north'] })
  const clients = clientsOf({ client: (definition, given) => callers.client(definition, given, service.address) }, token)
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'dana')

  interface Answer {
    readonly revision: bigint
    readonly decision: Decision
  }
  const answers: Answer[] = []
  let asked = 0
  let failed = 0
  let resting = false
  let stopping = false
  const refusals = new Set<string>()
  /** Each question is asked under one request id until it is answered, or the service has gone. */
  const ask = async (door: ReturnType<typeof ownConnections>[number]): Promise<Answer | undefined> => {
    const question = readRecord('north', 'dana')
    asked += 1
    for (;;) {
      try {
        const { decision, entry } = await door.check(question)
        return { revision: entry?.revision ?? -1n, decision }
      } catch (thrown) {
        if (!(thrown instanceof ChartwardenError)) throw thrown
        refusals.add(thrown.reason)
        if (stopping) return undefined
        failed += 1
        // Not a sleep for something to happen: a caller that asks again at once would only keep the machine busy.
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
  const hammer = async (door: ReturnType<typeof ownConnections>[number]): Promise<void> => {
    while (!resting) {
      const answer = await ask(door)
      if (answer === undefined) return
      answers.push(answer)
    }
  }
  const doors = ownConnections(t, service.address, token, 4)
  const hammerAll = () => Promise.all(doors.flatMap((door) => [hammer(door), hammer(door)]))
  const underKills = hammerAll()
  const answeredSince = async (count: number) => waitFor('more answers', () => answers.length > count + 50)
  await answeredSince(0)
  const inFlight: number[] = []
  for (const [turn, worker] of ['1', '2'].entries()) {
    const pids = pidsOf(service, worker)
    inFlight.push(asked - answers.length)
    process.kill(pids.at(-1) as number, 'SIGKILL')
    await waitFor('another in its place', () => pidsOf(service, worker).length > pids.length)
    t.match(ofEvent(service, 'worker.exited').at(turn), { worker, signal: 'SIGKILL' })
    await answeredSince(answers.length)
  }
  resting = true
  await underKills
  const reader = await createLedgerReader(t, database)
  const decisionsOf = (entries: Awaited<ReturnType<typeof reader.entries>>) =>
    entries.filter(({ type }) => type === 'chartwarden.access.decided.v1')
  t.equal(answers.length, asked)
  t.equal(decisionsOf(await reader.entries('north')).length, asked, 'each question is in the ledger once, however often it was asked')
  const [door] = doors as [(typeof doors)[number]]
  for (const requestId of [randomUUID(), randomUUID()]) {
    const question = { ...readRecord('north', 'dana'), requestId }
    asked += 1
    for (let time = 0; time < 2; time += 1) {
      const { decision, entry } = await door.check(question)
      if (time === 0) answers.push({ revision: entry?.revision ?? -1n, decision })
    }
    t.equal(
      decisionsOf(await reader.entries('north')).length,
      asked,
      'twin: asked under another id it is another entry, under the same it is not',
    )
  }
  t.ok(failed > 0, `${inFlight} questions were under way at the kills, of which ${failed} were asked again`)

  const client = new pg.Client({ connectionString: database.adminUrl })
  await client.connect()
  t.teardown(() => client.end())
  const { rows } = await client.query<{ count: number }>(
    `select count(*)::int as count from pg_stat_activity where datname = current_database() and application_name like 'chartwarden-%'`,
  )
  t.ok((rows[0]?.count ?? 0) <= connectionsOf(2), `${rows[0]?.count} connections`)

  resting = false
  const underStop = hammerAll()
  await answeredSince(answers.length)
  stopping = true
  const unanswered = asked - answers.length
  t.equal(await service.stop(), 0)
  await underStop
  await noWorkerLives(service)
  t.same(
    [...refusals].filter((reason) => reason !== 'SHUTTING_DOWN' && reason !== 'SERVICE_UNREACHABLE'),
    [],
    `${unanswered} questions were under way at the stop; nobody was told anything else`,
  )

  const entries = await reader.entries('north')
  t.same(
    entries.filter(({ revision }, index) => revision !== BigInt(index)),
    [],
    'the ledger has no gap',
  )
  t.equal(new Set(answers.map(({ revision }) => revision)).size, answers.length, 'each answer has a place of its own')
  const unheard = decisionsOf(entries).length - answers.length
  t.ok(unheard >= 0 && unheard <= asked - answers.length, `${unheard} decisions were stored and not heard, of the last ones asked`)
  const different = answers.filter(
    ({ revision, decision }) => entries[Number(revision)]?.data['decision'] !== (decision === Decision.PERMIT ? 'permit' : 'deny'),
  )
  t.same(different, [], 'each answer stands in it as it was given')
})
