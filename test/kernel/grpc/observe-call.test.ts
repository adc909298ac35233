import t, { type Test } from 'tap'
import { systemClock } from '../../../services/kernel/clock.ts'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { type AccessHandlers, grpcDoor } from '../../support/grpc-door.ts'
import { recordingTracer } from '../../support/recording-tracer.ts'
import { waitFor } from '../../support/wait-for.ts'

const service = 'chartwarden.access.v1.AccessService'
const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const question = { requestId: 'r', clinic: 'north' }

const watchedDoor = async (t: Test, handlers: Partial<AccessHandlers>) => {
  const tracer = recordingTracer()
  const told: string[] = []
  const observer = {
    tracer,
    clock: systemClock,
    ended: (method: string, status: string, durationMs: number) =>
      void told.push(`${method} ${status}${durationMs < 0 ? ' too early' : ''}`),
  }
  return { tracer, told, client: (await grpcDoor(t, { handlers, observer })).connect() }
}

t.test('a unary call is told once, with its status, and its handler runs inside its span', async (t) => {
  let inside: unknown
  const { client, told, tracer } = await watchedDoor(t, {
    check: async ({ requestId }) => {
      await new Promise((resolve) => setImmediate(resolve))
      inside = tracer.current()
      if (requestId === 'bad') throw new ChartwardenError('LEDGER_UNAVAILABLE')
      return { requestId }
    },
  })
  await client.check(question, { headers: { traceparent } })
  t.equal(inside, tracer.spans[0])
  await t.rejects(client.check({ ...question, requestId: 'bad' }))
  await t.rejects(client.check({ ...question, clinic: 'south' }))
  t.strictSame(told, [`${service}/Check OK`, `${service}/Check UNAVAILABLE`, `${service}/Check PERMISSION_DENIED`])
  t.strictSame(
    tracer.spans.map(({ parent, ended }) => [parent, ended]),
    [
      [traceparent, 'well'],
      [undefined, 'UNAVAILABLE'],
      [undefined, 'well'],
    ],
    'a fault of ours fails the span, a mistake of the caller does not',
  )
  t.match(tracer.spans[1]?.attributes, { 'rpc.method': `${service}/Check`, 'rpc.response.status_code': 'UNAVAILABLE' })
})

t.test('a stream is told when it ends, well or not, and when its caller goes away', async (t) => {
  const { client, told, tracer } = await watchedDoor(t, {
    checkStream: async function* (requests) {
      for await (const { seq } of requests) {
        if (seq === 13n) throw new ChartwardenError('OVERLOADED')
        yield { seq }
      }
    },
  })
  async function* asked(...seqs: bigint[]) {
    for (const seq of seqs) yield { seq }
  }
  for await (const _ of client.checkStream(asked(1n, 2n)));
  t.strictSame(told, [`${service}/CheckStream OK`])
  await t.rejects(async () => {
    for await (const _ of client.checkStream(asked(1n, 13n)));
  })
  t.strictSame(told.slice(1), [`${service}/CheckStream RESOURCE_EXHAUSTED`])
  const leaving = new AbortController()
  async function* endless() {
    yield { seq: 1n }
    await new Promise(() => undefined)
  }
  await t.rejects(async () => {
    for await (const _ of client.checkStream(endless(), { signal: leaving.signal })) leaving.abort()
  })
  await waitFor('the end of the stream', () => told.length === 3)
  t.strictSame(told.slice(2), [`${service}/CheckStream CANCELLED`])
  t.ok(tracer.spans.every(({ ended }) => ended !== undefined))
})
