/** What is read of a request before it is decoded: the same as decoding says, whatever the bytes. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import t from 'tap'
import { CheckBatchRequestSchema } from '../../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { outlineOf } from '../../../services/kernel/grpc/outline.ts'

const fields = { clinic: 1, items: 2 }

const requests = fc.record({
  clinic: fc.string({ unit: 'grapheme', maxLength: 20 }),
  checks: fc.array(fc.record({ requestId: fc.string({ maxLength: 10 }), clinic: fc.string({ maxLength: 10 }) }), { maxLength: 20 }),
})

const encoded = requests.map((request) => toBinary(CheckBatchRequestSchema, create(CheckBatchRequestSchema, request)))

t.test('an outline tells clinic and items as decoding does', async (t) => {
  fc.assert(
    fc.property(requests, (request) => {
      const bytes = toBinary(CheckBatchRequestSchema, create(CheckBatchRequestSchema, request))
      t.strictSame(outlineOf(bytes, fields), { clinic: request.clinic, items: request.checks.length })
    }),
  )
})

t.test('of messages one behind the other the last clinic counts, and the items of both', async (t) => {
  fc.assert(
    fc.property(encoded, encoded, (first, second) => {
      const bytes = new Uint8Array([...first, ...second])
      const { clinic, checks } = fromBinary(CheckBatchRequestSchema, bytes)
      t.strictSame(outlineOf(bytes, fields), { clinic, items: checks.length })
    }),
  )
})

t.test('bytes that are cut off, changed or made up never throw, and what is cut off within a field has no outline', async (t) => {
  const spoilt = fc.oneof(
    fc
      .tuple(encoded, fc.nat(), fc.nat(255))
      .map(([bytes, at, value]) => (bytes.length === 0 ? bytes : bytes.with(at % bytes.length, value))),
    fc.uint8Array({ maxLength: 40 }),
  )
  fc.assert(
    fc.property(spoilt, (bytes) => {
      const outline = outlineOf(bytes, fields)
      return outline === undefined || outline.items <= bytes.length
    }),
    { numRuns: 5_000 },
  )
  const whole = toBinary(CheckBatchRequestSchema, create(CheckBatchRequestSchema, { clinic: 'north', checks: [{ requestId: 'r' }] }))
  t.equal(outlineOf(whole.subarray(0, 4), fields), undefined)
  t.equal(outlineOf(whole.subarray(0, -1), fields), undefined)
})

t.test('a message without a field for items has none', async (t) => {
  const bytes = toBinary(CheckBatchRequestSchema, create(CheckBatchRequestSchema, { clinic: 'north', checks: [{}, {}] }))
  t.strictSame(outlineOf(bytes, { clinic: 1, items: undefined }), { clinic: 'north', items: 0 })
})
