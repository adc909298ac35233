/**
 * Sending traces and metrics by OTLP with OpenTelemetry's SDK for Node, which reads the standard OTEL_* variables itself. It registers what
 * it makes globally; that is taken back at once, so that two services in one process do not mix and no library traces behind our back.
 */
import { context, DiagLogLevel, diag, type Meter, type MeterProvider, metrics, propagation, type Tracer, trace } from '@opentelemetry/api'
import { envDetector, type Resource, serviceInstanceIdDetector } from '@opentelemetry/resources'
import type { Timers } from '../timers.ts'

export interface OtlpOptions {
  readonly signals: { readonly traces: boolean; readonly metrics: boolean }
  /** Name of the instrumentation, e.g. the product. */
  readonly scope: string
  readonly resource: Resource
  /** Told of each fault of the SDK as it says it; the texts may quote what a collector answered. */
  readonly onFault: (texts: readonly unknown[]) => void
  readonly timers: Timers
}

export interface Otlp {
  readonly tracer: Tracer | undefined
  readonly meter: Meter | undefined
  /** Sends what is waiting, for at most two seconds. */
  stop(): Promise<void>
}

const stopTimeoutMs = 2_000

/** Longest wait for a collector unless the operator says otherwise: the SDK's ten seconds would keep a stopped process alive that long. */
const answerTimeout = { name: 'OTEL_EXPORTER_OTLP_TIMEOUT', milliseconds: '2000' } as const

/** The SDK takes this limit from the environment alone, when its exporters are made. */
const withAnswerTimeout = <Result>(work: () => Result): Result => {
  if (process.env[answerTimeout.name]) return work()
  process.env[answerTimeout.name] = answerTimeout.milliseconds
  try {
    return work()
  } finally {
    delete process.env[answerTimeout.name]
  }
}

/** A tracer that the API hands out before there is a provider would go through the global one each time. */
const behindProxy = (provider: ReturnType<typeof trace.getTracerProvider>) =>
  'getDelegate' in provider ? (provider.getDelegate as () => typeof provider)() : provider

export const startOtlp = async ({ signals, scope, resource, onFault, timers }: OtlpOptions): Promise<Otlp> => {
  // Loaded only here: it takes a third of a second to read, and most services send nothing.
  const { NodeSDK } = await import('@opentelemetry/sdk-node')
  const fault = (...texts: readonly unknown[]): void => onFault(texts)
  const quiet = (): void => undefined
  const options = {
    resource,
    // Names neither the machine nor its user; OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME may say more.
    resourceDetectors: [serviceInstanceIdDetector, envDetector],
    instrumentations: [],
    logRecordProcessors: [],
    textMapPropagator: null,
    ...(signals.traces ? {} : { spanProcessors: [] }),
    ...(signals.metrics ? {} : { metricReaders: [] }),
  }
  const sdk = withAnswerTimeout(() => {
    const made = new NodeSDK(options)
    // After the SDK is made, which would write to the console if OTEL_LOG_LEVEL is set.
    diag.setLogger(
      { error: fault, warn: fault, info: quiet, debug: quiet, verbose: quiet },
      { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
    )
    made.start()
    return made
  })
  const tracerProvider = behindProxy(trace.getTracerProvider())
  const meterProvider: MeterProvider = metrics.getMeterProvider()
  trace.disable()
  metrics.disable()
  context.disable()
  propagation.disable()

  return {
    tracer: signals.traces ? tracerProvider.getTracer(scope) : undefined,
    meter: signals.metrics ? meterProvider.getMeter(scope) : undefined,
    stop: () =>
      new Promise((resolve) => {
        const stopTimer = timers.after(stopTimeoutMs, resolve)
        const done = (): void => {
          stopTimer()
          resolve()
        }
        sdk.shutdown().then(done, done)
      }),
  }
}
