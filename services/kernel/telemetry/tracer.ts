/**
 * Where spans enter: explicit ones only, with attributes from a closed list of codes and figures. Nothing here takes free text, so that no
 * identifier, statement or message of an error can reach a trace by a slip.
 */
import { type ErrorReason, toChartwardenError } from '../errors.ts'

/** What a span may say. Texts are codes of our own tables, names of methods, routes and projections; never what a caller chose. */
export interface SpanAttributes {
  readonly 'rpc.system.name'?: 'grpc'
  readonly 'rpc.method'?: string
  readonly 'rpc.response.status_code'?: string
  readonly 'http.request.method'?: string
  readonly 'http.route'?: string
  readonly 'http.response.status_code'?: number
  readonly 'chartwarden.decision'?: 'permit' | 'deny'
  readonly 'chartwarden.reason_code'?: string
  readonly 'chartwarden.attempt'?: number
  readonly 'chartwarden.outcome'?: string
  readonly 'chartwarden.appends'?: number
  readonly 'chartwarden.entries'?: number
  readonly 'chartwarden.bytes'?: number
  readonly 'chartwarden.projection'?: string
}

/** One piece of work, from its start to `end`. */
export interface Span {
  /** Lower-case hexadecimal, 32 and 16 digits. */
  readonly traceId: string
  readonly spanId: string
  /** False where the sampler leaves it out: then nothing is kept of it. */
  readonly sampled: boolean
  set(attributes: SpanAttributes): void
  /** Says that the two belong together although neither is the other's child. */
  link(other: Span): void
  /** Ends it, once: well, or failed for a reason (a code of the error catalogue or a status). */
  end(failure?: string): void
}

export interface SpanOptions {
  /** A call that came in; everything else is work within the process. */
  readonly server?: boolean
  /** Whose child it is: a span, or the caller's context as `parseTraceparent` gives it. Undefined: of the span under way, if there is one. */
  readonly parent?: Span | string | undefined
  readonly attributes?: SpanAttributes
}

export interface Tracer {
  start(name: string, options?: SpanOptions): Span
  /** Runs the work as the inside of the span: spans started by it, now or later, are its children. */
  within<Result>(span: Span, work: () => Result): Result
  /** The span under way here, if there is one. */
  current(): Span | undefined
}

const reasonOf = (thrown: unknown): ErrorReason => toChartwardenError(thrown).reason

/**
 * Runs the work inside a span of its own, which ends with it; of what it throws only the reason is told. Without a tracer it just runs it.
 */
export const traced = <Result>(
  tracer: Tracer | undefined,
  name: string,
  work: (span: Span | undefined) => Result,
  options?: SpanOptions,
): Result => {
  if (tracer === undefined) return work(undefined)
  const span = tracer.start(name, options)
  try {
    const result = tracer.within(span, () => work(span))
    if (!(result instanceof Promise)) {
      span.end()
      return result
    }
    return result.then(
      (value) => {
        span.end()
        return value
      },
      (thrown: unknown) => {
        span.end(reasonOf(thrown))
        throw thrown
      },
    ) as Result
  } catch (thrown) {
    span.end(reasonOf(thrown))
    throw thrown
  }
}
