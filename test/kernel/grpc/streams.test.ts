import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import t, { type Test } from 'tap'
import { AuditService } from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { createGrpcClient } from '../../../services/kernel/grpc/client.ts'
import type { ServiceImplementation } from '../../../services/kernel/grpc/implement.ts'
import { requireClinic } from '../../../services/kernel/grpc/require-clinic.ts'
import { decodeStatus } from '../../../services/kernel/grpc/status.ts'
import { caught } from '../../support/caught.ts'
import { type GrpcDoorOptions, grpcDoor } from '../../support/grpc-door.ts'
import { pushable } from '../../support/pushable.ts'
import { aborted, streamService } from '../../support/stream-service.ts'
import { waitFor } from '../../support/wait-for.ts'

const streamDoor = async (t: Test, service: ServiceImplementation, options: GrpcDoorOptions = {}) => {
  const door = await grpcDoor(t, { ...options, services: [service] })
  const client = createGrpcClient(AuditService, { address: door.address, token: door.token({ scope: 'audit.read' }) })
  t.teardown(() => client.disconnect())
  return { ...door, client }
}

const collect = async <Item>(items: AsyncIterable<Item>): Promise<Item[]> => {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

const entry = (revision: number) => ({ item: { case: 'entry' as const, value: { revision: BigInt(revision) } } })
const afterExpiry = 700_000

t.test('a server stream sends everything in order and ends', async (t) => {
  const { client } = await streamDoor(
    t,
    streamService(async function* () {
      for (let revision = 0; revision < 1_000; revision += 1) yield entry(revision)
    }),
  )
  const rows = await collect(client.readEntries({ clinic: 'north' }))
  t.strictSame(
    rows.map(({ item }) => (item.case === 'entry' ? item.value.revision : undefined)),
    Array.from({ length: 1_000 }, (_row, index) => BigInt(index)),
  )
})

t.test('what a stream throws comes after what it sent, with its details', async (t) => {
  const { client, log } = await streamDoor(
    t,
    streamService(async function* () {
      yield entry(0)
      throw new ChartwardenError('ENTRY_UNKNOWN', { fields: [{ field: 'from_revision', description: 'too far' }] })
    }),
  )
  const rows: unknown[] = []
  const read = async (): Promise<void> => {
    for await (const row of client.readEntries({ clinic: 'north' })) rows.push(row)
  }
  const error = await caught(read())
  t.equal(error.reason, 'ENTRY_UNKNOWN')
  t.equal(error.fields[0]?.field, 'from_revision')
  t.equal(rows.length, 1)
  t.equal(log.of('call.failed').length, 0)
})

t.test('the clinic of a server stream is checked before it begins', async (t) => {
  let begun = false
  const { client, refusals } = await streamDoor(
    t,
    // biome-ignore lint/correctness/useYield: it is never begun
    streamService(async function* () {
      begun = true
    }),
  )
  t.equal((await caught(collect(client.readEntries({ clinic: 'south' })))).reason, 'CLINIC_NOT_ALLOWED')
  t.notOk(begun)
  t.strictSame(refusals, [{ reason: 'CLINIC_NOT_ALLOWED', address: '127.0.0.1', caller: 'practice-software', clinic: 'south' }])
})

t.test('a reader that does not read holds the sender back, and one that leaves ends it', async (t) => {
  let produced = 0
  let finished = false
  const { client, connect } = await streamDoor(
    t,
    streamService(async function* () {
      try {
        for (; produced < 100_000; produced += 1) yield { item: { case: 'entry', value: { canonical: new Uint8Array(10_000) } } }
      } finally {
        finished = true
      }
    }),
  )
  const rows = client.readEntries({ clinic: 'north' })[Symbol.asyncIterator]()
  await rows.next()
  // Each of these round trips would give an unhindered sender the time to send everything.
  for (let count = 0; count < 20; count += 1) await caught(connect().check({ clinic: 'north' }))
  t.ok(produced < 2_000, `${produced} of 100,000 were made`)
  await rows.return?.()
  await waitFor('the sender to end', () => finished)
})

t.test('a server stream ends when its token expires, also while nothing is sent', async (t) => {
  let signal: AbortSignal | undefined
  const { client, clock, timers, refusals } = await streamDoor(
    t,
    streamService(async function* (_request, context) {
      signal = context.signal
      yield entry(0)
      await aborted(context.signal)
    }),
  )
  const rows = client.readEntries({ clinic: 'north' })[Symbol.asyncIterator]()
  t.equal((await rows.next()).done, false)
  clock.advance(600_000)
  timers.runAll()
  t.notOk(signal?.aborted, 'within the tolerance it goes on')
  clock.advance(afterExpiry - 600_000)
  timers.runAll()
  t.equal((await caught(rows.next())).reason, 'TOKEN_EXPIRED')
  t.ok(signal?.aborted)
  t.strictSame(
    refusals.map(({ reason, caller }) => [reason, caller]),
    [['TOKEN_EXPIRED', 'practice-software']],
  )
})

t.test('nothing of a stream is left behind when it ends', async (t) => {
  const { client, timers } = await streamDoor(
    t,
    streamService(async function* () {
      yield entry(0)
    }),
  )
  const before = timers.pending().length
  await collect(client.readEntries({ clinic: 'north' }, { timeoutMs: 60_000 }))
  t.equal(timers.pending().length, before)
})

t.test('a stream ends at the deadline its caller named, with our details', async (t) => {
  const { client, timers } = await streamDoor(
    t,
    streamService(async function* (_request, context) {
      yield entry(0)
      await aborted(context.signal)
    }),
  )
  const rows = client.readEntries({ clinic: 'north' }, { timeoutMs: 60_000 })[Symbol.asyncIterator]()
  await rows.next()
  timers.runAll()
  t.match((await caught(rows.next())).metadata, { correlationId: /-/ })
})

t.test('answers of a bidirectional stream come while requests still go, and end with them', async (t) => {
  const door = await grpcDoor(t)
  const requests = pushable<{ seq: bigint }>()
  const answers = door.connect().checkStream(requests)[Symbol.asyncIterator]()
  for (const seq of [1n, 2n, 3n]) {
    requests.push({ seq })
    t.equal((await answers.next()).value?.seq, seq)
  }
  requests.push({ seq: 4n })
  requests.push({ seq: 5n })
  requests.end()
  t.equal((await answers.next()).value?.seq, 4n, 'what was queued is finished')
  t.equal((await answers.next()).value?.seq, 5n)
  t.ok((await answers.next()).done)
})

t.test('ten thousand messages pass in order', async (t) => {
  const door = await grpcDoor(t)
  const send = async function* () {
    for (let seq = 0n; seq < 10_000n; seq += 1n) yield { seq }
  }
  const answers = await collect(door.connect().checkStream(send()))
  t.equal(answers.length, 10_000)
  t.ok(answers.every(({ seq }, index) => seq === BigInt(index)))
})

t.test('a handler that does not read holds the sender back', async (t) => {
  let sent = 0
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  const door = await grpcDoor(t, {
    handlers: {
      checkStream: async function* (requests) {
        await held
        for await (const { seq } of requests) yield { seq }
      },
    },
  })
  const send = async function* () {
    for (; sent < 2_000; sent += 1) yield { seq: BigInt(sent), check: { reason: 'x'.repeat(10_000) } }
  }
  const client = door.connect()
  const answers = collect(client.checkStream(send()))
  for (let before = -1; before !== sent; ) {
    before = sent
    for (let count = 0; count < 20; count += 1) await client.check({ clinic: 'north' })
  }
  // At most 1 MiB waits for the handler, 1 MiB in the window of HTTP/2, and a few messages at either end.
  t.ok(sent < 300, `${sent} of 2,000 were sent`)
  release()
  t.equal((await answers).length, 2_000, 'and none is lost')
})

t.test('a bidirectional stream needs its token before anything is read', async (t) => {
  let read = 0
  const door = await grpcDoor(t, {
    handlers: {
      // biome-ignore lint/correctness/useYield: it only reads
      checkStream: async function* (requests) {
        for await (const _request of requests) read += 1
      },
    },
  })
  const send = async function* () {
    yield { seq: 1n }
  }
  t.equal((await caught(collect(door.connect(door.token({ scope: '' })).checkStream(send())))).reason, 'SCOPE_MISSING')
  t.equal((await caught(collect(door.connect('x').checkStream(send())))).reason, 'TOKEN_REFUSED')
  t.equal(read, 0)
  t.strictSame(
    door.refusals.map(({ reason }) => reason),
    ['SCOPE_MISSING', 'TOKEN_REFUSED'],
  )
})

t.test('a clinic of an item that is not allowed is reported once, whether it is answered or thrown', async (t) => {
  const door = await grpcDoor(t, {
    handlers: {
      checkStream: async function* (requests, context) {
        for await (const { seq, check } of requests) {
          if (seq === 2n) requireClinic(context, check?.clinic ?? '')
          try {
            requireClinic(context, check?.clinic ?? '')
          } catch {
            yield { seq }
          }
        }
      },
    },
  })
  const send = async function* () {
    for (const seq of [0n, 1n, 2n]) yield { seq, check: { clinic: seq === 0n ? 'north' : `other-${seq}` } }
  }
  t.equal((await caught(collect(door.connect().checkStream(send())))).reason, 'CLINIC_NOT_ALLOWED')
  t.strictSame(
    door.refusals.map(({ clinic }) => clinic),
    ['other-1', 'other-2'],
  )
})

t.test('a bidirectional stream whose token expires takes no more, answers what it took, and ends so', async (t) => {
  const taken: bigint[] = []
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  const door = await grpcDoor(t, {
    handlers: {
      checkStream: async function* (requests) {
        for await (const { seq } of requests) {
          taken.push(seq)
          await held
          yield { seq }
        }
      },
    },
  })
  const requests = pushable<{ seq: bigint }>()
  const answers = door.connect().checkStream(requests)[Symbol.asyncIterator]()
  requests.push({ seq: 1n })
  const first = answers.next()
  await waitFor('the first request', () => taken.length === 1)
  door.clock.advance(afterExpiry)
  door.timers.runAll()
  requests.push({ seq: 2n })
  release()
  t.equal((await first).value?.seq, 1n)
  t.equal((await caught(answers.next())).reason, 'TOKEN_EXPIRED')
  t.strictSame(taken, [1n])
})

t.test('a handler that does not finish after the token expired is cut off', async (t) => {
  let signal: AbortSignal | undefined
  const door = await grpcDoor(t, {
    handlers: {
      checkStream: async function* (_requests, context) {
        signal = context.signal
        yield { seq: 0n }
        await new Promise(() => undefined)
      },
    },
  })
  const answers = door.connect().checkStream(pushable())[Symbol.asyncIterator]()
  await answers.next()
  door.clock.advance(afterExpiry)
  door.timers.runAll()
  t.notOk(signal?.aborted, 'it has a grace')
  door.timers.runAll()
  t.equal((await caught(answers.next())).reason, 'TOKEN_EXPIRED')
  t.ok(signal?.aborted)
})

t.test('a caller that cancels ends the requests and aborts the signal', async (t) => {
  const seen: string[] = []
  const door = await grpcDoor(t, {
    handlers: {
      checkStream: async function* (requests, context) {
        for await (const { seq } of requests) yield { seq }
        seen.push(`ended, ${context.signal.aborted ? 'aborted' : 'not aborted'}`)
      },
    },
  })
  const cancel = new AbortController()
  const requests = pushable<{ seq: bigint }>()
  const answers = door.connect().checkStream(requests, { signal: cancel.signal })[Symbol.asyncIterator]()
  requests.push({ seq: 1n })
  await answers.next()
  cancel.abort()
  t.equal((await caught(answers.next())).reason, 'CALL_CANCELLED')
  await waitFor('the handler', () => seen.length === 1)
  t.strictSame(seen, ['ended, aborted'])
})

t.test('a fault in a bidirectional stream ends it without a word about the cause', async (t) => {
  const door = await grpcDoor(t, {
    handlers: {
      // biome-ignore lint/correctness/useYield: it throws first
      checkStream: async function* () {
        throw new Error('hunter2')
      },
    },
  })
  const error = await caught(collect(door.connect().checkStream(pushable())))
  t.equal(error.reason, 'INTERNAL')
  t.notMatch(error.message, /hunter2/)
  t.equal(door.log.of('call.failed')[0]?.['correlationId'], error.metadata['correlationId'])
})

t.test('a request on a stream that is not the message ends it as the caller’s fault', async (t) => {
  const door = await grpcDoor(t)
  const client = new Client(door.address, credentials.createInsecure())
  t.teardown(() => client.close())
  const metadata = new Metadata()
  metadata.set('authorization', `Bearer ${door.token()}`)
  const same = (value: Buffer): Buffer => value
  const call = client.makeBidiStreamRequest('/chartwarden.access.v1.AccessService/CheckStream', same, same, metadata)
  const failed = new Promise<ServiceError>((resolve) => call.on('error', (error) => resolve(error as ServiceError)))
  call.resume()
  call.write(Buffer.from('ffffff', 'hex'))
  t.equal(decodeStatus(await failed).reason, 'INVALID_ARGUMENT')
})
