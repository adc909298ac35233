/** `GET /metrics` on a listener of its own, without TLS and tokens: it is for the machine itself or the network of the cluster alone. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { formatHostPort, type HostPort } from '../host-port.ts'
import type { Logger } from '../logging.ts'
import { StartError } from '../start-error.ts'

export interface MetricsServerOptions {
  readonly address: HostPort
  /** The metrics as text. */
  readonly text: () => Promise<string>
  readonly logger: Logger
}

export interface MetricsServer {
  /** Listens and returns the port. Throws StartError when the address cannot be had. */
  start(): Promise<number>
  /** Stops at once. */
  close(): Promise<void>
}

const contentType = 'text/plain; version=0.0.4; charset=utf-8'
const maxConnections = 32
const requestTimeoutMs = 5_000

export const createMetricsServer = ({ address, text, logger }: MetricsServerOptions): MetricsServer => {
  const answer = (response: ServerResponse, status: number, body: string, headers: Readonly<Record<string, string>> = {}): void => {
    response.writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...headers,
    })
    response.end(body)
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.url?.split('?', 1)[0] !== '/metrics') return answer(response, 404, 'Only /metrics is here.\n')
    if (request.method !== 'GET') return answer(response, 405, 'Only GET is answered.\n', { allow: 'GET' })
    try {
      answer(response, 200, await text(), { 'content-type': contentType })
    } catch (err) {
      logger.error({ event: 'metrics.failed', err }, 'the metrics could not be collected')
      answer(response, 500, 'The metrics could not be collected; see the log.\n')
    }
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
          reject(new StartError(`The metrics cannot listen on ${formatHostPort(address)}; is it in use?`, { cause })),
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
