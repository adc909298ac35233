import { create, fromBinary, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf'
import fc from 'fast-check'
import t from 'tap'
import { CheckRequestSchema, Intent } from '../../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { readJsonMessage, writeJsonMessage } from '../../../services/kernel/http/json-message.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 40 })
const struct = fc.dictionary(text, fc.oneof(text, fc.boolean(), fc.integer(), fc.constant(null)), { maxKeys: 4 })
const request = fc.record({
  requestId: text,
  purpose: text,
  reason: text,
  subject: fc.record({ type: text, id: text, properties: struct }),
  context: struct,
  intent: fc.constantFrom(Intent.ACCESS, Intent.PROBE),
  supportedObligations: fc.array(text, { maxLength: 3 }),
})

t.test('what is written is read as the same message, under either spelling of its fields', async (t) => {
  fc.assert(
    fc.property(request, (given) => {
      const message = create(CheckRequestSchema, given as never)
      const bytes = Buffer.from(toBinary(CheckRequestSchema, message))
      const spellings: readonly JsonValue[] = [
        JSON.parse(writeJsonMessage(CheckRequestSchema, message)),
        toJson(CheckRequestSchema, message),
        toJson(CheckRequestSchema, message, { useProtoFieldName: true }),
      ]
      for (const spelling of spellings) {
        const read = readJsonMessage(CheckRequestSchema, Buffer.from(JSON.stringify(spelling)))
        t.ok(Buffer.from(toBinary(CheckRequestSchema, read)).equals(bytes))
      }
      t.equal(fromBinary(CheckRequestSchema, bytes).requestId, given.requestId)
    }),
    { numRuns: 100 },
  )
})

t.test('bytes of any kind are read or refused as the caller’s fault, and nothing else', async (t) => {
  const pieces = fc.constantFrom('{', '}', '[', ']', ':', ',', '"', '"reason"', '"context"', 'null', '1e999', '\\ud800', '-0', 'x', ' ')
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.array(pieces, { maxLength: 12 }).map((parts) => Buffer.from(parts.join(''))),
  )
  fc.assert(
    fc.property(bytes, (given) => {
      try {
        readJsonMessage(CheckRequestSchema, given)
      } catch (thrown) {
        t.equal((thrown as { reason?: string }).reason, 'INVALID_ARGUMENT')
      }
    }),
    { numRuns: 500 },
  )
})
