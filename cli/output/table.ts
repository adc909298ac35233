import type { Column } from './column.ts'
import { printable, width } from './printable.ts'

const gap = '  '

/** Lays rows out in columns as wide as what it was measured on; a longer cell pushes its line, it is never cut. */
export interface TableLayout {
  readonly header: string
  line(cells: readonly string[]): string
}

export const layoutTable = (headings: readonly string[], sample: readonly (readonly string[])[]): TableLayout => {
  const widths = headings.map((heading, index) => Math.max(width(heading), ...sample.map((cells) => width(cells[index] ?? ''))))
  const line = (cells: readonly string[]): string =>
    `${cells.map((cell, index) => cell + ' '.repeat(Math.max(0, (widths[index] ?? 0) - width(cell)))).join(gap)}`.trimEnd().concat('\n')
  return { header: line(headings.map((heading) => heading.toUpperCase())), line }
}

/** The cells of a row as they may be shown; an empty one is a dash. */
export const tableCells = <Row>(columns: readonly Column<Row>[], row: Row): string[] =>
  columns.map((column) => printable(column.value(row)) || '-')

/** A whole table. */
export const table = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string => {
  const cells = rows.map((row) => tableCells(columns, row))
  const layout = layoutTable(
    columns.map((column) => column.name),
    cells,
  )
  return layout.header + cells.map((line) => layout.line(line)).join('')
}
