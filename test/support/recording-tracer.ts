/** A tracer that remembers its spans, for tests of who starts which. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Span, SpanAttributes, Tracer } from '../../services/kernel/telemetry/tracer.ts'

export interface RecordedSpan extends Span {
  readonly name: string
  readonly parent: Span | string | undefined
  readonly attributes: SpanAttributes
  readonly links: readonly Span[]
  /** Undefined while it is open. */
  readonly ended: 'well' | string | undefined
}

export interface RecordingTracer extends Tracer {
  readonly spans: readonly RecordedSpan[]
  /** The only span of this name. */
  one(name: string): RecordedSpan
}

/** `sampled`: what it says of each span by its name; everything is unless told otherwise. */
export const recordingTracer = (sampled: (name: string) => boolean = () => true): RecordingTracer => {
  const storage = new AsyncLocalStorage<Span>()
  const spans: RecordedSpan[] = []
  return {
    spans,
    one: (name) => {
      const found = spans.filter((span) => span.name === name)
      if (found.length !== 1) throw new Error(`${found.length} spans are named ${name}`)
      return found[0] as RecordedSpan
    },
    start: (name, { parent, attributes } = {}) => {
      const links: Span[] = []
      const span = {
        name,
        parent: parent ?? storage.getStore(),
        attributes: { ...attributes },
        links,
        ended: undefined as string | undefined,
        traceId: '',
        spanId: String(spans.length),
        sampled: sampled(name),
        set: (more: SpanAttributes) => Object.assign(span.attributes, more),
        link: (other: Span) => void links.push(other),
        end: (failure?: string) => {
          if (span.ended !== undefined) throw new Error(`${name} has ended before`)
          span.ended = failure ?? 'well'
        },
      }
      spans.push(span)
      return span
    },
    within: (span, work) => storage.run(span, work),
    current: () => storage.getStore(),
  }
}
