import type { Clock } from '../kernel/clock.ts'
import type { Config } from '../kernel/config.ts'
import type { Logger } from '../kernel/logging.ts'
import type { Metrics } from '../kernel/telemetry/metrics.ts'
import { createMetricsServer } from '../kernel/telemetry/metrics-server.ts'
import { startTelemetry } from '../kernel/telemetry/telemetry.ts'
import type { Tracer } from '../kernel/telemetry/tracer.ts'
import { metricTable, type ServiceMetrics } from './metric-table.ts'
import { createObservers, type Observers } from './observers.ts'
import { addProcessGauges } from './process-gauges.ts'

export interface ObservabilityOptions {
  readonly config: Pick<Config, 'metricsAddr' | 'otlp'>
  readonly version: string
  readonly logger: Logger
  readonly clock: Clock
}

/** What the parts of a service are given to be observed with; every member is undefined where it is off. */
export interface Observability {
  readonly tracer: Tracer | undefined
  readonly metrics: Metrics<ServiceMetrics> | undefined
  readonly observers: Observers | undefined
  /** Where `/metrics` answers. */
  readonly metricsPort: number | undefined
  /** Sends what is waiting, bounded in time, and closes the listener. */
  stop(): Promise<void>
}

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
  try {
    const metricsPort = await server?.start()
    return { tracer, metrics, observers: metrics === undefined ? undefined : createObservers(metrics), metricsPort, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
