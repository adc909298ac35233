import type { BatchObservableResult, Histogram, Meter, Observable } from '@opentelemetry/api'
import type { Timers } from '../timers.ts'
import type { LabelValues, MetricRow, MetricTable } from './metric-row.ts'
import type { Metrics } from './metrics.ts'
import { createSeries, type Series } from './series.ts'

/** Longest wait for one reading of gauges, in milliseconds. */
const readingTimeoutMs = 2_000

type Labels = Readonly<Record<string, string>>

const within = (timers: Timers, milliseconds: number, work: Promise<void>): Promise<void> =>
  new Promise((resolve) => {
    const stopTimer = timers.after(milliseconds, resolve)
    const done = (): void => {
      stopTimer()
      resolve()
    }
    work.then(done, done)
  })

/**
 * The metrics of a table as instruments of OpenTelemetry, made on each meter, e.g. one that is scraped and one that sends. Counters are plain
 * numbers until somebody collects: counting costs a look-up, where an instrument of the SDK costs a microsecond.
 */
export const createOtelMetrics = <Table extends MetricTable>(table: Table, meters: readonly Meter[], timers: Timers): Metrics<Table> => {
  const series = new Map<string, Series>()
  const totals = new Map<string, Map<Labels, number>>()
  const histograms = new Map<string, readonly Histogram[]>()
  const gauges = new Map<string, readonly Observable[]>()

  const make = (name: string, { kind, meaning, unit, labels, buckets }: MetricRow): void => {
    const options = { description: meaning, unit, ...(buckets === undefined ? {} : { advice: { explicitBucketBoundaries: [...buckets] } }) }
    series.set(name, createSeries(labels))
    if (kind === 'histogram') {
      histograms.set(
        name,
        meters.map((meter) => meter.createHistogram(name, options)),
      )
    } else if (kind === 'gauge') {
      gauges.set(
        name,
        meters.map((meter) => meter.createObservableGauge(name, options)),
      )
    } else {
      const values = new Map<Labels, number>()
      totals.set(name, values)
      for (const start of startOf(labels)) values.set(seriesOf(name, start), 0)
      for (const meter of meters) {
        meter.createObservableCounter(name, options).addCallback((result) => {
          for (const [attributes, value] of values) result.observe(value, attributes)
        })
      }
    }
  }

  const seriesOf = (name: string, labels: Labels): Labels => (series.get(name) as Series)(labels)

  const setTotal = (name: string, labels: Labels, change: (before: number) => number): void => {
    const values = totals.get(name) as Map<Labels, number>
    const attributes = seriesOf(name, labels)
    values.set(attributes, change(values.get(attributes) ?? 0))
  }

  for (const [name, row] of Object.entries(table)) make(name, row)

  return {
    count: (name, labels, by = 1) => setTotal(name, labels as Labels, (before) => before + by),
    total: (name, labels, value) => setTotal(name, labels as Labels, () => value),
    record: (name, labels, value) => {
      const attributes = seriesOf(name, labels as Labels)
      for (const histogram of histograms.get(name) as readonly Histogram[]) histogram.record(value, attributes)
    },
    read: (names, reading) => {
      for (const [index, meter] of meters.entries()) {
        const instruments = new Map<string, Observable>(
          names.map((name) => [name, (gauges.get(name) as readonly Observable[])[index] as Observable]),
        )
        meter.addBatchObservableCallback(
          async (result: BatchObservableResult) => {
            const run = async (): Promise<void> =>
              reading((name, labels, value) => {
                const instrument = instruments.get(name)
                if (instrument !== undefined) result.observe(instrument, value, seriesOf(name, labels as Labels))
              })
            await within(timers, readingTimeoutMs, run())
          },
          [...instruments.values()],
        )
      }
    },
  }
}

/** Series that stand at 0 from the start, so that the first event is seen as a change: those of counters with at most one label of known values. */
const startOf = (labels: Readonly<Record<string, LabelValues>>): readonly Labels[] => {
  const [first, ...rest] = Object.entries(labels)
  if (first === undefined) return [{}]
  const [label, values] = first
  return rest.length > 0 || typeof values === 'string' ? [] : values.map((value) => ({ [label]: value }))
}
