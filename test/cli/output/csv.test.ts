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

const breaking = fc.constantFrom(
  '\r',
  '\n',
  '\r\n',
  '\t',
  '=',
  '+',
  '-',
  '@',
  ',',
  '"',
  "'",
  ' ',
  'a',
  '\u0000',
  '\u001b',
  '\u0085',
  '\u202e',
  '\u2028',
  '\ufeff',
)
const cells = fc.oneof(fc.string({ unit: breaking, maxLength: 8 }), fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }))

/** Turns code points that were written out back into characters. */
const asGiven = (cell: string): string =>
  cell.replace(/\\u\{([0-9a-f]+)\}/g, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)))

t.test('any reader finds every row and cell again, and none of them begins like a formula', async () => {
  fc.assert(
    fc.property(fc.array(fc.record({ one: cells, two: cells }), { minLength: 1 }), (rows) => {
      const text = csvHeader(columns) + csvLines(columns, rows)
      const parsed = parse(text) as string[][]
      if (parsed.length !== rows.length + 1) throw new Error(`${parsed.length} lines of ${rows.length} rows`)
      rows.forEach((row, index) => {
        const [one, two, ...more] = parsed[index + 1] as string[]
        if (more.length > 0) throw new Error('a cell too many')
        for (const [cell, given] of [
          [one as string, row.one],
          [two as string, row.two],
        ] as const) {
          if (/^(?:[\t\r\n]|\s*[=+\-@])/.test(cell)) throw new Error(`a formula: ${JSON.stringify(cell)}`)
          if (/[\p{Cf}\p{Zl}\p{Zp}\p{Cs}]|(?![\r\n])\p{Cc}/u.test(cell)) throw new Error(`a control character: ${JSON.stringify(cell)}`)
          if (asGiven(cell) !== given && asGiven(cell) !== `'${given}`) throw new Error(`changed: ${JSON.stringify(cell)}`)
        }
      })
    }),
    { numRuns: 500 },
  )
})

t.test('a lone carriage return or line feed does not end a row', async (t) => {
  for (const [one, quoted] of [
    ['a\r=1+1', '"a\r=1+1"'],
    ['a\n=1+1', '"a\n=1+1"'],
    ['a\r\n=1+1', '"a\r\n=1+1"'],
    ['\r=1', '"\'\r=1"'],
  ] as const) {
    t.equal(csvLines(columns, [{ one, two: 'b' }]), `${quoted},b\r\n`)
  }
})

t.test('control and bidirectional characters are written as their code point', async (t) => {
  t.equal(csvLines(columns, [{ one: 'a\u001b[2Jb\u0085', two: '\u202etxt\u2066' }]), 'a\\u{1b}[2Jb\\u{85},\\u{202e}txt\\u{2066}\r\n')
  t.equal(csvLines(columns, [{ one: '\t=1', two: 'a\tb' }]), "'\\u{9}=1,a\\u{9}b\r\n")
})

t.test('lines end in CRLF, as RFC 4180 asks', async (t) => {
  t.equal(csvHeader(columns), 'one,two\r\n')
  t.equal(csvLines(columns, [{ one: 'a,b', two: 'say "x"' }]), '"a,b","say ""x"""\r\n')
})
