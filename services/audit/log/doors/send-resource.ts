/** Answers with a resource that a cache of the caller's own may keep. */
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { negotiate } from '@fastify/accept-negotiator'
import type { FastifyReply, FastifyRequest } from 'fastify'

const compress = promisify(gzip)

export interface Resource {
  readonly body: Buffer
  readonly type: 'application/octet-stream' | 'text/plain; charset=utf-8'
  /** `immutable`: these bytes for ever; else seconds. Never by a shared cache: a token is needed. */
  readonly keep: 'immutable' | number
  /** Whether gzip makes it smaller; hashes do not compress. */
  readonly compressible: boolean
}

const year = 31_536_000

/** Whether the caller has these bytes already (RFC 9110, section 13.1.2). */
const isKnown = (ifNoneMatch: string | undefined, tag: string): boolean =>
  (ifNoneMatch ?? '').split(',').some((part) => ['*', tag].includes(part.trim().replace(/^W\//, '')))

const wantsGzip = ({ headers }: FastifyRequest): boolean => {
  const accepted = headers['accept-encoding']
  return typeof accepted === 'string' && negotiate(accepted, ['gzip', 'identity']) === 'gzip'
}

export const sendResource = async (request: FastifyRequest, reply: FastifyReply, resource: Resource): Promise<FastifyReply> => {
  const { body, type, keep, compressible } = resource
  const zipped = compressible && wantsGzip(request)
  const digest = createHash('sha256').update(body).digest('base64url')
  const tag = `"${digest}${zipped ? '-gzip' : ''}"`
  reply.headers({
    'cache-control': keep === 'immutable' ? `private, max-age=${year}, immutable` : `private, max-age=${keep}`,
    etag: tag,
    ...(compressible ? { vary: 'accept-encoding' } : {}),
  })
  if (isKnown(request.headers['if-none-match'], tag)) return reply.code(304).send()
  if (zipped) reply.header('content-encoding', 'gzip')
  return reply.type(type).send(zipped ? await compress(body) : body)
}
