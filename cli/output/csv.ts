import { stringify } from 'csv-stringify/sync'
import type { Column } from './column.ts'

/**
 * What a spreadsheet would run as a formula gets an apostrophe in front: a cell whose first character, after spaces, is one of = + - @ or
 * its full-width form, or that begins with a tab, a carriage return or a line feed. Everything else is left exactly as it is.
 * https://owasp.org/www-community/attacks/CSV_Injection
 */
export const neutraliseFormula = (cell: string): string => (/^(?:[\t\r\n]|\s*[=+\-@＝＋－＠])/u.test(cell) ? `'${cell}` : cell)

/** RFC 4180 lines ending in CRLF, formulas neutralised. */
export const csvLines = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string =>
  stringify(
    rows.map((row) => columns.map((column) => neutraliseFormula(column.value(row)))),
    { record_delimiter: 'windows' },
  )

/** The header line. */
export const csvHeader = <Row>(columns: readonly Column<Row>[]): string =>
  stringify([columns.map((column) => column.name)], { record_delimiter: 'windows' })
