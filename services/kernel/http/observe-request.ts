/** Spans and figures of requests, by the template of their route: the address itself may name a patient. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Clock } from '../clock.ts'
import type { Span, Tracer } from '../telemetry/tracer.ts'
import { parseTraceparent } from '../traceparent.ts'

export interface HttpObserver {
  readonly tracer: Tracer | undefined
  readonly clock: Clock
  /** Told of each request once its answer has left; `route` is `none` where none fits. Must not throw. */
  ended(request: { readonly method: string; readonly route: string; readonly status: number }, durationMs: number): void
}

interface Observation {
  readonly started: number
  readonly span: Span | undefined
}

const firstFault = 500

export const addObservation = (server: FastifyInstance, observer: HttpObserver | undefined): void => {
  if (observer === undefined) return
  const { tracer, clock, ended } = observer
  const observations = new WeakMap<FastifyRequest, Observation>()
  const routeOf = (request: FastifyRequest): string => request.routeOptions.url ?? 'none'

  server.addHook('onRequest', (request, _reply, done) => {
    const { method } = request
    const route = routeOf(request)
    const span = tracer?.start(`${method} ${route}`, {
      server: true,
      parent: parseTraceparent(request.headers['traceparent']),
      attributes: { 'http.request.method': method, 'http.route': route },
    })
    observations.set(request, { started: clock.monotonic(), span })
    done()
  })
  // Here and not earlier: what reads the body runs in the context of the socket.
  server.addHook('preHandler', (request, _reply, done) => {
    const span = observations.get(request)?.span
    if (tracer === undefined || span === undefined) done()
    else tracer.within(span, done)
  })
  server.addHook('onResponse', (request, reply, done) => {
    const observation = observations.get(request)
    if (observation !== undefined) {
      const { statusCode: status } = reply
      observation.span?.set({ 'http.response.status_code': status })
      observation.span?.end(status >= firstFault ? String(status) : undefined)
      ended({ method: request.method, route: routeOf(request), status }, clock.monotonic() - observation.started)
    }
    done()
  })
}
