import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import t from 'tap'
import type { Column } from '../../../cli/output/column.ts'
import { csvHeader, csvLines, neutraliseFormula } from '../../../cli/output/csv.ts'

interface Row {
  readonly one: string
  readonly two: string
}

const columns: readonly Column<Row>[] = [
  { name: 'one', value: (row) => row.one },
  { name: 'two', value: (row) => row.two },
]

t.test('cells that a spreadsheet would run are neutralised', async (t) => {
  for (const cell of [
    '=1+1',
    '+49 30 1234',
    '-1',
    '@SUM(A1)',
    '=HYPERLINK("http://example.org","x")',
    "=cmd|' /C calc'!A0",
    '\t=1',
    '\r=1',
    '\n=1',
    '  =1',
    '\u00a0=1',
    '＝1',
    '＋1',
    '－1',
    '＠1',
  ]) {
    t.equal(neutraliseFormula(cell), `'${cell}`, JSON.stringify(cell))
  }
})

t.test('every other cell is left as it is', async (t) => {
  for (const cell of ['', 'p-1001', 'staff:d-1', 'a=b', "'quoted", '2026-11-22T08:00:00.000Z', 'fields, "alerts"', '1e5', 'ä']) {
    t.equal(neutraliseFormula(cell), cell)
  }
})

t.test('no cell that leaves begins like a formula, and every cell comes back whole', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.record({ one: fc.string({ unit: 'grapheme' }), two: fc.string() }), { minLength: 1 }), (rows) => {
      const parsed = parse(csvHeader(columns) + csvLines(columns, rows), { columns: true, record_delimiter: '\r\n' }) as Row[]
      t.equal(parsed.length, rows.length)
      rows.forEach((row, index) => {
        for (const name of ['one', 'two'] as const) {
          const cell = parsed[index]?.[name] ?? ''
          if (/^\s*[=+\-@]/.test(cell)) throw new Error(`a formula: ${cell}`)
          if (cell !== row[name] && cell !== `'${row[name]}`) throw new Error(`changed: ${cell}`)
        }
      })
    }),
    { numRuns: 200 },
  )
})

t.test('lines end in CRLF, as RFC 4180 asks', async (t) => {
  t.equal(csvHeader(columns), 'one,two\r\n')
  t.equal(csvLines(columns, [{ one: 'a,b', two: 'say "x"' }]), '"a,b","say ""x"""\r\n')
})
