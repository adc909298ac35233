import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Span as OtelSpan,
  type Tracer as OtelTracer,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import type { Span, SpanOptions, Tracer } from './tracer.ts'

/** The caller's context; its tracestate and baggage are not read, since callers may write anything there. */
const remoteContext = (traceparent: string): SpanContext => {
  const [, traceId = '', spanId = '', flags = '00'] = traceparent.split('-')
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true }
}

class TracedSpan implements Span {
  readonly otel: OtelSpan
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean

  constructor(otel: OtelSpan) {
    this.otel = otel
    const { traceId, spanId } = otel.spanContext()
    this.traceId = traceId
    this.spanId = spanId
    this.sampled = otel.isRecording()
  }

  set(attributes: Parameters<Span['set']>[0]): void {
    this.otel.setAttributes({ ...attributes })
  }

  link(other: Span): void {
    if (other instanceof TracedSpan) this.otel.addLink({ context: other.otel.spanContext() })
  }

  end(failure?: string): void {
    if (failure !== undefined) {
      this.otel.setStatus({ code: SpanStatusCode.ERROR })
      this.otel.setAttribute('error.type', failure)
    }
    this.otel.end()
  }
}

/** Spans of OpenTelemetry. What is under way is kept per tracer, not globally: two services in one process do not mix. */
export const createOtelTracer = (otel: OtelTracer): Tracer => {
  const storage = new AsyncLocalStorage<TracedSpan>()

  const contextOf = (parent: SpanOptions['parent']) => {
    const chosen = parent ?? storage.getStore()
    if (chosen === undefined) return ROOT_CONTEXT
    if (typeof chosen === 'string') return trace.setSpanContext(ROOT_CONTEXT, remoteContext(chosen))
    return chosen instanceof TracedSpan ? trace.setSpan(ROOT_CONTEXT, chosen.otel) : ROOT_CONTEXT
  }

  return {
    start: (name, { server = false, parent, attributes } = {}) =>
      new TracedSpan(
        otel.startSpan(
          name,
          { kind: server ? SpanKind.SERVER : SpanKind.INTERNAL, ...(attributes === undefined ? {} : { attributes: { ...attributes } }) },
          contextOf(parent),
        ),
      ),
    within: (span, work) => (span instanceof TracedSpan ? storage.run(span, work) : work()),
    current: () => storage.getStore(),
  }
}
