import type { Writable } from 'node:stream'
import { write } from '../io.ts'
import type { Column } from './column.ts'
import { csvHeader, csvLines } from './csv.ts'
import { layoutTable, type TableLayout, tableCells } from './table.ts'

export const rowFormats = ['table', 'csv', 'ndjson', 'json'] as const

/** `json` is one document, `{"rows": […], …}`; the others are one line a row. */
export type RowFormat = (typeof rowFormats)[number]

/** Writes rows as they come, however many there are. */
export interface RowWriter<Row> {
  write(row: Row): Promise<void>
  /**
   * Ends the output. `summary` becomes members of the document in `json` and a last line `{"end": {…, "rows": N}}` in `ndjson`; the other formats leave
   * it to stderr. Undefined: nothing is said of the whole, and an `ndjson` that was cut has no last line.
   */
  end(summary?: Readonly<Record<string, unknown>>): Promise<void>
}

export interface RowWriterOptions<Row> {
  readonly format: RowFormat
  readonly columns: readonly Column<Row>[]
  readonly toJson: (row: Row) => unknown
  readonly out: Writable
}

/** A table is measured on its first rows, so that it need not be held whole. */
const measuredRows = 500

const tableWriter = <Row>({ columns, out }: RowWriterOptions<Row>): RowWriter<Row> => {
  const shown = columns.filter((column) => column.wide === undefined)
  const held: string[][] = []
  let layout: TableLayout | undefined
  const flush = async (): Promise<void> => {
    layout = layoutTable(
      shown.map((column) => column.name),
      held,
    )
    await write(out, layout.header + held.map((cells) => (layout as TableLayout).line(cells)).join(''))
  }
  return {
    write: async (row) => {
      const cells = tableCells(shown, row)
      if (layout !== undefined) return write(out, layout.line(cells))
      held.push(cells)
      if (held.length === measuredRows) await flush()
    },
    end: async () => {
      if (layout === undefined) await flush()
    },
  }
}

const csvWriter = <Row>({ columns, out }: RowWriterOptions<Row>): RowWriter<Row> => {
  let started = false
  const start = async (): Promise<void> => {
    if (started) return
    started = true
    await write(out, csvHeader(columns))
  }
  return {
    write: async (row) => {
      await start()
      await write(out, csvLines(columns, [row]))
    },
    end: start,
  }
}

const ndjsonWriter = <Row>({ toJson, out }: RowWriterOptions<Row>): RowWriter<Row> => {
  let rows = 0
  return {
    write: (row) => {
      rows += 1
      return write(out, `${JSON.stringify(toJson(row))}\n`)
    },
    end: async (summary) => {
      if (summary !== undefined) await write(out, `${JSON.stringify({ end: { ...summary, rows } })}\n`)
    },
  }
}

const jsonWriter = <Row>({ toJson, out }: RowWriterOptions<Row>): RowWriter<Row> => {
  let rows = 0
  return {
    write: (row) => {
      rows += 1
      return write(out, `${rows === 1 ? '{"rows":[\n' : ',\n'}${JSON.stringify(toJson(row))}`)
    },
    end: (summary = {}) => {
      const members = Object.entries(summary).map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`)
      return write(out, `${rows === 0 ? '{"rows":[' : '\n'}]${members.join('')}}\n`)
    },
  }
}

export const createRowWriter = <Row>(options: RowWriterOptions<Row>): RowWriter<Row> => {
  switch (options.format) {
    case 'table':
      return tableWriter(options)
    case 'csv':
      return csvWriter(options)
    case 'ndjson':
      return ndjsonWriter(options)
    case 'json':
      return jsonWriter(options)
  }
}
