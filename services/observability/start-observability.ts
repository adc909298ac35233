import type { Clock } from '../kernel/clock.ts'
import type { Config } from '../kernel/config.ts'
import type { CallObserver } from '../kernel/grpc/observe-call.ts'
import type { HttpObserver } from '../kernel/http/observe-request.ts'
import type { Logger } from '../kernel/logging.ts'
import { createMetricsServer } from '../kernel/telemetry/metrics-server.ts'
import { startTelemetry } from '../kernel/telemetry/telemetry.ts'
import type { Tracer } from '../kernel/telemetry/tracer.ts'
import type { ProjectionObserver } from '../projections/observed-projection.ts'
import { metricTable } from './metric-table.ts'
import { createObservers, type Observers } from './observers.ts'
import { addProcessGauges } from './process-gauges.ts'
import { addServiceGauges, type WatchedParts } from './service-gauges.ts'

export interface ObservabilityOptions {
  readonly config: Pick<Config, 'metricsAddr' | 'otlp'>
  readonly version: string
  readonly logger: Logger
  readonly clock: Clock
}

/** What the parts of a service are given to be observed with; what is off is undefined. */
export interface Observability {
  readonly tracer: Tracer | undefined
  readonly observers: Observers | undefined
  readonly call: CallObserver | undefined
  readonly http: HttpObserver | undefined
  readonly projection: ProjectionObserver | undefined
  /** Where `/metrics` answers. */
  readonly metricsPort: number | undefined
  /** From now on, what is asked of these parts is in the metrics. */
  watch(parts: WatchedParts): void
  /** Sends what is waiting, bounded in time, and closes the listener. */
  stop(): Promise<void>
}

const nothing = (): void => undefined

/** Starts telemetry and the listener of `/metrics`. Throws StartError when its address cannot be had. */
export const startObservability = async ({ config, version, logger, clock }: ObservabilityOptions): Promise<Observability> => {
  const telemetry = await startTelemetry({
    table: metricTable,
    otlp: config.otlp,
    scraped: config.metricsAddr !== undefined,
    version,
    logger,
    clock,
    onFault: () => telemetry?.metrics?.count('chartwarden_telemetry_faults_total', {}),
  })
  const { tracer, metrics, text } = telemetry
  const stopProcessGauges = metrics === undefined ? undefined : addProcessGauges(metrics, clock)
  const server =
    config.metricsAddr === undefined || text === undefined ? undefined : createMetricsServer({ address: config.metricsAddr, text, logger })
  const stop = async (): Promise<void> => {
    await telemetry.stop()
    stopProcessGauges?.()
    await server?.close()
  }
  const observers = metrics === undefined ? undefined : createObservers(metrics)
  const on = tracer !== undefined || observers !== undefined
  try {
    const metricsPort = await server?.start()
    return {
      tracer,
      observers,
      call: on ? { tracer, clock, ended: observers?.call.ended ?? nothing } : undefined,
      http: on ? { tracer, clock, ended: observers?.http.ended ?? nothing } : undefined,
      projection: on ? { tracer, applied: observers?.projection.applied ?? nothing } : undefined,
      metricsPort,
      watch: (parts) => {
        if (metrics !== undefined) addServiceGauges(metrics, version, parts)
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
