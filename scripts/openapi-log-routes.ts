/** The routes of logs as the OpenAPI document tells them: they are no twins of methods but C2SP tlog-tiles, which fixes their form. */
import type { Schema } from './openapi-schema.ts'

const scope = 'ledger.verify'

const index = {
  name: 'index',
  in: 'path',
  required: true,
  description:
    'Index in groups of three digits, every group but the last behind an x and a slash after it (005, x001/234 for 1234), and .p/ with a width from 1 to 255 for a tile that is not full. The slashes stand as they are.',
  schema: { type: 'string', pattern: '^(x\\d{3}/)*\\d{3}(\\.p/\\d{1,3})?$' },
  example: '000.p/12',
}

const level = {
  name: 'level',
  in: 'path',
  required: true,
  description: '0 for the hashes of entries; above, each hash is the root of one full tile below.',
  schema: { type: 'integer', minimum: 0, maximum: 63 },
}

const known = {
  name: 'if-none-match',
  in: 'header',
  description: 'Tags of what the caller has already; answered with 304.',
  schema: { type: 'string' },
}

/** Statuses that these routes answer besides those of every route. */
const answerOf = (description: string, type: string, headers: Schema): Schema => ({
  description,
  headers: {
    ...headers,
    etag: { description: 'Names these bytes.', schema: { type: 'string' } },
    'cache-control': {
      description: 'Always private, since a token is needed; immutable for tiles and bundles, seconds for a checkpoint.',
      schema: { type: 'string' },
    },
  },
  content: { [type]: { schema: type.startsWith('text/') ? { type: 'string' } : {} } },
})

interface LogRoute {
  readonly path: string
  readonly operationId: string
  readonly summary: string
  readonly answer: Schema
  readonly parameters: readonly Schema[]
}

const routesOf = (headers: Schema): readonly LogRoute[] => [
  {
    path: '/v1/clinics/{clinic}/log/checkpoint',
    operationId: 'Log_Checkpoint',
    summary:
      'The newest signed head of the log (C2SP tlog-checkpoint), with the cosignatures of the configured witnesses. Its first line names the log: one that was begun anew has a number behind it, and its tiles and bundles stand below that address, e.g. /v1/clinics/{clinic}/log/2/tile/0/000.',
    answer: answerOf('The note.', 'text/plain; charset=utf-8', headers),
    parameters: [],
  },
  {
    path: '/v1/clinics/{clinic}/log/tile/{level}/{index}',
    operationId: 'Log_Tile',
    summary:
      'Hashes of the tree (C2SP tlog-tiles), 32 bytes each; of any width that a published checkpoint can have, and none beyond the newest.',
    answer: answerOf('The hashes.', 'application/octet-stream', headers),
    parameters: [level, index],
  },
  {
    path: '/v1/clinics/{clinic}/log/tile/entries/{index}',
    operationId: 'Log_Entries',
    summary:
      'Entries as they are hashed, each behind its length in two bytes (C2SP tlog-tiles), with their sealed parts sealed. The first that a caller fetches of a clinic in an hour is recorded as a reading of the audit trail; a token with scope act cannot fetch them, since it must name a person. Compressed with gzip where that is accepted.',
    answer: answerOf('The bundle.', 'application/octet-stream', headers),
    parameters: [index],
  },
]

/** Paths of the document, with the headers and statuses that every operation has. */
export const logPaths = (headers: Schema, statuses: readonly string[]): Readonly<Record<string, Schema>> =>
  Object.fromEntries(
    routesOf(headers).map(({ path, operationId, summary, answer, parameters }) => [
      path,
      {
        get: {
          operationId,
          tags: ['Log'],
          summary,
          'x-required-scope': scope,
          security: [{ bearer: [scope] }, { bearer: [scope], clientCertificate: [] }],
          parameters: [...['traceparent', 'clinic'].map((name) => ({ $ref: `#/components/parameters/${name}` })), ...parameters, known],
          responses: {
            200: answer,
            304: { description: 'The caller has it already.', headers },
            ...Object.fromEntries(statuses.map((status) => [status, { $ref: `#/components/responses/Problem${status}` }])),
          },
        },
      },
    ]),
  )

export const logTag = { name: 'Log', description: "A clinic's log as static files, for whoever verifies it without trusting this service." }
