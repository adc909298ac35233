/** A witness over HTTP: `POST /add-checkpoint`, and what it cosigned last at `GET /<SHA-256 of the origin>/checkpoint`. */
import { type FastifyInstance, type FastifyReply, fastify, LogController } from 'fastify'
import { formatHostPort, type HostPort } from '../../../kernel/host-port.ts'
import { securityHeaders } from '../../../kernel/http/send-problem.ts'
import { StartError } from '../../../kernel/start-error.ts'
import { contextOf, handshakeOf, type TlsMaterial } from '../../../kernel/tls.ts'
import { maxRequestBytes, sizeMediaType } from './add-checkpoint.ts'
import type { Witness, WitnessAnswer } from './witness.ts'

export interface WitnessServerOptions {
  readonly witness: Pick<Witness, 'addCheckpoint' | 'checkpoint'>
  readonly address: HostPort
  /** Undefined: no TLS. */
  readonly tls?: TlsMaterial | undefined
  /** Told of faults of our own, e.g. a disk that is full. Must not throw. */
  readonly onFault: (error: unknown) => void
}

export interface WitnessServer {
  /** Listens and returns the port. Throws StartError when the address cannot be had. */
  start(): Promise<number>
  /** Finishes the requests under way. */
  close(): Promise<void>
}

/** For a request to arrive. */
const requestTimeoutMs = 10_000
const maxConnections = 128
const plain = 'text/plain; charset=utf-8'

interface Reply {
  readonly status: number
  readonly type?: string
  readonly body: string
}

/** The statuses of the protocol. The words are for people; clients go by the status. */
const replyTo = (answer: WitnessAnswer): Reply => {
  switch (answer.kind) {
    case 'cosigned':
      return { status: 200, body: answer.line }
    case 'malformed':
      return { status: 400, body: 'This is not a request to add a checkpoint.\n' }
    case 'old_size_too_large':
      return { status: 400, body: 'The old size is larger than the checkpoint.\n' }
    case 'not_signed':
      return { status: 403, body: 'No key that is trusted for this log has signed the checkpoint.\n' }
    case 'unknown_origin':
      return { status: 404, body: 'This log is not watched here.\n' }
    case 'conflict':
      return { status: 409, type: sizeMediaType, body: `${answer.size}\n` }
    case 'not_proven':
      return { status: 422, body: 'The proof does not show that the checkpoint continues the one cosigned last.\n' }
    case 'fork':
      return { status: 422, body: 'Another root of this size was cosigned: the log has forked.\n' }
    default:
      return answer satisfies never
  }
}

const send = (reply: FastifyReply, { status, type = plain, body }: Reply): FastifyReply =>
  reply.code(status).header('cache-control', 'no-store').type(type).send(body)

const statusOf = (error: unknown): number => {
  const { statusCode } = error as { readonly statusCode?: unknown }
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 ? statusCode : 500
}

export const createWitnessServer = ({ witness, address, tls, onFault }: WitnessServerOptions): WitnessServer => {
  const checking = { headersTimeout: requestTimeoutMs, requestTimeout: requestTimeoutMs, connectionsCheckingInterval: requestTimeoutMs / 2 }
  const server = fastify({
    ...(tls === undefined ? { http: checking } : { https: { ...handshakeOf(tls), ...contextOf(tls), ...checking } }),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: maxRequestBytes,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: 'idle',
  } as object) as unknown as FastifyInstance
  server.server.maxConnections = maxConnections

  // The protocol names no media type for requests, so none is asked for.
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  server.addHook('onRequest', async (_request, reply) => {
    reply.headers(securityHeaders)
  })
  server.setErrorHandler((error, _request, reply) => {
    const status = statusOf(error)
    if (status === 500) onFault(error)
    return send(reply, { status, body: status === 500 ? 'The witness could not keep the checkpoint.\n' : 'The request cannot be read.\n' })
  })
  server.setNotFoundHandler((_request, reply) => send(reply, { status: 404, body: 'There is nothing here.\n' }))
  server.post('/add-checkpoint', async (request, reply) => {
    const body = request.body instanceof Uint8Array ? request.body : new Uint8Array()
    return send(reply, replyTo(await witness.addCheckpoint(body)))
  })
  server.get('/:origin/checkpoint', async (request, reply) => {
    const note = witness.checkpoint((request.params as { readonly origin: string }).origin)
    return send(reply, note === undefined ? { status: 404, body: 'Nothing was cosigned for this log.\n' } : { status: 200, body: note })
  })

  return {
    start: async () => {
      try {
        await server.listen({ host: address.host, port: address.port })
      } catch (cause) {
        throw new StartError(`The witness cannot listen on ${formatHostPort(address)}; is it in use?`, { cause, mayPass: true })
      }
      const bound = server.server.address()
      return typeof bound === 'object' && bound !== null ? bound.port : address.port
    },
    close: () => server.close(),
  }
}
