/** Values that only the code itself can choose, such as a release or the template of a route: known to be few, but not as a list here. */
export const fromCode = 'from the code'

export type LabelValues = readonly string[] | typeof fromCode

/** What is said of a metric, as data: the instruments and the documentation both come from it. */
export interface MetricRow {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  /** UCUM, e.g. `s`, `By`; words in braces for what is counted. */
  readonly unit: string
  readonly meaning: string
  /** Every label with all values it can have; any other value becomes `other`. */
  readonly labels: Readonly<Record<string, LabelValues>>
  /** Upper bounds of the buckets; histograms only. */
  readonly buckets?: readonly number[]
}

/** Rows by the full name, as it stands in `/metrics`. */
export type MetricTable = Readonly<Record<string, MetricRow>>

/** What a label value that is not in its list becomes, so that nothing a caller chose can make a series. */
export const otherValue = 'other'

/** Names of a table's metrics of one kind. */
export type NamesOf<Table extends MetricTable, Kind extends MetricRow['kind']> = {
  [Name in keyof Table]: Table[Name]['kind'] extends Kind ? Name : never
}[keyof Table] &
  string

/** The labels that a value of this metric needs. */
export type LabelsOf<Row extends MetricRow> = { readonly [Label in keyof Row['labels']]: string }
