/** Batches against a service whose answers the test chooses. */
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import fc from 'fast-check'
import t from 'tap'
import { inBatches, type Sent, sendBatch } from '../../../cli/import-events/send-accesses.ts'
import {
  RecordAccessBatchResponseSchema,
  type RecordAccessRequest,
  RecordAccessRequestSchema,
} from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { ChartwardenError, type ErrorReason, errorCatalogue } from '../../../services/kernel/errors.ts'
import { fault } from '../../support/fault.ts'

type Item = { readonly request: RecordAccessRequest }
const items = (count: number): readonly Item[] =>
  Array.from({ length: count }, (_, index) => ({ request: create(RecordAccessRequestSchema, { requestId: String(index) }) }))

/** A ledger that keeps request ids; `answer` says what happens to one access in one call, or to the whole call. */
const serviceThat = (
  answer: (id: string, call: number) => ErrorReason | 'record',
  wholeCall: (call: number, size: number) => ChartwardenError | 'answered' | 'lost' = () => 'answered',
) => {
  const ledger = new Set<string>()
  const calls: (readonly string[])[] = []
  const pauses: number[] = []
  const record = (id: string, call: number) => {
    const reason = answer(id, call)
    if (reason !== 'record')
      return { outcome: { case: 'error' as const, value: { reason, message: reason, code: errorCatalogue[reason].grpc } } }
    const replayed = ledger.has(id)
    ledger.add(id)
    return { outcome: { case: 'response' as const, value: { replayed } } }
  }
  const recordAccessBatch = async ({
    accesses = [],
  }: {
    readonly accesses?: readonly MessageInitShape<typeof RecordAccessRequestSchema>[]
  }) => {
    const ids = accesses.map(({ requestId }) => requestId as string)
    calls.push(ids)
    const whole = wholeCall(calls.length, ids.length)
    if (whole instanceof ChartwardenError) throw whole
    const results = ids.map((id) => record(id, calls.length))
    if (whole === 'lost') throw new ChartwardenError('SERVICE_UNREACHABLE')
    return create(RecordAccessBatchResponseSchema, { results })
  }
  const options = {
    audit: { recordAccessBatch } as unknown as Parameters<typeof sendBatch>[1]['audit'],
    clinic: 'north',
    pause: async (milliseconds: number) => void pauses.push(milliseconds),
    chance: () => 1,
    onRetry: async () => {},
  }
  const send = async (some: readonly Item[]): Promise<readonly Sent<Item>[]> => {
    const sent: Sent<Item>[] = []
    for await (const one of sendBatch(some, options)) sent.push(one)
    return sent
  }
  return { send, ledger, calls, pauses }
}

const kinds = (sent: readonly Sent<Item>[]) => Object.fromEntries(sent.map(({ item, outcome }) => [item.request.requestId, outcome.kind]))

t.test('what may be tried again is, alone and under the same ids, after longer and longer pauses', async (t) => {
  const { send, calls, pauses } = serviceThat((id, call) => (id === '1' && call < 4 ? 'OVERLOADED' : 'record'))
  t.same(kinds(await send(items(3))), { 0: 'recorded', 1: 'recorded', 2: 'recorded' })
  t.same(calls, [['0', '1', '2'], ['1'], ['1'], ['1']])
  t.same(
    pauses,
    [200, 400, 800].map((_, index) => pauses[index]),
  )
  t.ok(pauses.every((pause, index) => index === 0 || pause >= (pauses[index - 1] as number)))
})

t.test('a batch whose answer was lost is sent again and found there', async (t) => {
  const { send, ledger, calls } = serviceThat(
    () => 'record',
    (call) => (call === 1 ? 'lost' : 'answered'),
  )
  t.same(kinds(await send(items(2))), { 0: 'there already', 1: 'there already' })
  t.equal(ledger.size, 2)
  t.same(calls, [
    ['0', '1'],
    ['0', '1'],
  ])
})

t.test('one access that is refused concerns no other', async (t) => {
  const { send } = serviceThat((id) => (id === '1' ? 'REQUEST_MISMATCH' : 'record'))
  const sent = await send(items(3))
  t.same(kinds(sent), { 0: 'recorded', 1: 'refused', 2: 'recorded' })
  t.match(
    sent.find(({ item }) => item.request.requestId === '1'),
    { outcome: { reason: 'REQUEST_MISMATCH' } },
  )
})

t.test('what waiting does not help ends it at once, and what waiting might help ends it at last', async (t) => {
  for (const reason of ['TOKEN_EXPIRED', 'CLINIC_NOT_ALLOWED', 'LEDGER_REGRESSED'] as const) {
    const whole = serviceThat(
      () => 'record',
      () => new ChartwardenError(reason),
    )
    await t.rejects(whole.send(items(2)), fault(reason))
    t.equal(whole.calls.length, 1)
  }
  await t.rejects(serviceThat(() => 'LEDGER_REGRESSED').send(items(2)), fault('LEDGER_REGRESSED'))
  const away = serviceThat(
    () => 'record',
    () => new ChartwardenError('SERVICE_UNREACHABLE'),
  )
  await t.rejects(away.send(items(2)), fault('SERVICE_UNREACHABLE'))
  t.equal(away.calls.length, 9)
  t.ok(away.pauses.every((pause) => pause <= 15_000))
})

t.test('the service may say how long to wait', async (t) => {
  const { send, pauses } = serviceThat(
    () => 'record',
    (call) => (call === 1 ? new ChartwardenError('OVERLOADED', { retryAfterSeconds: 7 }) : 'answered'),
  )
  await send(items(1))
  t.same(pauses, [7000])
})

t.test('a service that takes less at a time gets less at a time', async (t) => {
  const tooMany = new ChartwardenError('INVALID_ARGUMENT', { fields: [{ field: 'accesses', description: 'has more than 5 items' }] })
  for (const error of [tooMany, new ChartwardenError('MESSAGE_TOO_LARGE')]) {
    const { send, ledger } = serviceThat(
      () => 'record',
      (_, size) => (size > 5 ? error : 'answered'),
    )
    t.equal((await send(items(40))).length, 40)
    t.equal(ledger.size, 40)
  }
  const never = serviceThat(
    () => 'record',
    () => new ChartwardenError('MESSAGE_TOO_LARGE'),
  )
  await t.rejects(never.send(items(3)), fault('MESSAGE_TOO_LARGE'))
})

t.test('however batches are cut and whatever is lost on the way, each access is recorded once', async () => {
  const script = fc.record({
    count: fc.integer({ min: 0, max: 60 }),
    size: fc.integer({ min: 1, max: 20 }),
    losses: fc.array(fc.constantFrom('answered', 'lost', 'OVERLOADED', 'item'), { maxLength: 6 }),
  })
  await fc.assert(
    fc.asyncProperty(script, async ({ count, size, losses }) => {
      const fate = (call: number): string => losses[call - 1] ?? 'answered'
      const { send, ledger } = serviceThat(
        (id, call) => (fate(call) === 'item' && Number(id) % 2 === 0 ? 'LEDGER_UNAVAILABLE' : 'record'),
        (call) => {
          const what = fate(call)
          return what === 'OVERLOADED' ? new ChartwardenError('OVERLOADED') : what === 'lost' ? 'lost' : 'answered'
        },
      )
      const source = async function* () {
        yield* items(count)
      }
      const outcomes: Sent<Item>[] = []
      for await (const batch of inBatches(source(), size)) outcomes.push(...(await send(batch)))
      return ledger.size === count && outcomes.length === count && Object.keys(kinds(outcomes)).length === count
    }),
  )
})
