/** One command, several processes, one pair of ports: `chartwarden serve` with CHARTWARDEN_WORKERS, as an operator runs it. */
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:net'
import t from 'tap'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { readRecord, staff } from '../support/clinic.ts'
import { startClinicProcess } from '../support/clinic-process.ts'
import { ownConnections } from '../support/own-connections.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { scratchDirectory, testEnvironment } from '../support/service.ts'
import { startServiceProcess } from '../support/service-process.ts'
import { noWorkerLives, ofEvent, pidsOf } from '../support/worker-processes.ts'

t.setTimeout(280_000)

interface Sample {
  readonly name: string
  readonly worker: string
  readonly value: number
}

/** Series of a page of metrics; throws where one has no worker. */
const samplesOf = (page: string): readonly Sample[] =>
  page
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name, worker] = /^([a-z_]+)\{worker="([a-z0-9]+)"/.exec(line) ?? []
      if (name === undefined || worker === undefined) throw new Error(`no worker: ${line}`)
      return { name, worker, value: Number(line.slice(line.lastIndexOf(' ') + 1)) }
    })

t.test('three processes answer on one port, as one service', async (t) => {
  const { service, clients, token } = await startClinicProcess(t, {
    CHARTWARDEN_WORKERS: '3',
    CHARTWARDEN_METRICS_ADDR: '127.0.0.1:0',
  })
  t.match(ofEvent(service, 'service.ready'), [{ workers: 3, embedded: false }], 'it is ready once, when all of them are')
  const workers = ['1', '2', '3']
  for (const worker of workers) t.equal(pidsOf(service, worker).length, 1)
  const metrics = async () => samplesOf(await (await fetch(`${service.metricsAddress}/metrics`)).text())
  const total = (samples: readonly Sample[], name: string, worker: string) =>
    samples.filter((sample) => sample.name === name && sample.worker === worker).reduce((sum, { value }) => sum + value, 0)

  const doors = ownConnections(t, service.address, token, 6)
  const answers: Awaited<ReturnType<(typeof clients.access)['check']>>[] = []
  // One after another, so that the worker that takes a connection is free for the next one again.
  for (const door of doors) answers.push(await door.check(readRecord('north', 'dana')))
  for (const door of doors) answers.push(...(await Promise.all(Array.from({ length: 4 }, () => door.check(readRecord('north', 'dana'))))))
  t.ok(answers.every(({ decision }) => decision === Decision.PERMIT))
  const samples = await metrics()
  const counts = workers.map((worker) => total(samples, 'chartwarden_decisions_total', worker))
  t.ok(
    counts.every((count) => count > 0),
    `each has answered what came over its connections: ${counts}`,
  )
  t.equal(total(samples, 'chartwarden_workers', 'background'), 3)
  for (const name of ['chartwarden_projection_runner_state', 'chartwarden_log_behind_entries', 'chartwarden_ledger_check_interval_seconds'])
    t.same([...new Set(samples.filter((sample) => sample.name === name).map(({ worker }) => worker))], ['background'], name)
  t.same(
    samples.filter(({ name }) => name === 'process_start_time_seconds').map(({ worker }) => worker),
    ['background', ...workers],
  )

  const revision = answers[0]?.entry?.revision ?? -1n
  const { receipt } = await clients.audit.awaitReceipt({ clinic: 'north', key: { case: 'revision', value: revision } })
  t.ok(receipt, 'the process of the background signs what the workers store')
  const ready = await (await fetch(`${service.metricsAddress}/readyz`)).json()
  t.match(ready, { ready: true, checks: { workersServing: 3, workersStarting: 0, ledger: 'answers', log: 'publishing' } })
  const answered = await (await fetch(`${service.httpAddress}/readyz`)).text()
  t.match(JSON.parse(answered), { ready: true, checks: { tokenKeys: 'loaded' } })
  t.notMatch(answered, 'workersServing', 'a worker speaks for itself')

  await clients.people.offboard({ requestId: randomUUID(), clinic: 'north', subject: staff('dana') })
  for (const door of doors) t.equal((await door.check(readRecord('north', 'dana'))).decision, Decision.DENY, 'at every one of them')

  const [pid] = pidsOf(service, '2')
  process.kill(pid as number, 'SIGTERM')
  process.kill(pid as number, 'SIGINT')
  for (const door of doors) t.equal((await door.check(readRecord('north', 'dana'))).decision, Decision.DENY)
  t.same(ofEvent(service, 'worker.exited'), [], 'a worker obeys nobody but the process that started it')
  t.equal(await service.stop(), 0)
  await noWorkerLives(service)
})

t.test('a service whose workers cannot start says so in one line', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => other.once('listening', resolve))
  t.teardown(() => new Promise((resolve) => other.close(resolve)))
  const { port } = other.address() as { readonly port: number }
  const environment = {
    ...testEnvironment(await createTestDatabase(t), scratchDirectory(t, 'refused')),
    CHARTWARDEN_WORKERS: '2',
    CHARTWARDEN_GRPC_ADDR: `127.0.0.1:${port}`,
  }
  await t.rejects(startServiceProcess(t, environment), {
    message: /ended with 5 [^\n]*: chartwarden: gRPC cannot listen on 127\.0\.0\.1:\d+; is it in use\? \(SETUP_UNAVAILABLE\)$/,
  })
})
