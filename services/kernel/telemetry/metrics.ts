import type { LabelsOf, MetricTable, NamesOf } from './metric-row.ts'

/** Tells the value of a gauge. */
export type Report<Table extends MetricTable> = <Name extends NamesOf<Table, 'gauge'>>(
  name: Name,
  labels: LabelsOf<Table[Name]>,
  value: number,
) => void

/** Where figures enter, by the names of a table. None of it throws or waits. */
export interface Metrics<Table extends MetricTable> {
  /** Adds to a counter, 1 unless told otherwise. */
  count<Name extends NamesOf<Table, 'counter'>>(name: Name, labels: LabelsOf<Table[Name]>, by?: number): void
  /** Sets a counter that something else keeps, e.g. processor time. */
  total<Name extends NamesOf<Table, 'counter'>>(name: Name, labels: LabelsOf<Table[Name]>, value: number): void
  /** Adds a value to a histogram. */
  record<Name extends NamesOf<Table, 'histogram'>>(name: Name, labels: LabelsOf<Table[Name]>, value: number): void
  /**
   * Has these gauges read whenever somebody collects. What the reading does not report is absent from `/metrics` then (to a collector, the SDK
   * repeats the last value); one that fails or takes longer than two seconds disturbs nothing else.
   */
  read<Name extends NamesOf<Table, 'gauge'>>(names: readonly Name[], reading: (report: Report<Table>) => void | Promise<void>): void
}
