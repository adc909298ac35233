import type { Clock } from '../kernel/clock.ts'
import type { Config } from '../kernel/config.ts'
import type { CallObserver } from '../kernel/grpc/observe-call.ts'
import { formatHostPort } from '../kernel/host-port.ts'
import type { HttpObserver } from '../kernel/http/observe-request.ts'
import type { Readiness } from '../kernel/http/readiness.ts'
import type { Logger } from '../kernel/logging.ts'
import { createOperationsServer, type OperationsServer } from '../kernel/operations-server.ts'
import { StartError } from '../kernel/start-error.ts'
import { startTelemetry } from '../kernel/telemetry/telemetry.ts'
import type { Tracer } from '../kernel/telemetry/tracer.ts'
import type { ProjectionObserver } from '../projections/observed-projection.ts'
import { metricTable } from './metric-table.ts'
import { createObservers, type Observers } from './observers.ts'
import { addProcessGauges } from './process-gauges.ts'
import { addServiceGauges, type WatchedParts } from './service-gauges.ts'

export interface ObservabilityOptions {
  readonly config: Pick<Config, 'metricsAddr' | 'metricsAddrGiven' | 'otlp'>
  readonly version: string
  readonly logger: Logger
  readonly clock: Clock
  /** Whether `/metrics` is offered here, if it is anywhere; false: another process of the service asks for `metrics`. Defaults to true. */
  readonly listens?: boolean
  /** Makes the page of `/metrics` from what is counted here; defaults to that alone. */
  readonly page?: ((own: () => Promise<string>) => Promise<string>) | undefined
}

/** What the parts of a service are given to be observed with; what is off is undefined. */
export interface Observability {
  readonly tracer: Tracer | undefined
  readonly observers: Observers | undefined
  readonly call: CallObserver | undefined
  readonly http: HttpObserver | undefined
  readonly projection: ProjectionObserver | undefined
  /** Where `/metrics`, `/healthz` and `/readyz` answer without a token. */
  readonly metricsPort: number | undefined
  /** What is counted here, as text; undefined where no metrics are there to be fetched. */
  readonly metrics: (() => Promise<string>) | undefined
  /** From now on, what is asked of these parts is in the metrics, and whether they are ready is told. */
  watch(parts: WatchedParts): void
  /** Sends what is waiting, bounded in time, and closes the listener. */
  stop(): Promise<void>
}

const nothing = (): void => undefined

const notYet: Readiness = { ready: false, checks: { starting: true } }

/**
 * The port; undefined where nobody has asked for the address and it is taken, by another service on the same machine: one that is only tried
 * out is not stopped by that.
 */
const listen = async (server: OperationsServer, { config, logger }: ObservabilityOptions): Promise<number | undefined> => {
  try {
    return await server.start()
  } catch (error) {
    const taken = error instanceof StartError && (error.cause as { readonly code?: unknown } | undefined)?.code === 'EADDRINUSE'
    if (config.metricsAddrGiven || !taken) throw error
    const address = config.metricsAddr === undefined ? '' : formatHostPort(config.metricsAddr)
    logger.warn({ event: 'metrics.address_taken', address }, 'the address of the metrics is in use: there are none of this service')
    return undefined
  }
}

/** Starts telemetry and the listener of `/metrics`. Throws StartError when an address that was asked for cannot be had. */
export const startObservability = async (options: ObservabilityOptions): Promise<Observability> => {
  const { config, version, logger, clock, listens = true, page = (own) => own() } = options
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
  let readiness = async (): Promise<Readiness> => notYet
  const server =
    config.metricsAddr === undefined || text === undefined || !listens
      ? undefined
      : createOperationsServer({ address: config.metricsAddr, text: () => page(text), readiness: () => readiness(), logger })
  const stop = async (): Promise<void> => {
    await telemetry.stop()
    stopProcessGauges?.()
    await server?.close()
  }
  const observers = metrics === undefined ? undefined : createObservers(metrics)
  const on = tracer !== undefined || observers !== undefined
  try {
    const metricsPort = server === undefined ? undefined : await listen(server, options)
    return {
      tracer,
      observers,
      call: on ? { tracer, clock, ended: observers?.call.ended ?? nothing } : undefined,
      http: on ? { tracer, clock, ended: observers?.http.ended ?? nothing } : undefined,
      projection: on ? { tracer, applied: observers?.projection.applied ?? nothing } : undefined,
      metricsPort,
      metrics: text,
      watch: (parts) => {
        readiness = parts.readiness
        if (metrics !== undefined) addServiceGauges(metrics, version, parts)
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
