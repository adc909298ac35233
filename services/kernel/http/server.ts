import { Server as TlsServer } from 'node:tls'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify, LogController } from 'fastify'
import { correlationHeader } from '../calls/open-call.ts'
import { ChartwardenError } from '../errors.ts'
import { formatHostPort, type HostPort } from '../host-port.ts'
import type { Randomness } from '../ids.ts'
import type { Logger } from '../logging.ts'
import type { OnRefusal } from '../refusal.ts'
import { createRefusalReport } from '../refusals.ts'
import { StartError } from '../start-error.ts'
import { systemTimers, type Timers } from '../timers.ts'
import { contextOf, handshakeOf, type TlsMaterial } from '../tls.ts'
import type { TokenVerifier } from '../tokens/verifier.ts'
import { addAuthentication, type RequireToken } from './authentication.ts'
import { answerClientError } from './client-error.ts'
import { toHttpError } from './http-error.ts'
import { createKnownRoutes } from './known-routes.ts'
import { addObservation, type HttpObserver } from './observe-request.ts'
import { askReadiness, type Readiness } from './readiness.ts'
import { checkHead } from './request-head.ts'
import { securityHeaders, sendProblem } from './send-problem.ts'

export interface HttpServerOptions {
  readonly address: HostPort
  /** Undefined: no TLS. */
  readonly tls?: TlsMaterial | undefined
  readonly verifier: TokenVerifier
  readonly logger: Logger
  readonly randomness: Randomness
  /** What `/readyz` answers from; asked at each call, at most two seconds. */
  readonly readiness: () => Promise<Readiness>
  /** Told of every request refused for its token, clinic or scope. Must not throw or take long. */
  readonly onRefusal: OnRefusal
  /** Largest request body, in bytes. Defaults to 1 MiB. */
  readonly bodyLimit?: number
  /** Time a request may take to arrive, in milliseconds. Defaults to 10,000. */
  readonly requestTimeoutMs?: number
  /** Adds routes. Each states who may call it with `requireToken`, or is open on purpose. */
  readonly routes?: (server: FastifyInstance, requireToken: RequireToken) => void | Promise<void>
  /** For metrics and traces. */
  readonly observer?: HttpObserver | undefined
  readonly timers?: Timers
}

export interface HttpServer {
  /** Listens and returns the port. Throws StartError when the address cannot be had. */
  start(): Promise<number>
  /** Uses another certificate for new connections; nothing where there is no TLS. */
  renewTls(material: TlsMaterial): void
  /** For `inject()`, which needs no socket. */
  readonly server: FastifyInstance
  /** Stops: not ready, new requests refused, those under way finished. What still runs after the timeout is cut. */
  drain(timeoutMs: number): Promise<void>
  /** Stops at once. */
  close(): Promise<void>
}

const callerSchema = {
  type: 'object',
  required: ['id', 'issuer', 'clinics', 'scopes', 'expires_at'],
  properties: {
    id: { type: 'string' },
    issuer: { type: 'string' },
    clinics: { type: 'array', items: { type: 'string' } },
    scopes: { type: 'array', items: { type: 'string' } },
    expires_at: { type: 'string' },
  },
} as const

/** The Fastify server with `/healthz`, `/readyz` and `/v1/caller`. Every refusal is a problem document of the catalogue. */
export const createHttpServer = async (options: HttpServerOptions): Promise<HttpServer> => {
  const { address, tls, logger, randomness, requestTimeoutMs = 10_000, timers = systemTimers } = options
  // Node looks for late requests every 30 seconds unless told otherwise, and exchanges the two limits where that of the headers is larger.
  const checking = {
    connectionsCheckingInterval: Math.ceil(requestTimeoutMs / 2),
    headersTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    // A reader of a stream that vanished without a word is noticed in the end.
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    // Node would answer without a problem document; `checkHead` refuses it.
    requireHostHeader: false,
  }
  const report = createRefusalReport(options.onRefusal)
  let draining = false

  const answerError = (thrown: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const error = toHttpError(thrown)
    if (error.reason === 'INTERNAL') {
      logger.error({ event: 'http.failed', route: request.routeOptions.url, correlationId: request.id, err: error }, 'a request failed')
    }
    const caller = request.user ?? undefined
    // What a caller without a valid token names is not looked at.
    const clinic = caller === undefined ? undefined : (request.params as { readonly clinic?: string } | null)?.clinic
    report(error, { caller, clinic, address: request.ip })
    const shown = error.reason === 'INTERNAL' ? new ChartwardenError('INTERNAL') : error
    sendProblem(reply, shown, request.id)
  }

  const server = fastify({
    ...(tls === undefined ? { http: checking } : { https: { ...handshakeOf(tls), ...contextOf(tls), ...checking } }),
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    requestIdHeader: false,
    genReqId: () => randomness.uuid(),
    bodyLimit: options.bodyLimit ?? 1_048_576,
    requestTimeout: requestTimeoutMs,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
    clientErrorHandler: answerClientError(randomness),
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) => answerError(error, request, reply),
  } as object) as unknown as FastifyInstance

  addObservation(server, options.observer)
  server.removeContentTypeParser('text/plain')
  server.setErrorHandler(answerError)
  const known = createKnownRoutes()
  server.addHook('onRoute', ({ method, url }) => known.add(method, url))
  server.setNotFoundHandler((request, reply) => {
    const allowed = known.methodsOf(request.url.split('?', 1)[0] as string)
    if (allowed.length === 0) throw new ChartwardenError('ROUTE_UNKNOWN')
    reply.header('allow', allowed.join(', '))
    throw new ChartwardenError('METHOD_NOT_ALLOWED')
  })
  // What Node would answer by itself, without a problem document.
  server.server.on('checkExpectation', (request, response) => server.server.emit('request', request, response))
  server.addHook('onRequest', async (request, reply) => {
    reply.headers({ ...securityHeaders, [correlationHeader]: request.id })
    if (tls !== undefined) reply.header('strict-transport-security', 'max-age=31536000')
    const probe = request.routeOptions.url === '/healthz' || request.routeOptions.url === '/readyz'
    if (draining && !probe) throw new ChartwardenError('SHUTTING_DOWN')
    checkHead(request.raw)
  })
  server.addHook('onSend', async (_request, reply) => {
    // A connection kept alive would hold a stopping server open.
    if (draining) reply.header('connection', 'close')
  })
  server.addHook('onResponse', async (request, reply) => {
    const { method, routeOptions, id } = request
    logger.debug({ event: 'http.answered', method, route: routeOptions.url, status: reply.statusCode, correlationId: id }, 'answered')
  })

  const requireToken = await addAuthentication(server, options.verifier)

  server.get('/healthz', async () => ({ status: 'ok' }))
  server.get('/readyz', async (_request, reply) => {
    const readiness: Readiness = draining
      ? { ready: false, checks: { stopping: true } }
      : await askReadiness(options.readiness, timers, logger)
    return reply.code(readiness.ready ? 200 : 503).send(readiness)
  })
  server.get('/v1/caller', { onRequest: requireToken(), schema: { response: { 200: callerSchema } } }, async ({ user }) => ({
    id: user.id,
    issuer: user.issuer,
    clinics: [...user.clinics].sort(),
    scopes: [...user.scopes].sort(),
    expires_at: new Date(user.expiresAt).toISOString(),
  }))
  await options.routes?.(server, requireToken)

  return {
    server,
    renewTls: (material) => {
      if (server.server instanceof TlsServer) server.server.setSecureContext(contextOf(material))
    },
    start: async () => {
      try {
        await server.listen({ host: address.host, port: address.port })
      } catch (cause) {
        throw new StartError(`HTTP cannot listen on ${formatHostPort(address)}; is it in use?`, { cause, mayPass: true })
      }
      const bound = server.server.address()
      return typeof bound === 'object' && bound !== null ? bound.port : address.port
    },
    drain: async (timeoutMs) => {
      draining = true
      const stopTimer = timers.after(timeoutMs, () => {
        logger.warn({ event: 'http.drain_timeout' }, 'requests were still under way when the time to drain was over')
        server.server.closeAllConnections()
      })
      await server.close()
      stopTimer()
    },
    close: async () => {
      draining = true
      server.server.closeAllConnections()
      await server.close()
    },
  }
}
