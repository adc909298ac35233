/**
 * The listener of whoever runs the service: `/metrics`, `/healthz` and `/readyz`, without TLS, certificates and tokens, for the machine itself
 * or the network of the cluster alone. Nothing on it names a clinic, a person or a caller.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { formatHostPort, type HostPort } from './host-port.ts'
import { askReadiness, type Readiness } from './http/readiness.ts'
import type { Logger } from './logging.ts'
import { StartError } from './start-error.ts'
import { systemTimers, type Timers } from './timers.ts'

export interface OperationsServerOptions {
  readonly address: HostPort
  /** The metrics as text. */
  readonly text: () => Promise<string>
  /** What `/readyz` answers from; asked at each call, at most two seconds. */
  readonly readiness: () => Promise<Readiness>
  readonly logger: Logger
  readonly timers?: Timers
}

export interface OperationsServer {
  /** Listens and returns the port. Throws StartError when the address cannot be had. */
  start(): Promise<number>
  /** Stops at once. */
  close(): Promise<void>
}

const maxConnections = 32
const requestTimeoutMs = 5_000

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

const words = (status: number, body: string): Answer => ({ status, type: 'text/plain; charset=utf-8', body })
const json = (status: number, body: object): Answer => ({ status, type: 'application/json; charset=utf-8', body: JSON.stringify(body) })

export const createOperationsServer = (options: OperationsServerOptions): OperationsServer => {
  const { address, text, readiness, logger, timers = systemTimers } = options

  const pages: Readonly<Record<string, () => Promise<Answer>>> = {
    '/metrics': async () => {
      try {
        return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: await text() }
      } catch (err) {
        logger.error({ event: 'metrics.failed', err }, 'the metrics could not be collected')
        return words(500, 'The metrics could not be collected; see the log.\n')
      }
    },
    '/healthz': async () => json(200, { status: 'ok' }),
    '/readyz': async () => {
      const found = await askReadiness(readiness, timers, logger)
      return json(found.ready ? 200 : 503, found)
    },
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url?.split('?', 1)[0] ?? ''
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined
    const refused = request.method === 'GET' ? undefined : words(405, 'Only GET is answered.\n')
    const answer = page === undefined ? words(404, 'Only /metrics, /healthz and /readyz are here.\n') : (refused ?? (await page()))
    response.writeHead(answer.status, {
      'content-type': answer.type,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(answer.status === 405 ? { allow: 'GET' } : {}),
    })
    response.end(answer.body)
  }

  const server = createServer({ requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs }, (request, response) => {
    request.resume()
    void handle(request, response)
  })
  server.maxConnections = maxConnections

  return {
    start: () =>
      new Promise((resolve, reject) => {
        server.once('error', (cause) =>
          reject(new StartError(`The metrics cannot listen on ${formatHostPort(address)}; is it in use?`, { cause, mayPass: true })),
        )
        server.listen({ host: address.host, port: address.port }, () => {
          const bound = server.address()
          resolve(typeof bound === 'object' && bound !== null ? bound.port : address.port)
        })
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
