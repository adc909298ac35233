import { request } from 'node:http'
import t, { type Test } from 'tap'
import type { Readiness } from '../../services/kernel/http/readiness.ts'
import { createLogger } from '../../services/kernel/logging.ts'
import { createOperationsServer, type OperationsServer } from '../../services/kernel/operations-server.ts'
import { logLines } from '../support/log-lines.ts'

const address = { host: '127.0.0.1', port: 0 }

const ready = async () => ({ ready: true, checks: {} })

const started = async (
  t: Test,
  text: () => Promise<string>,
  logger = createLogger({ level: 'silent' }),
  readiness: () => Promise<Readiness> = ready,
) => {
  const server: OperationsServer = createOperationsServer({ address, text, logger, readiness })
  const port = await server.start()
  t.teardown(() => server.close())
  return { server, port, url: `http://127.0.0.1:${port}` }
}

t.test('GET /metrics answers with the text, and nothing is there that needs a token', async (t) => {
  const { url } = await started(t, async () => 'jobs_total 3\n')
  const answer = await fetch(`${url}/metrics`)
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  t.equal(answer.headers.get('cache-control'), 'no-store')
  t.equal(await answer.text(), 'jobs_total 3\n')
  t.equal((await fetch(`${url}/metrics?name[]=jobs_total`)).status, 200, 'a query is ignored')
  for (const path of ['/', '/metrics/', '/readyz/', '/constructor', '/v1/caller', '/..%2fmetrics'])
    t.equal((await fetch(url + path)).status, 404, path)
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const refused = await fetch(`${url}/metrics`, { method, ...(method === 'POST' ? { body: 'x'.repeat(100_000) } : {}) })
    t.equal(refused.status, 405, method)
    t.equal(refused.headers.get('allow'), 'GET')
  }
})

t.test('whoever probes learns without a certificate whether it lives and is ready, in bounded time', async (t) => {
  let answer: () => Promise<Readiness> = async () => ({ ready: true, checks: { ledger: 'answers' } })
  const { lines, logger } = logLines()
  const { url } = await started(
    t,
    async () => '',
    logger,
    () => answer(),
  )
  const asked = async (path: string) => {
    const { status, headers } = await fetch(url + path)
    return { status, type: headers.get('content-type') }
  }
  t.strictSame(await (await fetch(`${url}/healthz`)).json(), { status: 'ok' })
  t.strictSame(await (await fetch(`${url}/readyz`)).json(), { ready: true, checks: { ledger: 'answers' } })
  answer = async () => ({ ready: false, checks: { ledger: 'does not answer' } })
  t.match(await asked('/readyz'), { status: 503, type: /^application\/json/ })
  t.equal((await asked('/healthz')).status, 200, 'what is not ready lives')
  answer = () => Promise.reject(new Error('the password is hunter2'))
  const failed = await fetch(`${url}/readyz`)
  t.equal(failed.status, 503)
  t.notMatch(await failed.text(), /hunter2/)
  t.match(lines, [{ event: 'readiness.failed' }])
  t.equal((await fetch(`${url}/readyz`, { method: 'POST' })).status, 405)
})

t.test('a fault of collecting is logged and not told', async (t) => {
  const { lines, logger } = logLines()
  const { url } = await started(t, () => Promise.reject(new Error('the password is hunter2')), logger)
  const answer = await fetch(`${url}/metrics`)
  t.equal(answer.status, 500)
  t.notMatch(await answer.text(), /hunter2/)
  t.match(lines, [{ event: 'metrics.failed' }])
})

t.test('an address in use stops the start with one line', async (t) => {
  const { port } = await started(t, async () => '')
  const second = createOperationsServer({
    address: { ...address, port },
    text: async () => '',
    readiness: ready,
    logger: createLogger({ level: 'silent' }),
  })
  await t.rejects(second.start(), {
    name: 'StartError',
    message: new RegExp(`^The metrics cannot listen on 127.0.0.1:${port}; is it in use\\?$`),
  })
})

t.test('it stops at once, whoever is still connected', async (t) => {
  const { server, port } = await started(t, () => new Promise(() => undefined))
  const waiting = request({ port, path: '/metrics' })
  const cut = new Promise((resolve) => waiting.once('error', resolve))
  const connected = new Promise((resolve) => waiting.once('socket', (socket) => socket.once('connect', resolve)))
  waiting.end()
  await connected
  await server.close()
  t.match(await cut, { code: 'ECONNRESET' })
})
