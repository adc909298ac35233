import { CsvError, parse } from 'csv-parse/sync'

/** Which of the files given together is meant. */
export type TableFile = 'roles' | 'bounds' | 'purposes'

/** Something that keeps a table from being imported. */
export interface ImportProblem {
  readonly file: TableFile
  /** Of the file, from 1. */
  readonly line: number
  readonly message: string
}

export interface TableRow {
  readonly line: number
  /** Cells by column, without surrounding blanks. */
  readonly cells: Readonly<Record<string, string>>
}

export interface Table {
  readonly header: readonly string[]
  readonly rows: readonly TableRow[]
}

interface ParsedRecord {
  readonly record: readonly string[]
  readonly info: { readonly lines: number }
}

/** Reads a CSV text (RFC 4180) with one header row. What is wrong with it goes to `problems`; rows of a wrong width are left out. */
export const readTable = (file: TableFile, text: string, problems: ImportProblem[]): Table => {
  let records: readonly ParsedRecord[]
  try {
    const options = { bom: true, info: true, relax_column_count: true, skip_empty_lines: true, trim: true }
    records = parse(text, options) as unknown as readonly ParsedRecord[]
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    problems.push({ file, line: Number(error['lines'] ?? 1), message: `this is not CSV: ${error.message}` })
    return { header: [], rows: [] }
  }
  const [first, ...rest] = records
  if (first === undefined) {
    problems.push({ file, line: 1, message: 'the file is empty' })
    return { header: [], rows: [] }
  }
  const header = first.record
  const rows: TableRow[] = []
  for (const { record, info } of rest) {
    if (record.length === header.length) {
      rows.push({ line: info.lines, cells: Object.fromEntries(header.map((column, index) => [column, record[index] as string])) })
    } else {
      problems.push({ file, line: info.lines, message: `has ${record.length} columns where the header has ${header.length}` })
    }
  }
  if (rest.length === 0) problems.push({ file, line: first.info.lines, message: 'the file has a header and no rows' })
  return { header, rows }
}

/** Whether the header is exactly these columns. */
export const hasHeader = ({ header }: Table, ...columns: readonly string[]): boolean =>
  header.length === columns.length && columns.every((column, index) => header[index] === column)

/** Codes of one cell: both `,` and `|` separate. */
export const codesOf = (cell: string): readonly string[] =>
  cell
    .split(/[,|]/)
    .map((code) => code.trim())
    .filter((code) => code !== '')
