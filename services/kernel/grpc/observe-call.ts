/** Spans and figures of calls, around the handlers that grpc-js knows. Health and reflection are not observed. */
import type { EventEmitter } from 'node:events'
import { type handleBidiStreamingCall, type handleServerStreamingCall, type handleUnaryCall, status as Status } from '@grpc/grpc-js'
import type { Clock } from '../clock.ts'
import type { Span, Tracer } from '../telemetry/tracer.ts'
import { parseTraceparent } from '../traceparent.ts'
import type { SurfaceCall } from './open-call.ts'

export interface CallObserver {
  readonly tracer: Tracer | undefined
  readonly clock: Clock
  /** Told of each call once it is over, with one of `statusNames`. Must not throw. */
  ended(method: string, status: string, durationMs: number): void
}

/** Of the protocol: `OK`, `CANCELLED`, `UNKNOWN` and so on. */
export const statusNames: readonly string[] = Object.values(Status).filter((name) => typeof name === 'string')

/** Statuses that are our fault and not the caller's, as OpenTelemetry's conventions for servers have it. */
const faults: ReadonlySet<Status> = new Set([
  Status.UNKNOWN,
  Status.DEADLINE_EXCEEDED,
  Status.UNIMPLEMENTED,
  Status.INTERNAL,
  Status.UNAVAILABLE,
  Status.DATA_LOSS,
])

interface Observation {
  /** Runs the handler inside the span of the call. */
  run(handler: () => void): void
  /** The call is over; later words are ignored. */
  end(status: Status): void
}

const observe = ({ tracer, clock, ended }: CallObserver, method: string, call: SurfaceCall): Observation => {
  const started = clock.monotonic()
  let over = false
  const span: Span | undefined = tracer?.start(method, {
    server: true,
    parent: parseTraceparent(call.metadata.get('traceparent')[0]),
    attributes: { 'rpc.system.name': 'grpc', 'rpc.method': method },
  })
  return {
    run: (handler) => {
      if (tracer === undefined || span === undefined) handler()
      else tracer.within(span, handler)
    },
    end: (status) => {
      if (over) return
      over = true
      const name = Status[status]
      span?.set({ 'rpc.response.status_code': name })
      span?.end(faults.has(status) ? name : undefined)
      ended(method, name, clock.monotonic() - started)
    },
  }
}

const statusOf = (error: unknown): Status => {
  const code = (error as { readonly code?: unknown } | null | undefined)?.code
  return typeof code === 'number' && code in Status ? code : Status.UNKNOWN
}

export const observeUnary =
  (observer: CallObserver | undefined, method: string, handler: handleUnaryCall<Buffer, Buffer>): handleUnaryCall<Buffer, Buffer> =>
  (call, respond) => {
    if (observer === undefined) return handler(call, respond)
    const observation = observe(observer, method, call)
    call.once('cancelled', () => observation.end(Status.CANCELLED))
    observation.run(() =>
      handler(call, (error, ...answer) => {
        observation.end(error === null ? Status.OK : statusOf(error))
        respond(error, ...answer)
      }),
    )
  }

type StreamCall = SurfaceCall & Pick<EventEmitter, 'once'>

export const observeStream = <Handler extends handleServerStreamingCall<Buffer, Buffer> | handleBidiStreamingCall<Buffer, Buffer>>(
  observer: CallObserver | undefined,
  method: string,
  handler: Handler,
): Handler => {
  if (observer === undefined) return handler
  const observed = (call: StreamCall): void => {
    const observation = observe(observer, method, call)
    call.once('cancelled', () => observation.end(Status.CANCELLED))
    call.once('error', (error: unknown) => observation.end(statusOf(error)))
    call.once('finish', () => observation.end(Status.OK))
    observation.run(() => (handler as (call: StreamCall) => void)(call))
  }
  return observed as unknown as Handler
}
