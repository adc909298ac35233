import { once } from 'node:events'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import type { InjectOptions } from 'fastify'
import t from 'tap'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { createHttpServer } from '../../../services/kernel/http/server.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { selfSigned } from '../../support/certificate.ts'
import { httpDoor } from '../../support/http-door.ts'
import { waitFor } from '../../support/wait-for.ts'

const schema = {
  body: {
    type: 'object',
    additionalProperties: false,
    required: ['count'],
    properties: { count: { type: 'integer' }, subject: { type: 'object', properties: { id: { type: 'string' } } } },
  },
}

/** A door with a route that takes a body and one that fails. */
const door = (t: Parameters<typeof httpDoor>[0], options: Parameters<typeof httpDoor>[1] = {}) =>
  httpDoor(t, {
    routes: (server, requireToken) => {
      server.post('/v1/things', { schema, onRequest: requireToken('staff.write') }, async ({ body }) => body)
      server.post('/v1/open', { schema }, async ({ body }) => body)
      server.get('/v1/fails', () => Promise.reject(new Error('hunter2')))
      server.get('/v1/overloaded', () =>
        Promise.reject(new ChartwardenError('OVERLOADED', { retryAfterSeconds: 0.2, metadata: { waiting: '7' } })),
      )
      server.get('/v1/by-name/:name', async () => ({}))
    },
    ...options,
  })

t.test('the caller learns what its token is good for', async (t) => {
  const { ask, token, clock } = await door(t)
  const answer = await ask(token({ clinics: ['south'], scope: 'act access.check' }))
  t.equal(answer.statusCode, 200)
  t.strictSame(answer.json(), {
    id: 'practice-software',
    issuer: 'https://idp.example',
    clinics: ['north', 'south'],
    scopes: ['access.check', 'act'],
    expires_at: new Date((Math.floor(clock.wall() / 1000) + 600) * 1000).toISOString(),
  })
})

t.test('liveness and readiness are open; what is not ready is said', async (t) => {
  let ready = true
  const { server } = await door(t, {
    readiness: async () => ({ ready, checks: { ledger: ready ? 'answers' : 'does not answer', behind: 3 } }),
  })
  t.strictSame((await server.inject('/healthz')).json(), { status: 'ok' })
  t.equal((await server.inject('/readyz')).statusCode, 200)
  ready = false
  const answer = await server.inject('/readyz')
  t.equal(answer.statusCode, 503)
  t.strictSame(answer.json(), { ready: false, checks: { ledger: 'does not answer', behind: 3 } })
})

t.test('a readiness that hangs or fails is not ready, in bounded time', async (t) => {
  const hanging = await door(t, { readiness: () => new Promise(() => undefined) })
  const answer = hanging.server.inject('/readyz')
  await waitFor('the question', () => hanging.timers.pending().includes(2_000))
  hanging.timers.runAll()
  t.equal((await answer).statusCode, 503)
  const failing = await door(t, {
    readiness: () => {
      throw new Error('hunter2')
    },
  })
  const failed = await failing.server.inject('/readyz')
  t.equal(failed.statusCode, 503)
  t.notMatch(failed.body, /hunter2/)
  t.equal(failing.log.of('readiness.failed').length, 1)
})

t.test('every refusal is a problem document with its reason and correlation id', async (t) => {
  const { server, token } = await door(t, { bodyLimit: 1_000 })
  const headers = { authorization: `Bearer ${token({ scope: 'staff.write' })}` }
  const json = { ...headers, 'content-type': 'application/json' }
  const post = (payload: string, more: object = {}) => ({
    method: 'POST' as const,
    url: '/v1/things',
    headers: { ...json, ...more },
    payload,
  })
  const cases: readonly (readonly [string, InjectOptions, number, string])[] = [
    ['an address that is not there', { url: '/v1/nothing' }, 404, 'ROUTE_UNKNOWN'],
    ['a method that is not there', { method: 'DELETE', url: '/healthz' }, 405, 'METHOD_NOT_ALLOWED'],
    ['a method that is not there, below a name', { method: 'PUT', url: '/v1/by-name/x?y' }, 405, 'METHOD_NOT_ALLOWED'],
    ['no name where one belongs', { method: 'PUT', url: '/v1/by-name/' }, 404, 'ROUTE_UNKNOWN'],
    ['a compressed body', post('{"count":1}', { 'content-encoding': 'gzip' }), 415, 'MEDIA_TYPE_UNSUPPORTED'],
    ['another charset', post('{"count":1}', { 'content-type': 'application/json; charset=utf-16' }), 415, 'MEDIA_TYPE_UNSUPPORTED'],
    [
      'another charset in quotes',
      post('{"count":1}', { 'content-type': 'application/json;Charset="latin1"' }),
      415,
      'MEDIA_TYPE_UNSUPPORTED',
    ],
    ['an expectation', { url: '/healthz', headers: { expect: 'cake' } }, 417, 'EXPECTATION_UNKNOWN'],
    ['no token', { method: 'POST', url: '/v1/things', payload: {} }, 401, 'TOKEN_MISSING'],
    ['another scope', { ...post('{}'), headers: { authorization: `Bearer ${token()}` } }, 403, 'SCOPE_MISSING'],
    ['malformed JSON', post('{'), 400, 'INVALID_ARGUMENT'],
    ['an empty body', post(''), 400, 'INVALID_ARGUMENT'],
    ['a prototype in the body', post('{"__proto__":{"x":1}}'), 400, 'INVALID_ARGUMENT'],
    ['another content type', post('count=1', { 'content-type': 'application/x-www-form-urlencoded' }), 415, 'MEDIA_TYPE_UNSUPPORTED'],
    ['plain text', post('{"count":1}', { 'content-type': 'text/plain' }), 415, 'MEDIA_TYPE_UNSUPPORTED'],
    ['a body that is too large', post(`{"count":1,"x":"${'x'.repeat(1_000)}"}`), 413, 'MESSAGE_TOO_LARGE'],
    ['a number as text', post('{"count":"1"}'), 400, 'INVALID_ARGUMENT'],
    ['a member that is not known', post('{"count":1,"more":2}'), 400, 'INVALID_ARGUMENT'],
    ['a bad escape in the address', { url: '/v1/by-name/%zz' }, 400, 'INVALID_ARGUMENT'],
    ['overload', { url: '/v1/overloaded' }, 429, 'OVERLOADED'],
    ['a fault', { url: '/v1/fails' }, 500, 'INTERNAL'],
  ]
  for (const [what, question, status, reason] of cases) {
    const answer = await server.inject(question)
    t.equal(answer.statusCode, status, what)
    t.match(answer.headers['content-type'], /^application\/problem\+json/, what)
    const problem = answer.json()
    t.match(problem, { type: `tag:chartwarden.example,2026:error/${reason}`, status, reason, detail: String, title: String }, what)
    t.equal(problem.correlation_id, answer.headers['x-correlation-id'], what)
    t.equal(answer.headers['x-content-type-options'], 'nosniff', what)
    t.equal(answer.headers['cache-control'], 'no-store', what)
    t.notMatch(answer.body, /hunter2/, what)
  }
})

t.test('what Node would answer by itself is a problem document too, and two tokens are none', async (t) => {
  const { http, token, refusals } = await door(t)
  const port = await http.start()
  /** Sends bytes as they are; the answer up to the end of the connection. */
  const raw = async (head: readonly string[], body = '') => {
    const socket = connect(port, '127.0.0.1')
    socket.end([...head, 'connection: close', `content-length: ${body.length}`, '', body].join('\r\n'))
    return text(socket)
  }
  const bearer = `authorization: Bearer ${token({ scope: 'staff.write' })}`
  const problem = (answer: string, status: number, reason: string) => {
    t.match(answer, new RegExp(`^HTTP/1.1 ${status} `), reason)
    t.match(answer, /content-type: application\/problem\+json/i)
    t.match(answer, `"reason":"${reason}"`)
  }
  problem(await raw(['GET /healthz HTTP/1.1']), 400, 'INVALID_ARGUMENT')
  problem(await raw(['GET /healthz HTTP/1.1', 'host: x', 'expect: cake']), 417, 'EXPECTATION_UNKNOWN')
  const caller = ['GET /v1/caller HTTP/1.1', 'host: x', bearer]
  t.match(await raw(caller), /^HTTP\/1.1 200 /, 'twin: one token is one')
  problem(await raw([...caller, 'Authorization: Bearer other']), 401, 'TOKEN_REFUSED')
  problem(await raw([...caller, bearer]), 401, 'TOKEN_REFUSED')
  t.match(refusals.at(-1), { reason: 'TOKEN_REFUSED', address: '127.0.0.1' })
  t.match(await raw(['GET /healthz HTTP/1.0']), /^HTTP\/1.1 200 /, 'HTTP/1.0 has no host')
  const json = ['POST /v1/open HTTP/1.1', 'host: x', 'content-type: application/json; charset=UTF-8', 'content-encoding: identity']
  t.match(await raw([...json, 'expect: 100-continue'], '{"count":1}'), /HTTP\/1.1 200 .*{"count":1}$/s)
  problem(await raw([...json, 'content-type: text/plain'], '{"count":1}'), 415, 'MEDIA_TYPE_UNSUPPORTED')
})

t.test('a method that an address does not answer is told those that it does', async (t) => {
  const { server } = await door(t)
  const allow = async (method: 'GET' | 'DELETE', url: string) => (await server.inject({ method, url })).headers['allow']
  t.equal(await allow('DELETE', '/healthz'), 'GET, HEAD')
  t.equal(await allow('GET', '/v1/open'), 'POST')
  t.equal(await allow('GET', '/v1/nothing'), undefined)
})

t.test('a problem names the fields, and says when to try again', async (t) => {
  const { server } = await door(t)
  const post = async (body: object) => (await server.inject({ method: 'POST', url: '/v1/open', payload: body })).json()
  t.match((await post({})).errors, [{ field: 'count' }])
  t.match((await post({ count: 1, more: 1 })).errors, [{ field: 'more' }])
  t.match((await post({ count: 1, subject: { id: 7 } })).errors, [{ field: 'subject.id', detail: 'must be string' }])
  t.strictSame(await post({ count: 1 }), { count: 1 })
  const overloaded = await server.inject('/v1/overloaded')
  t.equal(overloaded.headers['retry-after'], '1')
  t.strictSame(overloaded.json().metadata, { waiting: '7' })
})

t.test('a fault is logged under the correlation id its caller got', async (t) => {
  const { server, log } = await door(t)
  const answer = await server.inject('/v1/fails')
  const [line] = log.of('http.failed')
  t.match(line, {
    correlationId: answer.headers['x-correlation-id'],
    route: '/v1/fails',
    err: { reason: 'INTERNAL', cause: { message: 'hunter2' } },
  })
})

t.test('refusals are reported with their caller; the address and query of a request are not logged', async (t) => {
  const { server, log, refusals, token } = await door(t)
  const headers = { authorization: `Bearer ${token()}` }
  await server.inject({ method: 'POST', url: '/v1/things?patient=Mustermann', headers, payload: { count: 1 } })
  await server.inject({ url: '/v1/by-name/Mustermann', headers })
  t.strictSame(refusals, [{ reason: 'SCOPE_MISSING', address: '127.0.0.1', caller: 'practice-software', clinic: 'north' }])
  t.notMatch(JSON.stringify(log.lines), /Mustermann|Bearer/)
  t.equal(log.of('http.answered').length, 2)
})

t.test('a correlation id of the caller is not taken over', async (t) => {
  const { server } = await door(t)
  const answer = await server.inject({ url: '/healthz', headers: { 'x-correlation-id': 'mine', 'request-id': 'mine' } })
  t.match(answer.headers['x-correlation-id'], /^[0-9a-f-]{36}$/)
})

t.test('bytes that are not HTTP, headers that are too large and a request that never arrives get an answer', async (t) => {
  const { http } = await door(t, { requestTimeoutMs: 300 })
  const port = await http.start()
  const say = async (bytes: string): Promise<string> => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.on('data', (part) => (text += part))
    socket.on('error', () => undefined)
    socket.write(bytes)
    await once(socket, 'close')
    return text
  }
  t.match(await say('nonsense\r\n\r\n'), /^HTTP\/1\.1 400 .*"reason":"INVALID_ARGUMENT"/s)
  t.match(await say(`GET / HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`), /^HTTP\/1\.1 413 .*"reason":"MESSAGE_TOO_LARGE"/s)
  t.match(await say('GET / HTTP/1.1\r\nhost: x\r\n'), /^HTTP\/1\.1 408 .*"reason":"REQUEST_TIMEOUT"/s)
  t.match(
    await say('POST /v1/open HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{'),
    /^HTTP\/1\.1 408 /,
  )
})

t.test('a stop finishes what is under way and refuses what is new', async (t) => {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  let begun = false
  const { http, server } = await door(t, {
    routes: (routes) => {
      routes.get('/v1/slow', async () => {
        begun = true
        await opened
        return { done: true }
      })
    },
  })
  const port = await http.start()
  const underWay = fetch(`http://127.0.0.1:${port}/v1/slow`)
  await waitFor('the request', () => begun)
  const draining = http.drain(10_000)
  t.equal((await server.inject('/readyz').catch(() => undefined))?.statusCode ?? 503, 503)
  open()
  const answer = await underWay
  t.strictSame([answer.status, await answer.json()], [200, { done: true }])
  await draining
  await t.rejects(fetch(`http://127.0.0.1:${port}/healthz`))
})

t.test('what does not end in time is cut', async (t) => {
  let begun = false
  const { http, timers, log } = await door(t, {
    routes: (routes) => {
      routes.get('/v1/hangs', () => {
        begun = true
        return new Promise(() => undefined)
      })
    },
  })
  const port = await http.start()
  const failed = fetch(`http://127.0.0.1:${port}/v1/hangs`).then(
    () => 'answered',
    () => 'cut',
  )
  await waitFor('the request', () => begun)
  const draining = http.drain(5_000)
  timers.runAll()
  t.equal(await failed, 'cut')
  await draining
  t.equal(log.of('http.drain_timeout').length, 1)
})

t.test('an address that is taken is said in one line', async (t) => {
  const first = await door(t)
  const port = await first.http.start()
  const http = await createHttpServer({
    address: { host: '127.0.0.1', port },
    verifier: first.verifier,
    logger: first.log.logger,
    randomness: systemRandomness,
    readiness: async () => ({ ready: true, checks: {} }),
    onRefusal: () => undefined,
  })
  t.teardown(() => http.close())
  await t.rejects(http.start(), { name: 'StartError', message: `HTTP cannot listen on 127.0.0.1:${port}; is it in use?` })
})

t.test('over TLS it is served, and says that it stays so', async (t) => {
  const tls = selfSigned()
  const { http } = await door(t, { tls })
  const port = await http.start()
  const request = httpsRequest({ host: '127.0.0.1', port, path: '/healthz', ca: tls.cert }).end()
  const [response] = await once(request, 'response')
  response.resume()
  t.equal(response.statusCode, 200)
  t.equal(response.headers['strict-transport-security'], 'max-age=31536000')
  const stranger = httpsRequest({ host: '127.0.0.1', port, path: '/healthz' }).end()
  const [error] = await once(stranger, 'error')
  t.match(error.code, /SELF_SIGNED|UNABLE_TO_VERIFY/)
  await t.rejects(fetch(`http://127.0.0.1:${port}/healthz`))
})
