import t from 'tap'
import { AuditService } from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { createGrpcClient } from '../../../services/kernel/grpc/client.ts'
import { caught } from '../../support/caught.ts'
import { grpcDoor } from '../../support/grpc-door.ts'
import { pushable } from '../../support/pushable.ts'
import { aborted, streamService } from '../../support/stream-service.ts'
import { waitFor } from '../../support/wait-for.ts'

const question = { requestId: 'r', clinic: 'north' }

/** A promise and the way to keep it. */
const gate = () => {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { open, opened }
}

t.test('a call under way is finished, a new one refused, and then the server is gone', async (t) => {
  const { open, opened } = gate()
  let begun = false
  const door = await grpcDoor(t, {
    handlers: {
      check: async ({ requestId }) => {
        begun = true
        await opened
        return { requestId }
      },
    },
  })
  const client = door.connect()
  const underWay = client.check(question)
  await waitFor('the call to begin', () => begun)
  let drained = false
  const draining = door.server.drain(10_000).then(() => (drained = true))
  t.match((await caught(client.check(question))).reason, /^(SHUTTING_DOWN|SERVICE_UNREACHABLE)$/)
  t.notOk(drained)
  open()
  t.equal((await underWay).requestId, 'r')
  await draining
  t.equal((await caught(door.connect().check(question))).reason, 'SERVICE_UNREACHABLE')
})

t.test('a bidirectional stream takes no more, answers what it took and says that the service stops', async (t) => {
  const door = await grpcDoor(t)
  const requests = pushable<{ seq: bigint }>()
  const answers = door.connect().checkStream(requests)[Symbol.asyncIterator]()
  requests.push({ seq: 1n })
  t.equal((await answers.next()).value?.seq, 1n)
  const draining = door.server.drain(10_000)
  t.equal((await caught(answers.next())).reason, 'SHUTTING_DOWN')
  await draining
})

t.test('a bidirectional stream whose caller had finished ends well', async (t) => {
  const { open, opened } = gate()
  let asked = false
  const door = await grpcDoor(t, {
    handlers: {
      checkStream: async function* (requests) {
        for await (const { seq } of requests) yield { seq }
        asked = true
        await opened
        yield { seq: 99n }
      },
    },
  })
  const requests = pushable<{ seq: bigint }>()
  requests.push({ seq: 1n })
  requests.end()
  const answers = door.connect().checkStream(requests)[Symbol.asyncIterator]()
  await answers.next()
  await waitFor('the half close', () => asked)
  const draining = door.server.drain(10_000)
  open()
  t.equal((await answers.next()).value?.seq, 99n)
  t.ok((await answers.next()).done)
  await draining
})

t.test('a stream that follows is told, and can end well by itself', async (t) => {
  const door = await grpcDoor(t, {
    services: [
      streamService(async function* (_request, { draining }) {
        yield { item: { case: 'entry', value: { revision: 0n } } }
        if (draining !== undefined) await aborted(draining)
        yield { item: { case: 'end', value: { items: 1n } } }
      }),
    ],
  })
  const client = createGrpcClient(AuditService, { address: door.address, token: door.token({ scope: 'audit.read' }) })
  t.teardown(() => client.disconnect())
  const rows = client.readEntries({ clinic: 'north' })[Symbol.asyncIterator]()
  await rows.next()
  const draining = door.server.drain(10_000)
  t.equal((await rows.next()).value?.item.case, 'end')
  t.ok((await rows.next()).done)
  await draining
})

t.test('what does not end in time is ended with a status, and the wait is over', async (t) => {
  let signal: AbortSignal | undefined
  let begun = false
  const door = await grpcDoor(t, {
    handlers: {
      check: () => {
        begun = true
        return new Promise(() => undefined)
      },
      checkStream: async function* (_requests, context) {
        signal = context.signal
        yield { seq: 0n }
        await new Promise(() => undefined)
      },
    },
  })
  const client = door.connect()
  const answers = client.checkStream(pushable())[Symbol.asyncIterator]()
  await answers.next()
  const hanging = caught(client.check(question))
  await waitFor('the hanging call', () => begun)
  let drained = false
  const draining = door.server.drain(5_000).then(() => (drained = true))
  t.ok(door.timers.pending().includes(5_000))
  t.notOk(drained)
  door.timers.runAll()
  t.equal((await caught(answers.next())).reason, 'SHUTTING_DOWN')
  t.ok(signal?.aborted)
  t.equal(door.log.of('grpc.drain_timeout').length, 1)
  t.equal((await hanging).reason, 'SHUTTING_DOWN')
  await draining
})
