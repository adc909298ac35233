/** The OpenAPI 3.1 document of the HTTP twins, from the contract's files with their comments. */
import { createFileRegistry, type DescService, fromBinary, type Registry } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import packageJson from '../package.json' with { type: 'json' }
import { errorCatalogue } from '../services/kernel/errors.ts'
import { type Twin, twinsOf } from '../services/kernel/http/twin.ts'
import { methodRules, type Scope, scopes } from '../services/kernel/scopes.ts'
import { emptyRequests, openApiExamples } from './openapi-examples.ts'
import { logPaths, logTag } from './openapi-log-routes.ts'
import { commentOf, type Schema, schemaReference, schemasOf } from './openapi-schema.ts'

/** What the contract's rules of the JSON body say, for the reader of the document. */
const preface = `The gRPC contract as JSON over HTTP: the same handlers, tokens, scopes, entries and refusals. Bodies follow the proto3 JSON mapping; answers use the field names shown here and carry empty fields, requests may use them or their lowerCamelCase forms, 64-bit numbers are strings. A member that is not known, or stands there twice, is refused. The clinic stands in the path and may be left out of the body. Methods that stream answer with one message a line (application/x-ndjson); a failure after the first line is a last line \`{"problem": …}\`. CheckStream and ImportLedger, which stream both ways, are offered over gRPC alone. The routes of a clinic’s log are files and no methods: see the tag Log.`

const problem: Schema = {
  description: 'Problem details (RFC 9457).',
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'reason', 'correlation_id'],
  properties: {
    type: { type: 'string', format: 'uri', description: 'Name of the kind of problem; it is never fetched.' },
    title: { type: 'string' },
    status: { type: 'integer', description: 'The HTTP status.' },
    detail: { type: 'string', description: 'What happened and what to do.' },
    reason: { type: 'string', description: 'Stable; the same as over gRPC.', enum: Object.keys(errorCatalogue) },
    correlation_id: { type: 'string', description: 'Under which the service has logged the call.' },
    errors: {
      type: 'array',
      description: 'Fields that are wrong.',
      items: { type: 'object', required: ['field', 'detail'], properties: { field: { type: 'string' }, detail: { type: 'string' } } },
    },
    metadata: { type: 'object', additionalProperties: { type: 'string' } },
  },
}

/** Reasons that no answer of this service has: they are about a connection that a client could not make or has left. */
const neverSent: ReadonlySet<string> = new Set(['SERVICE_UNREACHABLE', 'CALL_CANCELLED'])

const headers = {
  'x-correlation-id': { description: 'Under which the service has logged the call.', schema: { type: 'string' } },
}

/** One response for each HTTP status of the catalogue, naming its reasons. */
const problemResponses = (): Readonly<Record<string, Schema>> => {
  const reasons = new Map<number, string[]>()
  for (const [reason, { http }] of Object.entries(errorCatalogue)) {
    if (!neverSent.has(reason)) reasons.set(http, [...(reasons.get(http) ?? []), reason])
  }
  const content = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } }
  const retryAfter = { 'retry-after': { description: 'Seconds, where it is known when to call again.', schema: { type: 'integer' } } }
  return Object.fromEntries(
    [...reasons]
      .sort(([one], [other]) => one - other)
      .map(([status, names]) => [
        String(status),
        { description: names.join(', '), headers: status === 429 || status === 503 ? { ...headers, ...retryAfter } : headers, content },
      ]),
  )
}

const parameters = {
  clinic: { name: 'clinic', in: 'path', required: true, description: 'The clinic; one that the token names.', schema: { type: 'string' } },
  timeout: {
    name: 'grpc-timeout',
    in: 'header',
    description:
      'How long the caller waits: at most eight digits and a unit, H, M, S, m, u or n. Without it a call ends at the default deadline of the service, a stream only with its token.',
    schema: { type: 'string', pattern: '^\\d{1,8}[HMSmun]$' },
    example: '5S',
  },
  traceparent: { name: 'traceparent', in: 'header', description: 'W3C Trace Context; kept in the entry.', schema: { type: 'string' } },
}

const operationOf = (twin: Twin, statuses: readonly string[]): Schema => {
  const { method, scope, namesClinic } = twin.plan
  const used = ['timeout', 'traceparent', ...(namesClinic ? ['clinic'] : [])]
  const example = openApiExamples[twin.plan.name]
  const output = schemaReference(method.output)
  const answer = twin.streams
    ? {
        description: 'One message a line, until the end; a last line that holds `problem` says why it ended early.',
        headers,
        content: { 'application/x-ndjson': { schema: { anyOf: [output, { $ref: '#/components/schemas/ProblemLine' }] } } },
      }
    : { description: 'The answer.', headers, content: { 'application/json': { schema: output } } }
  return {
    operationId: `${method.parent.name}_${method.name}`,
    tags: [method.parent.name],
    summary: commentOf(method),
    'x-required-scope': scope,
    'x-grpc-method': twin.plan.name,
    security: [{ bearer: [scope] }, { bearer: [scope], clientCertificate: [] }],
    parameters: used.map((name) => ({ $ref: `#/components/parameters/${name}` })),
    requestBody: {
      required: !emptyRequests.has(twin.plan.name),
      content: { 'application/json': { schema: schemaReference(method.input), ...(example === undefined ? {} : { example }) } },
    },
    responses: {
      200: answer,
      ...Object.fromEntries(statuses.map((status) => [status, { $ref: `#/components/responses/Problem${status}` }])),
    },
  }
}

const servicesOf = (registry: Registry): readonly DescService[] =>
  [...registry].filter((type) => type.kind === 'service').filter(({ typeName }) => typeName.startsWith('chartwarden.'))

/** The document for an image of the contract with its source information (`buf build`). */
export const openApiOf = (image: Uint8Array): Schema => {
  const services = servicesOf(createFileRegistry(fromBinary(FileDescriptorSetSchema, image)))
  const twins = services.flatMap((service) => twinsOf(service, methodRules))
  const problems = problemResponses()
  const statuses = Object.keys(problems)
  const messages = schemasOf(
    twins.map(({ plan }) => plan.method.input),
    twins.map(({ plan }) => plan.method.output),
  )
  return {
    openapi: '3.1.1',
    info: {
      title: 'Chartwarden',
      version: packageJson.version,
      summary: packageJson.description,
      description: preface,
      license: { name: packageJson.license, identifier: packageJson.license },
    },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    servers: [{ url: '/' }],
    tags: [...services.map((service) => ({ name: service.name, description: commentOf(service) })), logTag],
    paths: {
      ...Object.fromEntries(twins.map((twin) => [twin.path, { post: operationOf(twin, statuses) }])),
      ...logPaths(headers, statuses),
    },
    components: {
      schemas: {
        ...Object.fromEntries(messages),
        Problem: problem,
        ProblemLine: {
          description: 'Why a stream ended early.',
          type: 'object',
          required: ['problem'],
          properties: { problem: { $ref: '#/components/schemas/Problem' } },
        },
      },
      responses: Object.fromEntries(Object.entries(problems).map(([status, response]) => [`Problem${status}`, response])),
      parameters,
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: `A token of the identity provider that names the clinic. Scopes: ${(Object.keys(scopes) as Scope[])
            .map((scope) => `${scope}: ${scopes[scope]}`)
            .join(' ')}`,
        },
        clientCertificate: {
          type: 'mutualTLS',
          description: 'Where the service asks for client certificates; the token is needed all the same.',
        },
      },
    },
  }
}
