/** Traces and metrics of one service. What is off costs nothing: there is no tracer and there are no metrics to call then. */
import { resourceFromAttributes } from '@opentelemetry/resources'
import type { Clock } from '../clock.ts'
import type { Logger } from '../logging.ts'
import { systemTimers, type Timers } from '../timers.ts'
import { createFaultLog } from './fault-log.ts'
import type { MetricTable } from './metric-row.ts'
import type { Metrics } from './metrics.ts'
import { createOtelMetrics } from './otel-metrics.ts'
import { createOtelTracer } from './otel-tracer.ts'
import { startOtlp } from './otlp.ts'
import { createScrape } from './scrape.ts'
import type { Tracer } from './tracer.ts'

export interface TelemetryOptions<Table extends MetricTable> {
  readonly table: Table
  /** What is sent by OTLP; where to, the OTEL_EXPORTER_OTLP_* variables of the process say. */
  readonly otlp: { readonly traces: boolean; readonly metrics: boolean }
  /** Whether metrics are there to be fetched. */
  readonly scraped: boolean
  /** Release of the service. */
  readonly version: string
  readonly logger: Logger
  readonly clock: Clock
  /** Told of each fault of sending. */
  readonly onFault?: () => void
  readonly timers?: Timers
}

export interface Telemetry<Table extends MetricTable> {
  readonly tracer: Tracer | undefined
  readonly metrics: Metrics<Table> | undefined
  /** All metrics as text; undefined unless `scraped`. */
  readonly text: (() => Promise<string>) | undefined
  /** Sends what is waiting, bounded in time. A collector that does not answer holds nobody up. */
  stop(): Promise<void>
}

const name = 'chartwarden'

export const startTelemetry = async <Table extends MetricTable>(options: TelemetryOptions<Table>): Promise<Telemetry<Table>> => {
  const { table, otlp: signals, scraped, version, logger, clock, onFault, timers = systemTimers } = options
  const resource = resourceFromAttributes({ 'service.name': name, 'service.version': version })
  const log = createFaultLog({ logger, clock })
  const fault = (texts: readonly unknown[]): void => {
    onFault?.()
    log(texts)
  }
  const sending = signals.traces || signals.metrics
  const otlp = sending ? await startOtlp({ signals, scope: name, resource, onFault: fault, timers }) : undefined
  const scrape = scraped ? createScrape({ scope: name, resource }) : undefined
  const meters = [otlp?.meter, scrape?.meter].filter((meter) => meter !== undefined)
  return {
    tracer: otlp?.tracer === undefined ? undefined : createOtelTracer(otlp.tracer),
    metrics: meters.length === 0 ? undefined : createOtelMetrics(table, meters, timers),
    text: scrape?.text,
    stop: async () => otlp?.stop(),
  }
}
