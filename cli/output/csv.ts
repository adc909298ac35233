import { stringify } from 'csv-stringify/sync'
import type { Column } from './column.ts'
import { printableLines } from './printable.ts'

/**
 * What a spreadsheet would run as a formula gets an apostrophe in front: a cell whose first character, after spaces, is one of = + - @ or
 * its full-width form, or that begins with a tab, a carriage return or a line feed. Every other cell is left exactly as it is.
 * https://owasp.org/www-community/attacks/CSV_Injection
 */
export const neutraliseFormula = (cell: string): string => (/^(?:[\t\r\n]|\s*[=+\-@＝＋－＠])/u.test(cell) ? `'${cell}` : cell)

// csv-stringify quotes only what holds the whole delimiter; readers take a lone carriage return or line feed for the end of a row too.
const layout = { record_delimiter: 'windows', quoted_match: /[\r\n]/ } as const

/**
 * RFC 4180 lines ending in CRLF. Formulas are neutralised, and control and bidirectional characters are written as their code point as in a
 * table, but for line breaks, which stay inside their quoted cell.
 */
export const csvLines = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string =>
  stringify(
    rows.map((row) => columns.map((column) => printableLines(neutraliseFormula(column.value(row))))),
    layout,
  )

/** The header line. */
export const csvHeader = <Row>(columns: readonly Column<Row>[]): string => stringify([columns.map((column) => column.name)], layout)
