import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { create, toBinary } from '@bufbuild/protobuf'
import type { Metadata } from '@grpc/grpc-js'
import t from 'tap'
import { AccessService, CheckRequestSchema } from '../../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { ClinicService } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import type { CallContext } from '../../../services/kernel/caller.ts'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { createGrpcClient } from '../../../services/kernel/grpc/client.ts'
import { implement } from '../../../services/kernel/grpc/implement.ts'
import { createGrpcServer } from '../../../services/kernel/grpc/server.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { caught } from '../../support/caught.ts'
import { selfSigned } from '../../support/certificate.ts'
import { echo, grpcDoor } from '../../support/grpc-door.ts'
import { sendBytes } from '../../support/send-bytes.ts'
import { badTokens } from '../../support/token-cases.ts'
import { waitFor } from '../../support/wait-for.ts'

const question = { requestId: 'r', clinic: 'north' }
const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

t.test('a refused call is told its name beside the status, under which the log has it', async (t) => {
  const door = await grpcDoor(t)
  const refused = (await caught(sendBytes(door, 'Check', Buffer.from('no message')))) as ChartwardenError & { sent: Metadata }
  t.equal(refused.reason, 'INVALID_ARGUMENT')
  t.match(refused.metadata['correlationId'], /^[0-9a-f-]{36}$/)
  t.strictSame(refused.sent.get('x-correlation-id'), [refused.metadata['correlationId']])
})

t.test('a good call reaches its handler with who calls, until when, and under which name', async (t) => {
  const contexts: CallContext[] = []
  const door = await grpcDoor(t, {
    handlers: {
      check: async ({ requestId }, context) => {
        contexts.push(context)
        return { requestId }
      },
    },
  })
  const headers = new Map<string, string>()
  const answer = await door.connect().check(question, {
    headers: { traceparent, 'x-correlation-id': 'of the caller' },
    onHeaders: (received) => {
      for (const [name, value] of received) headers.set(name, value)
    },
  })
  t.equal(answer.requestId, 'r')
  const [context] = contexts
  t.equal(context?.caller.id, 'practice-software')
  t.strictSame([...(context?.caller.clinics ?? [])], ['north'])
  t.equal(context?.traceparent, traceparent)
  t.equal(headers.get('x-correlation-id'), context?.correlationId)
  t.match(context?.correlationId, /^[0-9a-f-]{36}$/, 'made here, not taken from the caller')
  const remaining = (context?.deadline ?? 0) - door.clock.monotonic()
  t.ok(remaining > 0 && remaining <= 30_000, 'the deadline of the client')
  t.notOk(context?.signal.aborted)
  const copy = { ...(context as CallContext), correlationId: 'x' }
  t.equal(copy.signal, context?.signal, 'a copied context keeps its signal')
  t.equal(door.refusals.length, 0)
})

t.test('a malformed traceparent is ignored', async (t) => {
  let seen: string | undefined = 'none'
  const door = await grpcDoor(t, {
    handlers: {
      check: async (_request, context) => {
        seen = context.traceparent
        return {}
      },
    },
  })
  await door.connect().check(question, { headers: { traceparent: `${traceparent}x` } })
  t.equal(seen, undefined)
})

t.test('every bad token is refused, reported with its address, and never reaches a handler', async (t) => {
  let handled = 0
  const door = await grpcDoor(t, {
    handlers: {
      check: async () => {
        handled += 1
        return {}
      },
    },
  })
  for (const { what, token, reason } of badTokens(door.keys, door.clock.wall())) {
    if (token.length > 8192) continue
    door.refusals.length = 0
    const error = await caught(door.connect(token).check(question))
    t.equal(error.reason, reason, what)
    t.strictSame(door.refusals, [{ reason, address: '127.0.0.1' }], `${what}: reported once, without caller and clinic`)
  }
  t.equal(handled, 0)
})

t.test('no token, another scheme and an oversized token are refused', async (t) => {
  const door = await grpcDoor(t)
  t.equal((await caught(door.connect('').check(question))).reason, 'TOKEN_MISSING')
  const basic = door.connect('').check(question, { headers: { authorization: 'Basic dXNlcjpodW50ZXIy' } })
  t.equal((await caught(basic)).reason, 'TOKEN_MISSING')
  t.equal((await caught(door.connect(door.token({ more: 'x'.repeat(8192) })).check(question))).reason, 'TOKEN_REFUSED')
  t.strictSame(
    door.refusals.map(({ reason }) => reason),
    ['TOKEN_MISSING', 'TOKEN_MISSING', 'TOKEN_REFUSED'],
  )
})

t.test('a clinic the token does not name is refused, and reported once with caller and clinic', async (t) => {
  const door = await grpcDoor(t)
  const error = await caught(door.connect().check({ ...question, clinic: 'south' }))
  t.equal(error.reason, 'CLINIC_NOT_ALLOWED')
  t.strictSame(door.refusals, [{ reason: 'CLINIC_NOT_ALLOWED', address: '127.0.0.1', caller: 'practice-software', clinic: 'south' }])
  const missing = await caught(door.connect().check({ requestId: 'r' }))
  t.equal(missing.reason, 'INVALID_ARGUMENT')
  t.strictSame(missing.fields, [{ field: 'clinic', description: 'name the clinic' }])
  t.equal(door.refusals.length, 1)
})

t.test('a missing scope is refused; the clinic is reported only if the token names it', async (t) => {
  const door = await grpcDoor(t)
  const client = door.connect(door.token({ scope: 'report.read' }))
  const error = await caught(client.check(question))
  t.equal(error.reason, 'SCOPE_MISSING')
  t.equal(error.metadata['scope'], 'access.check')
  await caught(client.check({ ...question, clinic: 'south' }))
  t.strictSame(door.refusals, [
    { reason: 'SCOPE_MISSING', address: '127.0.0.1', caller: 'practice-software', clinic: 'north' },
    { reason: 'SCOPE_MISSING', address: '127.0.0.1', caller: 'practice-software' },
  ])
})

t.test('a refusal that a handler throws is reported too', async (t) => {
  const door = await grpcDoor(t, { handlers: { check: () => Promise.reject(new ChartwardenError('CLINIC_NOT_ALLOWED')) } })
  await caught(door.connect().check(question))
  t.strictSame(door.refusals, [{ reason: 'CLINIC_NOT_ALLOWED', address: '127.0.0.1', caller: 'practice-software', clinic: 'north' }])
})

t.test('whoever registers a clinic need not name it in the token', async (t) => {
  const services = [implement(ClinicService, { registerClinic: async () => ({ replayed: true }), listClinics: async () => ({}) })]
  const door = await grpcDoor(t, { services })
  const client = createGrpcClient(ClinicService, {
    address: door.address,
    token: door.token({ scope: 'clinic.register', clinic: undefined }),
  })
  t.teardown(() => client.disconnect())
  t.equal((await client.registerClinic({ clinic: 'new' })).replayed, true)
  t.equal((await caught(client.listClinics({}))).reason, 'SCOPE_MISSING')
})

t.test('an error of the catalogue arrives with all its details', async (t) => {
  const door = await grpcDoor(t, {
    handlers: {
      check: () =>
        Promise.reject(
          new ChartwardenError('OVERLOADED', {
            fields: Array.from({ length: 25 }, (_item, index) => ({ field: `f${index}`, description: 'ä'.repeat(500) })),
            metadata: { waiting: '7' },
            retryAfterSeconds: 1.5,
            cause: new Error('hunter2'),
          }),
        ),
    },
  })
  const error = await caught(door.connect().check(question))
  t.equal(error.reason, 'OVERLOADED')
  t.equal(error.grpc, 8)
  t.equal(error.retryAfterSeconds, 1.5)
  t.equal(error.metadata['waiting'], '7')
  t.match(error.metadata['correlationId'], /^[0-9a-f-]{36}$/)
  t.equal(error.fields.length, 21)
  t.strictSame(error.fields[20], { field: '', description: 'and 5 more' }, 'what is left out is said')
  t.equal(error.fields[0]?.description.length, 200)
  t.notMatch(JSON.stringify(error), /hunter2/)
})

t.test('a fault tells the caller nothing but its name; the log has the cause under that name', async (t) => {
  const throws: readonly (() => Promise<never>)[] = [
    () => Promise.reject(new TypeError('hunter2 is not a function')),
    () => Promise.reject('hunter2'),
    () => Promise.reject(undefined),
    () => Promise.reject(new ChartwardenError('INTERNAL', { message: 'hunter2', metadata: { x: 'hunter2' } })),
    () => {
      throw new Error('hunter2')
    },
  ]
  for (const check of throws) {
    const door = await grpcDoor(t, { handlers: { check } })
    const error = await caught(door.connect().check(question))
    t.equal(error.reason, 'INTERNAL')
    t.notMatch(JSON.stringify([error.message, error.metadata]), /hunter2/)
    const [line] = door.log.of('call.failed')
    t.equal(line?.['correlationId'], error.metadata['correlationId'])
    t.equal(line?.['method'], 'chartwarden.access.v1.AccessService/Check')
  }
})

t.test('an answer that does not fit its message is a fault that is logged', async (t) => {
  const door = await grpcDoor(t, { handlers: { check: async () => ({ decision: 'permit' as unknown as number }) } })
  t.equal((await caught(door.connect().check(question))).reason, 'INTERNAL')
  t.equal(door.log.of('call.failed').length, 1)
})

t.test('an answer that clients would not take is refused as such', async (t) => {
  const door = await grpcDoor(t, { handlers: { check: async () => ({ rule: 'x'.repeat(4_194_304) }) } })
  t.equal((await caught(door.connect().check(question))).reason, 'MESSAGE_TOO_LARGE')
})

t.test('bytes that are not the message are the caller’s fault, not a fault of the service', async (t) => {
  const door = await grpcDoor(t)
  const request = toBinary(CheckRequestSchema, create(CheckRequestSchema, question))
  t.ok(await sendBytes(door, 'Check', Buffer.from(request)))
  for (const bytes of [Buffer.from('ffffff', 'hex'), Buffer.from(request).subarray(0, -1), Buffer.from('0a02fffe', 'hex')]) {
    t.equal((await caught(sendBytes(door, 'Check', bytes))).reason, 'INVALID_ARGUMENT', bytes.toString('hex'))
  }
  t.equal(
    (await caught(sendBytes({ ...door, token: () => 'x' }, 'Check', Buffer.from('ffffff', 'hex')))).reason,
    'TOKEN_REFUSED',
    'not read before the token',
  )
  t.equal(door.log.of('call.failed').length, 0)
})

t.test('a message over the limit is refused, one below passes', async (t) => {
  const door = await grpcDoor(t, { maxMessageBytes: 65_536 })
  t.equal((await door.connect().check({ ...question, reason: 'x'.repeat(60_000) })).requestId, 'r')
  t.equal((await caught(door.connect().check({ ...question, reason: 'x'.repeat(70_000) }))).reason, 'MESSAGE_TOO_LARGE')
})

t.test('a call past its deadline is not begun', async (t) => {
  let handled = 0
  const door = await grpcDoor(t, {
    handlers: {
      check: async () => {
        handled += 1
        return {}
      },
    },
  })
  const session = connectHttp2(`http://${door.address}`)
  t.teardown(() => session.destroy())
  const request = session.request({
    ':method': 'POST',
    ':path': '/chartwarden.access.v1.AccessService/Check',
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-timeout': '1n',
    authorization: `Bearer ${door.token()}`,
  })
  request.resume()
  let status: unknown
  request.on('response', (headers) => (status ??= headers['grpc-status']))
  request.on('trailers', (headers) => (status ??= headers['grpc-status']))
  request.end(Buffer.from([0, 0, 0, 0, 0]))
  await once(request, 'close')
  t.equal(String(status), '4')
  t.equal(handled, 0)
})

t.test('a call without a deadline ends at the default one, and its handler is told', async (t) => {
  let signal: AbortSignal | undefined
  const door = await grpcDoor(t, {
    defaultDeadlineMs: 1_234,
    handlers: {
      check: (_request, context) => {
        signal = context.signal
        t.equal(context.deadline, door.clock.monotonic() + 1_234)
        return new Promise(() => undefined)
      },
    },
  })
  const failed = caught(sendBytes(door, 'Check', Buffer.from(toBinary(CheckRequestSchema, create(CheckRequestSchema, question)))))
  await waitFor('the handler', () => signal !== undefined)
  t.ok(door.timers.pending().includes(1_234))
  door.timers.runAll()
  const error = await failed
  t.equal(error.reason, 'DEADLINE_EXCEEDED')
  t.match(error.metadata['correlationId'], /^[0-9a-f-]{36}$/, 'with details, so by the service and not by the client')
  t.ok(signal?.aborted)
})

t.test('an answered call leaves no timer behind and does not abort its signal', async (t) => {
  let signal: AbortSignal | undefined
  const door = await grpcDoor(t, {
    handlers: {
      check: async (_request, context) => {
        signal = context.signal
        return {}
      },
    },
  })
  const before = door.timers.pending().length
  await sendBytes(door, 'Check', Buffer.from(toBinary(CheckRequestSchema, create(CheckRequestSchema, question))))
  t.equal(door.timers.pending().length, before)
  t.notOk(signal?.aborted)
})

t.test('a caller that goes away aborts the signal', async (t) => {
  let signal: AbortSignal | undefined
  const door = await grpcDoor(t, {
    handlers: {
      check: (_request, context) => {
        signal = context.signal
        return new Promise(() => undefined)
      },
    },
  })
  const cancel = new AbortController()
  const failed = caught(door.connect().check(question, { signal: cancel.signal }))
  await waitFor('the handler', () => signal !== undefined)
  cancel.abort()
  t.equal((await failed).reason, 'CALL_CANCELLED')
  await waitFor('the signal', () => signal?.aborted === true)
})

t.test('a method without a rule or without a handler is refused when the server is made', async (t) => {
  const door = await grpcDoor(t)
  const options = {
    address: { host: '127.0.0.1', port: 0 },
    verifier: door.verifier,
    onRefusal: () => undefined,
    logger: door.log.logger,
    clock: door.clock,
    randomness: systemRandomness,
    maxMessageBytes: 65_536,
    defaultDeadlineMs: 1_000,
    reflection: false,
  }
  const services = [implement(AccessService, echo)]
  t.throws(() => createGrpcServer({ ...options, services, methodRules: {} }), { name: 'StartError', message: /Check has no rule/ })
  const { check: _check, ...rest } = echo
  t.throws(
    () =>
      createGrpcServer({
        ...options,
        services: [{ service: AccessService, handlers: rest }],
        methodRules: { 'chartwarden.access.v1.AccessService/Check': { scope: 'access.check' } },
      }),
    { name: 'StartError', message: /Check has no handler/ },
  )
})

t.test('an address that is taken is said in one line', async (t) => {
  const door = await grpcDoor(t)
  const port = Number(door.address.split(':')[1])
  const server = createGrpcServer({
    address: { host: '127.0.0.1', port },
    verifier: door.verifier,
    services: [],
    methodRules: {},
    onRefusal: () => undefined,
    logger: door.log.logger,
    clock: door.clock,
    randomness: systemRandomness,
    maxMessageBytes: 65_536,
    defaultDeadlineMs: 1_000,
    reflection: false,
  })
  await t.rejects(server.start(), { name: 'StartError', message: `gRPC cannot listen on ${door.address}; is it in use?` })
})

t.test('over TLS only a client that trusts the certificate is served', async (t) => {
  const tls = selfSigned()
  const door = await grpcDoor(t, { tls })
  t.equal((await door.connect().check(question)).requestId, 'r')
  const stranger = createGrpcClient(AccessService, { address: door.address, token: door.token(), tls: { ca: selfSigned().cert } })
  const plain = createGrpcClient(AccessService, { address: door.address, token: door.token() })
  t.teardown(() => {
    stranger.disconnect()
    plain.disconnect()
  })
  t.equal((await caught(stranger.check(question))).reason, 'SERVICE_UNREACHABLE')
  t.equal((await caught(plain.check(question))).reason, 'SERVICE_UNREACHABLE')
})
