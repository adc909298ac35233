/** Requests of every method, whole but for one member: the violation names that member as it was written. */
import { create, type DescField, type DescMessage, type JsonValue, ScalarType } from '@bufbuild/protobuf'
import fc from 'fast-check'
import t from 'tap'
import { CheckBatchRequestSchema, CheckRequestSchema } from '../../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { SimulateRequestSchema } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { AccessHistoryRequestSchema } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { readJsonMessage, writeJsonMessage } from '../../../services/kernel/http/json-message.ts'
import { violationsOf } from '../../../services/kernel/http/json-violations.ts'
import { caught } from '../../support/caught.ts'
import { clientsOf } from '../../support/clinic.ts'

const requests: readonly DescMessage[] = (() => {
  const found: DescMessage[] = []
  const client = (service: { readonly methods: readonly { readonly input: DescMessage }[] }) => {
    found.push(...service.methods.map(({ input }) => input))
    return {}
  }
  clientsOf({ client: client as never }, '')
  return found
})()

const secret = 'Mustermann'
/** A string is no string where it holds half a character. */
const half = `${secret}\ud800`

interface Spoilt {
  readonly value: JsonValue
  readonly path: string
}

const isOwnJson = (message: DescMessage): boolean => message.typeName.startsWith('google.protobuf.')

/** Values that one field does not take, with where each is wrong. */
const wrongOf = (field: DescField, path: string): readonly Spoilt[] => {
  const whole: readonly Spoilt[] = (field.fieldKind === 'list' ? [secret, 7, {}] : [[], [secret]]).map((value) => ({ value, path }))
  if (field.enum !== undefined) return [...whole, { value: secret, path }, { value: true, path }]
  if (field.scalar === ScalarType.STRING) return [...whole, { value: 7, path }, { value: half, path }, { value: {}, path }]
  if (field.scalar === ScalarType.BOOL) return [...whole, { value: 'true', path }, { value: 1, path }]
  // Its letters alone are base64.
  if (field.scalar === ScalarType.BYTES) return [...whole, { value: `${secret}!`, path }, { value: 7, path }]
  if (field.scalar !== undefined) return [...whole, { value: secret, path }, { value: true, path }]
  return [...whole, { value: secret, path }, { value: 7, path }, { value: false, path }]
}

/** One request with one member spoilt, reached by random choices. */
const spoiltRequest = (schema: DescMessage, choose: (below: number) => number): { readonly json: JsonValue; readonly path: string } => {
  const field = schema.fields[choose(schema.fields.length)] as DescField
  const name = choose(2) === 0 ? field.name : field.jsonName
  const isList = field.fieldKind === 'list'
  const index = choose(3)
  const place = isList ? `${name}[${index}]` : name
  const inner = field.message
  if (inner !== undefined && !isOwnJson(inner) && inner.fields.length > 0 && choose(3) > 0) {
    const { json, path } = spoiltRequest(inner, choose)
    const items = [...Array(index).fill({}), json, {}]
    return { json: { [name]: isList ? items : json }, path: `${place}.${path}` }
  }
  if (isList && choose(2) === 0) {
    const good = field.scalar === ScalarType.STRING ? 'x' : field.enum !== undefined ? 0 : {}
    return { json: { [name]: [...Array(index).fill(good), null] }, path: place }
  }
  const wrong = wrongOf(field, name)
  const { value, path } = wrong[choose(wrong.length)] as Spoilt
  return { json: { [name]: value }, path }
}

t.test('whatever member of a request is spoilt, the violation names it as it was written, and tells nothing of its value', async (t) => {
  t.ok(requests.length > 50)
  const choices = fc.infiniteStream(fc.nat())
  for (const schema of requests.filter(({ fields }) => fields.length > 0)) {
    fc.assert(
      fc.property(choices, (stream) => {
        const { json, path } = spoiltRequest(schema, (below) => (stream.next().value as number) % below)
        const found = violationsOf(schema, json)
        t.strictSame(
          found.map(({ field }) => field),
          [path],
          JSON.stringify(json),
        )
        t.notMatch(JSON.stringify(found), secret)
      }),
      { numRuns: 40 },
    )
    t.strictSame(violationsOf(schema, JSON.parse(writeJsonMessage(schema, create(schema)))), [], 'twin: nothing is wrong with a whole one')
  }
})

const refused = (schema: DescMessage, body: unknown) =>
  caught((async () => readJsonMessage(schema, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))))())

t.test('a violation says what is allowed', async (t) => {
  const time = 'must be an RFC 3339 time such as 2026-11-01T00:00:00Z'
  for (const [schema, body, field, description] of [
    [AccessHistoryRequestSchema, { filter: { from: '2026-11-01' } }, 'filter.from', time],
    [CheckRequestSchema, { intent: 'PROBE' }, 'intent', 'must be one of INTENT_ACCESS, INTENT_PROBE'],
    [CheckRequestSchema, { context: { a: 1 }, subject: { id: 7 } }, 'subject.id', 'must be a string of whole characters'],
    [CheckBatchRequestSchema, { checks: [{}, { purpose: true }] }, 'checks[1].purpose', 'must be a string of whole characters'],
    [CheckBatchRequestSchema, { checks: {} }, 'checks', 'must be a list'],
    [CheckBatchRequestSchema, { checks: [null] }, 'checks[0]', 'must not be null'],
    [CheckRequestSchema, '{"subject":{"id":"a","id":"b"}}', 'subject.id', 'is there more than once'],
    [AccessHistoryRequestSchema, { page_size: 2 ** 31 }, 'page_size', 'must be a whole number from -2147483648 to 2147483647'],
  ] as const) {
    t.match(await refused(schema, body), { reason: 'INVALID_ARGUMENT', fields: [{ field, description }] }, field)
  }
  t.match(await refused(CheckRequestSchema, '{"a":'), { message: 'The request is not JSON (line 1, column 6).', fields: { length: 0 } })
  t.match(await refused(CheckRequestSchema, '7'), { message: /CheckRequest. It must be an object$/ })
})

t.test('members of a choice that are there together are named', async (t) => {
  const [oneof] = SimulateRequestSchema.oneofs
  const [one, other] = oneof?.fields ?? []
  const found = violationsOf(SimulateRequestSchema, { [one?.name ?? '']: {}, [other?.name ?? '']: {} })
  t.match(found, [{ field: other?.name, description: /^at most one may be set of / }])
})

t.test('no more violations are told than anybody reads, and one at the end of a long list is found', async (t) => {
  t.equal(violationsOf(CheckBatchRequestSchema, { checks: Array(1_000).fill(7) }).length, 20)
  const names: JsonValue[] = [...Array(100_000).fill('x'), 7]
  t.match(violationsOf(CheckRequestSchema, { supported_obligations: names }), [{ field: 'supported_obligations[100000]' }])
})
