import t from 'tap'
import type { Column } from '../../../cli/output/column.ts'
import { printable, width } from '../../../cli/output/printable.ts'
import { table } from '../../../cli/output/table.ts'

interface Row {
  readonly name: string
  readonly reason: string
}

const columns: readonly Column<Row>[] = [
  { name: 'name', value: (row) => row.name },
  { name: 'reason', value: (row) => row.reason },
]

t.test('columns are as wide as their widest cell, and no line ends in blanks', async (t) => {
  const text = table(columns, [
    { name: 'a', reason: 'short' },
    { name: 'a-longer-name', reason: '' },
  ])
  t.equal(text, 'NAME           REASON\na              short\na-longer-name  -\n')
})

t.test('a table of nothing still says what it would hold', async (t) => {
  t.equal(table(columns, []), 'NAME  REASON\n')
})

t.test('text from others cannot move the cursor, break a line or hide', async (t) => {
  const text = table(columns, [{ name: '\u001b[31mred', reason: 'one\ntwo\u202egnp.exe\u0007\u2028x' }])
  t.equal(text.split('\n').length, 3)
  for (const hidden of ['\u001b', '\u202e', '\u0007', '\u2028']) t.notOk(text.includes(hidden))
  t.match(text, '\\u{1b}[31mred')
  t.match(text, 'one\\ntwo\\u{202e}')
})

t.test('printable text is left as it is', async (t) => {
  t.equal(printable('Zahnärztin 医師 p-1001'), 'Zahnärztin 医師 p-1001')
})

t.test('an accent on a letter takes no column of its own', async (t) => {
  t.equal(width('e\u0301'), 1)
  t.equal(width('abc'), 3)
})
