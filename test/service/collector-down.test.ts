/** A collector that is down or silent changes no answer and holds no stop up. */
import { createServer, type Server } from 'node:net'
import t, { type Test } from 'tap'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { danaAsks, startClinicProcess } from '../support/clinic-process.ts'
import { waitFor } from '../support/wait-for.ts'

const listen = async (t: Test, server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Nobody listens there. */
const nobody = async (t: Test) => {
  const server = createServer()
  const port = await listen(t, server)
  await new Promise((resolve) => server.close(resolve))
  return { port, connections: () => 0 }
}

/** Takes connections and never answers. */
const silence = async (t: Test) => {
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    socket.on('error', () => undefined).resume()
    t.teardown(() => socket.destroy())
  })
  return { port: await listen(t, server), connections: () => connections }
}

const collectors = [
  ['refuses connections', nobody],
  ['takes connections and never answers', silence],
] as const

for (const [what, start] of collectors) {
  t.test(`a collector that ${what} changes nothing`, async (t) => {
    const collector = await start(t)
    const { service, clients } = await startClinicProcess(t, {
      CHARTWARDEN_METRICS_ADDR: '127.0.0.1:0',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_METRIC_EXPORT_INTERVAL: '100',
      OTEL_METRIC_EXPORT_TIMEOUT: '100',
    })
    const check = () => clients.access.check({ ...danaAsks(), clinic: 'north' })
    const text = async () => (await fetch(`${service.metricsAddress}/metrics`)).text()
    const decided = async () => Number(/^chartwarden_decisions_total\{.*\} (\d+)$/m.exec(await text())?.[1])
    const faults = async () => Number(/^chartwarden_telemetry_faults_total (\d+)$/m.exec(await text())?.[1])

    const answers = await Promise.all(Array.from({ length: 100 }, check))
    t.ok(answers.every(({ decision, entry }) => decision !== Decision.UNSPECIFIED && entry !== undefined))
    await waitFor('a fault to be counted', async () => (await faults()) > 0)
    t.equal(collector.connections() > 0, start === silence)
    answers.push(...(await Promise.all(Array.from({ length: 100 }, check))))
    t.ok(answers.every(({ decision, entry }) => decision !== Decision.UNSPECIFIED && entry !== undefined))
    t.equal(await decided(), 200, 'metrics are there without a collector')

    t.equal(await service.stop(), 0, 'it stops, whatever is still waiting for the collector')
    t.equal(service.lines.filter(({ event }) => event === 'telemetry.failed').length, 1, 'said once, however often it happens')
  })
}
