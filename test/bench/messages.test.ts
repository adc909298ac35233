import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import t from 'tap'
import { countAllowed, encodeCheckResources } from '../../bench/load/cerbos-messages.ts'
import { countPermits, encodeBatch, encodeCheck, encodeStreamed, readStreamed } from '../../bench/load/chartwarden-messages.ts'
import {
  CheckBatchRequestSchema,
  CheckBatchResponseSchema,
  CheckRequestSchema,
  CheckStreamRequestSchema,
  CheckStreamResponseSchema,
} from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'

const question = { clinic: 'north', person: 'dentist-1', patient: 'patient-2', record: 'record-3' }
const response = (decision: Decision) => ({
  outcome: { case: 'response' as const, value: { requestId: 'r', decision, reasonCode: 'role_permits' } },
})
const refusal = { outcome: { case: 'error' as const, value: { reason: 'INVALID_ARGUMENT', message: 'no' } } }

t.test('a question has no request id, so that each sending of it is a new one', (t) => {
  const { requestId, clinic, resource, purpose } = fromBinary(CheckRequestSchema, encodeCheck(question))
  t.same([requestId, clinic, resource?.id, resource?.patientId, purpose], ['', 'north', 'record-3', 'patient-2', 'TREAT'])
  t.end()
})

t.test('messages put together from bytes are those of the contract', (t) => {
  const check = encodeCheck(question)
  const batch = fromBinary(CheckBatchRequestSchema, encodeBatch('north', [check, check]))
  t.equal(batch.clinic, 'north')
  t.same(
    batch.checks.map((one) => Buffer.from(toBinary(CheckRequestSchema, one))),
    [Buffer.from(check), Buffer.from(check)],
  )
  const streamed = fromBinary(CheckStreamRequestSchema, encodeStreamed(300, check))
  t.equal(streamed.seq, 300n)
  t.equal(streamed.check?.subject?.id, 'dentist-1')
  t.end()
})

t.test('of a batch only permits are counted, neither denials nor refusals', (t) => {
  const results = [response(Decision.PERMIT), response(Decision.DENY), refusal, response(Decision.PERMIT)]
  t.equal(countPermits(toBinary(CheckBatchResponseSchema, create(CheckBatchResponseSchema, { results }))), 2)
  t.equal(countPermits(new Uint8Array()), 0)
  t.end()
})

t.test('of a stream an answer is a permit, or it is none', (t) => {
  const read = (result: ReturnType<typeof response> | typeof refusal) =>
    readStreamed(toBinary(CheckStreamResponseSchema, create(CheckStreamResponseSchema, { seq: 70_000n, result })))
  t.same(read(response(Decision.PERMIT)), { seq: 70_000, permit: true })
  t.same(read(response(Decision.DENY)), { seq: 70_000, permit: false })
  t.same(read(refusal), { seq: 70_000, permit: false })
  t.end()
})

t.test('what Cerbos is sent and answers is read as Cerbos 0.51 writes it', (t) => {
  const asked = encodeCheckResources({ person: 'u1', records: ['p1'] }).toString('hex')
  t.equal(asked, '0a0272311a0a0a0275311a0475736572' + '2214' + '0a0472656164' + '120c' + '0a067265636f7264' + '1a027031')
  const about = (effect: string): Buffer => Buffer.from(`120c${'0a00'}1208${'0a0472656164'}${effect}`, 'hex')
  const [allow, deny] = [about('1001'), about('1002')]
  t.equal(countAllowed(Buffer.concat([allow, deny, allow])), 2)
  t.equal(countAllowed(Buffer.alloc(0)), 0)
  t.end()
})
