/** One column of a table or a CSV file. */
export interface Column<Row> {
  /** The contract's field name; the heading in CSV. */
  readonly name: string
  readonly value: (row: Row) => string
  /** Only in CSV, where there is room. */
  readonly wide?: true
}
