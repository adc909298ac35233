import { request as httpRequest, type IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { AccessService } from '../../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import type { AuditService } from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { ChartwardenError, errorCatalogue } from '../../../services/kernel/errors.ts'
import { type Handler, implement } from '../../../services/kernel/grpc/implement.ts'
import { caught } from '../../support/caught.ts'
import { type AccessHandlers, echo, grpcDoor } from '../../support/grpc-door.ts'
import { type HttpDoorOptions, httpDoor } from '../../support/http-door.ts'
import { aborted, streamService } from '../../support/stream-service.ts'
import { waitFor } from '../../support/wait-for.ts'

const check = 'clinics/north/access/check'
const read = 'clinics/north/audit/read-entries'
const auditor = { scope: 'audit.read' }

const door = (t: Test, handlers: Partial<AccessHandlers> = {}, options: HttpDoorOptions = {}) =>
  httpDoor(t, { services: [implement(AccessService, { ...echo, ...handlers })], ...options })

type ReadEntries = Handler<(typeof AuditService)['method']['readEntries']>

/** A door with one stream, listening, and a reader of it over a real connection. */
const streamDoor = async (t: Test, readEntries: ReadEntries, options: HttpDoorOptions = {}) => {
  const made = await httpDoor(t, { services: [streamService(readEntries)], ...options })
  const port = await made.http.start()
  const follow = async (headers: Readonly<Record<string, string>> = {}) => {
    const request = httpRequest({
      port,
      host: '127.0.0.1',
      method: 'POST',
      path: `/v1/${read}`,
      headers: { authorization: `Bearer ${made.token(auditor)}`, ...headers },
    })
    request.on('error', () => undefined).end()
    const response = await new Promise<IncomingMessage>((resolve) => request.once('response', resolve))
    const lines = createInterface(response)[Symbol.asyncIterator]()
    const line = async () => JSON.parse((await lines.next()).value ?? 'null')
    return { request, response, lines, line }
  }
  return { ...made, port, follow }
}

const entry = (revision: number) => ({ item: { case: 'entry' as const, value: { revision: BigInt(revision) } } })

t.test('a call reaches the handler of gRPC with the clinic of its path, who calls, until when and under which name', async (t) => {
  let seen: Parameters<AccessHandlers['check']> | undefined
  const { call, clock } = await door(t, {
    check: async (...parameters) => {
      seen = parameters
      return { requestId: 'r', entry: { revision: 9007199254740993n } }
    },
  })
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const answer = await call(check, { request_id: 'r', supportedObligations: ['fields'] }, undefined, { traceparent, 'grpc-timeout': '2S' })
  t.equal(answer.statusCode, 200)
  t.match(answer.headers['content-type'], /^application\/json/)
  t.match(answer.json(), {
    request_id: 'r',
    decision: 'DECISION_UNSPECIFIED',
    obligations: { length: 0 },
    entry: { revision: '9007199254740993' },
  })
  const [request, context] = seen as NonNullable<typeof seen>
  t.match(request, { requestId: 'r', clinic: 'north', supportedObligations: ['fields'] })
  t.match(context, { caller: { id: 'practice-software' }, traceparent, deadline: clock.monotonic() + 2_000 })
  t.equal(answer.headers['x-correlation-id'], context.correlationId)
})

t.test('a request without a body is the empty message', async (t) => {
  const { server, token } = await door(t, { whoCan: async ({ clinic }) => ({ nextPageToken: clinic }) })
  const headers = { authorization: `Bearer ${token({ scope: 'policy.explain' })}` }
  const answer = await server.inject({ method: 'POST', url: '/v1/clinics/north/access/who-can', headers })
  t.equal(answer.json().next_page_token, 'north')
})

t.test('a body that is not the request is refused, naming what is wrong and not what it said', async (t) => {
  let asked = 0
  const { call } = await door(t, {
    check: async () => {
      asked += 1
      return {}
    },
  })
  const deep = `{"context":${'{"a":'.repeat(200)}1${'}'.repeat(200)}}`
  const cases: readonly (readonly [what: string, body: string | object, field: string | undefined])[] = [
    ['no JSON', '{', undefined],
    ['a list', '[]', undefined],
    ['null', 'null', undefined],
    ['a number as text', { reason: 7777 }, 'reason'],
    ['a member that is not known', { purpse: 'TREAT' }, 'purpse'],
    ['a member of a part that is not known', { subject: { type: 'staff', name: 'Mustermann' } }, 'subject.name'],
    ['a member that stands there twice', '{"reason":"a","reason":"b"}', 'reason'],
    ['a member under both its names', { request_id: 'a', requestId: 'b' }, 'requestId'],
    ['a value that is none of its kind', { intent: 'Mustermann' }, 'intent'],
    ['a time that is none', { session: { issuedAt: 'Mustermann' } }, 'session.issuedAt'],
    ['half a character', '{"reason":"\\ud800"}', 'reason'],
    ['parts within parts without end', deep, 'context'],
    ['another clinic than the path names', { clinic: 'south' }, 'clinic'],
  ]
  for (const [what, body, field] of cases) {
    const answer = await call(check, body)
    t.equal(answer.statusCode, 400, what)
    t.equal(answer.json().reason, 'INVALID_ARGUMENT', what)
    if (field !== undefined) t.equal(answer.json().errors?.[0]?.field, field, what)
    t.notMatch(answer.body, /Mustermann|7777/, what)
  }
  t.equal(asked, 0)
  t.equal((await call(check, { clinic: 'north' })).statusCode, 200, 'the clinic of the path may be repeated')
})

t.test('bytes that are not UTF-8, another content type and a body that is too large are refused', async (t) => {
  const { server, token } = await door(t, {}, { bodyLimit: 1_000 })
  const post = (payload: Buffer | string, type = 'application/json') =>
    server.inject({
      method: 'POST',
      url: `/v1/${check}`,
      headers: { authorization: `Bearer ${token()}`, 'content-type': type },
      payload,
    })
  const reasonOf = async (answer: ReturnType<typeof post>) => (await answer).json().reason
  t.equal(await reasonOf(post(Buffer.from('7b22726561736f6e223a22ff227d', 'hex'))), 'INVALID_ARGUMENT')
  t.equal(await reasonOf(post('reason=x', 'application/x-www-form-urlencoded')), 'MEDIA_TYPE_UNSUPPORTED')
  t.equal(await reasonOf(post('{}', 'text/plain')), 'MEDIA_TYPE_UNSUPPORTED')
  t.equal(await reasonOf(post(`{"reason":"${'x'.repeat(1_000)}"}`)), 'MESSAGE_TOO_LARGE')
})

t.test('a call is refused over HTTP as over gRPC, and reported alike', async (t) => {
  const throwing: Partial<AccessHandlers> = {
    check: async ({ purpose }) => {
      throw purpose === 'fault'
        ? new Error('hunter2')
        : new ChartwardenError('OVERLOADED', { retryAfterSeconds: 0.4, metadata: { a: 'b' } })
    },
  }
  const [http, grpc] = [await door(t, throwing), await grpcDoor(t, { handlers: throwing })]
  const cases: readonly (readonly [what: string, claims: object | undefined, clinic: string, body: object])[] = [
    ['no token', undefined, 'north', {}],
    ['a token that has expired', { exp: 1 }, 'north', {}],
    ['no scope', { scope: '' }, 'north', {}],
    ['no scope, in a clinic that is not the caller’s', { scope: '' }, 'south', {}],
    ['another clinic', {}, 'south', {}],
    ['overload', {}, 'north', {}],
    ['a fault', {}, 'north', { purpose: 'fault' }],
  ]
  for (const [what, claims, clinic, body] of cases) {
    const bearer = claims === undefined ? '' : http.token({ ...claims })
    const answer = await http.call(`clinics/${clinic}/access/check`, body, bearer)
    const failed = await caught(grpc.connect(claims === undefined ? '' : grpc.token({ ...claims })).check({ ...body, clinic }))
    const { correlationId: _name, ...metadata } = failed.metadata
    t.strictSame(
      [answer.json().reason, answer.statusCode, answer.json().detail, answer.json().metadata ?? {}],
      [failed.reason, errorCatalogue[failed.reason].http, failed.message, metadata],
      what,
    )
    t.notMatch(answer.body, /hunter2/)
  }
  t.strictSame(http.refusals, grpc.refusals)
  t.equal(http.refusals.length, 5)
  t.equal((await http.call(check, {})).headers['retry-after'], '1')
  t.equal(http.log.of('call.failed').length, 1)
})

t.test('who shows no good token is not read', async (t) => {
  const { call } = await door(t)
  t.equal((await call(check, '{', '')).json().reason, 'TOKEN_MISSING')
})

t.test('a call ends at the deadline its caller named, else at the default one; a bad one is refused', async (t) => {
  const signals: AbortSignal[] = []
  const { call, timers } = await door(t, {
    check: ({ requestId }, context) => {
      signals.push(context.signal)
      return requestId === '' ? new Promise(() => undefined) : Promise.resolve({})
    },
  })
  for (const [timeout, milliseconds] of [
    [undefined, 10_000],
    ['250m', 250],
    ['1H', 3_600_000],
  ] as const) {
    const answer = call(check, {}, undefined, timeout === undefined ? {} : { 'grpc-timeout': timeout })
    await waitFor('the timer', () => timers.pending().includes(milliseconds))
    timers.runAll()
    t.match((await answer).json(), { reason: 'DEADLINE_EXCEEDED', status: 504 })
    t.ok(signals.pop()?.aborted)
  }
  for (const timeout of ['', '5', 'S', '-1S', '1.5S', '123456789S', '5s'])
    t.match(
      (await call(check, {}, undefined, { 'grpc-timeout': timeout })).json(),
      { reason: 'INVALID_ARGUMENT', errors: [{ field: 'grpc-timeout' }] },
      timeout,
    )
  t.equal((await call(check, {}, undefined, { 'grpc-timeout': '0n' })).json().reason, 'DEADLINE_EXCEEDED', 'over before it began')
  const before = timers.pending().length
  await call(check, { request_id: 'r' })
  t.equal(timers.pending().length, before, 'an answered call leaves no timer behind')
  t.notOk(signals.pop()?.aborted, 'and its signal alone')
})

t.test('calls under way are bounded, and one caller has a quarter of them', async (t) => {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  let begun = 0
  const { call, token } = await door(
    t,
    {
      check: async () => {
        begun += 1
        await opened
        return {}
      },
    },
    { maxCalls: 4 },
  )
  const held = ['a', 'b', 'c'].map((sub) => call(check, {}, token({ sub })))
  await waitFor('three calls', () => begun === 3)
  const second = await call(check, {}, token({ sub: 'a' }))
  t.match(second.json(), { reason: 'OVERLOADED', status: 429 }, 'the quarter of one caller')
  t.equal(second.headers['retry-after'], '1')
  held.push(call(check, {}, token({ sub: 'd' })))
  await waitFor('the fourth', () => begun === 4)
  t.equal((await call(check, {}, token({ sub: 'e' }))).json().reason, 'OVERLOADED', 'all of them')
  open()
  for (const answer of held) t.equal((await answer).statusCode, 200)
  t.equal((await call(check, {}, token({ sub: 'a' }))).statusCode, 200, 'places are given back')
})

t.test('twin: where the bound is wide, one caller’s calls pass side by side', async (t) => {
  const { call } = await door(t, {}, { maxCalls: 64 })
  for (const answer of await Promise.all(['a', 'b', 'c'].map((id) => call(check, { request_id: id })))) t.equal(answer.statusCode, 200)
})

t.test('streams of one caller take half of its places and leave the others to its calls', async (t) => {
  for (const [maxCalls, streams] of [
    [16, 2],
    [4, 1],
  ] as const) {
    const { follow, server, token } = await streamDoor(
      t,
      async function* (_request, { signal }) {
        yield entry(0)
        await aborted(signal)
      },
      { maxCalls },
    )
    const open: Awaited<ReturnType<typeof follow>>[] = []
    for (let count = 0; count < streams; count += 1) open.push(await follow())
    t.same(
      open.map(({ response }) => response.statusCode),
      open.map(() => 200),
    )
    const more = await follow()
    t.equal(more.response.statusCode, 429, `${streams} streams of ${maxCalls}`)
    const own = await server.inject({
      method: 'POST',
      url: '/v1/clinics/north/audit/record-access',
      headers: { authorization: `Bearer ${token({ scope: 'access.record' })}` },
    })
    t.not(own.json().reason, 'OVERLOADED', 'its own call has a place')
    for (const { request } of [...open, more]) request.destroy()
  }
})

t.test('a stream is one message a line, in order, and what it holds is read no faster than it is taken', async (t) => {
  let produced = 0
  let finished = false
  const { follow, port } = await streamDoor(t, async function* () {
    try {
      for (; produced < 20_000; produced += 1)
        yield { item: { case: 'entry', value: { revision: BigInt(produced), id: 'x'.repeat(2_000) } } }
    } finally {
      finished = true
    }
  })
  const { response, request, line } = await follow()
  t.equal(response.statusCode, 200)
  t.equal(response.headers['content-type'], 'application/x-ndjson')
  t.match(await line(), { entry: { revision: '0' } })
  t.match(await line(), { entry: { revision: '1' } })
  response.pause()
  // Each of these round trips would give an unhindered sender the time to send a part of everything.
  for (let before = -1; before !== produced; ) {
    before = produced
    for (let count = 0; count < 20; count += 1) await (await fetch(`http://127.0.0.1:${port}/healthz`)).text()
  }
  t.ok(produced < 15_000, `${produced} of 20,000 were made`)
  request.destroy()
  await waitFor('the handler to end', () => finished)
})

t.test('a failure before the first line has its own status; a later one is the last line', async (t) => {
  let first = true
  const { call, token, follow } = await streamDoor(t, async function* () {
    if (first) throw new ChartwardenError('ENTRY_UNKNOWN')
    yield entry(0)
    throw new ChartwardenError('LEDGER_UNAVAILABLE', { retryAfterSeconds: 1 })
  })
  t.match((await call(read, {}, token(auditor))).json(), { reason: 'ENTRY_UNKNOWN', status: 404 })
  first = false
  const { response, line, lines } = await follow()
  t.match(await line(), { entry: { revision: '0' } })
  const { problem } = await line()
  t.match(problem, { reason: 'LEDGER_UNAVAILABLE', status: 503, correlation_id: response.headers['x-correlation-id'] })
  t.ok((await lines.next()).done)
})

t.test('a stream with nothing to send says that it has begun', async (t) => {
  const { follow, timers } = await streamDoor(t, async function* (_request, { signal }) {
    await aborted(signal)
    yield entry(0)
  })
  const following = follow()
  await waitFor('the timer', () => timers.pending().includes(1_000))
  timers.runAll()
  const { response, request } = await following
  t.equal(response.statusCode, 200)
  request.destroy()
})

t.test('a stream ends when its token expires, when its caller goes and at the deadline that was named', async (t) => {
  const signals: AbortSignal[] = []
  const { follow, clock, timers, refusals, log } = await streamDoor(t, async function* (_request, { signal }) {
    signals.push(signal)
    yield entry(0)
    await aborted(signal)
  })
  const timed = await follow({ 'grpc-timeout': '1M' })
  await timed.line()
  timers.runAll()
  t.match((await timed.line()).problem, { reason: 'DEADLINE_EXCEEDED' })

  const left = await follow()
  await left.line()
  left.request.destroy()
  await waitFor('the signal', () => signals[1]?.aborted === true)

  const expired = await follow()
  await expired.line()
  clock.advance(700_000)
  timers.runAll()
  t.match((await expired.line()).problem, { reason: 'TOKEN_EXPIRED' })
  t.ok(signals.every((signal) => signal.aborted))
  t.strictSame(
    refusals.map(({ reason, caller }) => [reason, caller]),
    [['TOKEN_EXPIRED', 'practice-software']],
  )
  t.equal(log.of('call.failed').length, 0)
})

t.test('a stop tells streams, refuses new calls and ends what does not end by itself', async (t) => {
  const { follow, twins, call, token, timers } = await streamDoor(t, async function* (_request, { draining, signal }) {
    yield entry(0)
    if (draining !== undefined) await aborted(draining)
    yield entry(1)
    await aborted(signal)
  })
  const { line, lines } = await follow()
  await line()
  let drained = false
  const draining = twins.drain(5_000).then(() => (drained = true))
  t.match(await line(), { entry: { revision: '1' } })
  t.equal((await call(read, {}, token(auditor))).json().reason, 'SHUTTING_DOWN')
  t.notOk(drained)
  timers.runAll()
  t.match((await line()).problem, { reason: 'SHUTTING_DOWN' })
  t.ok((await lines.next()).done)
  await draining
})

t.test('a stop is over at once when nothing runs, and when the last call ends', async (t) => {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  let begun = false
  const idle = await door(t)
  await idle.twins.drain(5_000)
  const busy = await door(t, {
    check: async () => {
      begun = true
      await opened
      return {}
    },
  })
  const answer = busy.call(check, {})
  await waitFor('the call', () => begun)
  const draining = busy.twins.drain(5_000)
  open()
  t.equal((await answer).statusCode, 200)
  await draining
})

t.test('an answer that is too large is refused as such', async (t) => {
  const { call } = await door(t, { check: async () => ({ rule: 'x'.repeat(17_000_000) }) })
  t.equal((await call(check, {})).json().reason, 'MESSAGE_TOO_LARGE')
})

t.test('methods that stream requests have no twin, and a route answers to POST alone', async (t) => {
  const { call, server } = await door(t)
  t.equal((await call('clinics/north/access/check-stream', {})).json().reason, 'ROUTE_UNKNOWN')
  t.equal((await call('access/check', {})).json().reason, 'ROUTE_UNKNOWN')
  const get = await server.inject(`/v1/${check}`)
  t.match({ reason: get.json().reason, allow: get.headers['allow'] }, { reason: 'METHOD_NOT_ALLOWED', allow: 'POST' })
})

t.test('a whole stream arrives over a connection that stays open', async (t) => {
  const { port, token } = await streamDoor(t, async function* () {
    for (let revision = 0; revision < 5_000; revision += 1) yield entry(revision)
  })
  const answer = await fetch(`http://127.0.0.1:${port}/v1/${read}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token(auditor)}` },
  })
  const lines = (await text(answer.body as never)).trim().split('\n')
  t.equal(lines.length, 5_000)
  t.ok(lines.every((line, index) => JSON.parse(line).entry.revision === String(index)))
})
