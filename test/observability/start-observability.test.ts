import { createServer } from 'node:net'
import t from 'tap'
import { systemClock } from '../../services/kernel/clock.ts'
import { startObservability } from '../../services/observability/start-observability.ts'
import { logLines } from '../support/log-lines.ts'

t.test('an address of the metrics that is in use stops a service that was told to use it, and no other', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => other.once('listening', resolve))
  t.teardown(() => new Promise((resolve) => other.close(resolve)))
  const { port } = other.address() as { readonly port: number }
  const { lines, logger } = logLines()
  const start = (metricsAddrGiven: boolean, host = '127.0.0.1') =>
    startObservability({
      config: { metricsAddr: { host, port }, metricsAddrGiven, otlp: { traces: false, metrics: false } },
      version: '1',
      logger,
      clock: systemClock,
    })
  const observability = await start(false)
  t.equal(observability.metricsPort, undefined)
  t.match(lines, [{ event: 'metrics.address_taken', address: `127.0.0.1:${port}` }])
  await observability.stop()
  await t.rejects(
    start(true),
    { name: 'StartError', message: /^The metrics cannot listen on 127\.0\.0\.1:\d+; is it in use\?$/ },
    'twin: it was asked for',
  )
  await t.rejects(start(false, '192.0.2.1'), { name: 'StartError' }, 'an address that is not of this machine is no such case')
})

t.test('until its parts are there, a service lives and is not ready', async (t) => {
  const observability = await startObservability({
    config: { metricsAddr: { host: '127.0.0.1', port: 0 }, metricsAddrGiven: true, otlp: { traces: false, metrics: false } },
    version: '1',
    logger: logLines().logger,
    clock: systemClock,
  })
  t.teardown(() => observability.stop())
  const url = `http://127.0.0.1:${observability.metricsPort}`
  t.equal((await fetch(`${url}/healthz`)).status, 200)
  const answer = await fetch(`${url}/readyz`)
  t.strictSame([answer.status, await answer.json()], [503, { ready: false, checks: { starting: true } }])
})
