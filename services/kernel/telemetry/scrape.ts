import type { Meter } from '@opentelemetry/api'
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import type { Resource } from '@opentelemetry/resources'
import { AggregationTemporality, AggregationType, InstrumentType, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'

/** Longest wait for what is read when somebody collects, in milliseconds. */
const collectTimeoutMs = 5_000

class ScrapeReader extends MetricReader {
  constructor() {
    super({
      aggregationSelector: () => ({ type: AggregationType.DEFAULT }),
      // A gauge that nobody reported this time would be shown with the value it once had.
      aggregationTemporalitySelector: (type) =>
        type === InstrumentType.OBSERVABLE_GAUGE ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE,
    })
  }

  protected override async onForceFlush(): Promise<void> {}

  protected override async onShutdown(): Promise<void> {}
}

/** Metrics that are there to be fetched, without anything else running. */
export interface Scrape {
  readonly meter: Meter
  /** All metrics in the text format of Prometheus, version 0.0.4. Those who ask at the same time share one collection. */
  text(): Promise<string>
}

export const createScrape = ({ scope, resource }: { readonly scope: string; readonly resource: Resource }): Scrape => {
  const reader = new ScrapeReader()
  const provider = new MeterProvider({ readers: [reader], resource })
  const serializer = new PrometheusSerializer(undefined, false, undefined, false, true)
  let collecting: Promise<string> | undefined

  const collect = async (): Promise<string> => {
    const { resourceMetrics } = await reader.collect({ timeoutMillis: collectTimeoutMs })
    return `${serializer.serialize(resourceMetrics).trimEnd()}\n`
  }

  return {
    meter: provider.getMeter(scope),
    text: () => {
      collecting ??= collect().finally(() => {
        collecting = undefined
      })
      return collecting
    },
  }
}
