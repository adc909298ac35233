import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import t from 'tap'
import type { Column } from '../../../cli/output/column.ts'
import { createRowWriter, type RowFormat } from '../../../cli/output/row-writer.ts'

interface Row {
  readonly id: string
  readonly rule: string
}

const columns: readonly Column<Row>[] = [
  { name: 'id', value: (row) => row.id },
  { name: 'rule', value: (row) => row.rule, wide: true },
]

const written = async (format: RowFormat, rows: readonly Row[], summary: Record<string, unknown> | undefined = {}): Promise<string> => {
  const out = new PassThrough()
  const whole = text(out)
  const writer = createRowWriter<Row>({ format, columns, toJson: (row) => row, out })
  for (const row of rows) await writer.write(row)
  await writer.end(summary)
  out.end()
  return whole
}

const rows: readonly Row[] = [
  { id: 'a', rule: 'role/dentist#1' },
  { id: '=b', rule: '' },
]

t.test('a table leaves out what only a file has room for', async (t) => {
  t.equal(await written('table', rows), 'ID\na\n=b\n')
})

t.test('csv has every column and neutralises formulas', async (t) => {
  t.equal(await written('csv', rows), "id,rule\r\na,role/dentist#1\r\n'=b,\r\n")
})

t.test('ndjson is one object a line that changes nothing, and a last line about the whole', async (t) => {
  const lines = (await written('ndjson', rows, { complete_to_revision: '7' })).trimEnd().split('\n')
  t.strictSame(
    lines.map((line) => JSON.parse(line)),
    [...rows, { end: { complete_to_revision: '7', rows: 2 } }],
  )
})

t.test('json is one document with the summary in it', async (t) => {
  t.strictSame(JSON.parse(await written('json', rows, { complete_to_revision: '7' })), { rows, complete_to_revision: '7' })
  t.strictSame(JSON.parse(await written('json', [], { complete_to_revision: null })), { rows: [], complete_to_revision: null })
})

t.test('an empty report still has its heading', async (t) => {
  t.equal(await written('csv', []), 'id,rule\r\n')
  t.equal(await written('table', []), 'ID\n')
  t.equal(await written('ndjson', []), '{"end":{"rows":0}}\n')
})

t.test('a table longer than what it is measured on loses no row', async (t) => {
  const many = Array.from({ length: 1203 }, (_, index) => ({ id: `row-${index}`, rule: '' }))
  const lines = (await written('table', many)).trimEnd().split('\n')
  t.equal(lines.length, 1204)
  t.equal(lines.at(-1), 'row-1202')
})
