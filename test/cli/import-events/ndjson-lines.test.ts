import { open, writeFile } from 'node:fs/promises'
import path from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { maxLineBytes, type NdjsonLine, ndjsonLines } from '../../../cli/import-events/ndjson-lines.ts'

const directory = t.testdir()

const linesOf = async (bytes: Buffer | string): Promise<readonly NdjsonLine[]> => {
  const name = path.join(directory, 'lines')
  await writeFile(name, bytes)
  await using handle = await open(name)
  const lines: NdjsonLine[] = []
  for await (const line of ndjsonLines(handle)) lines.push(line)
  return lines
}
const brief = async (bytes: Buffer | string) => (await linesOf(bytes)).map(({ line, text, fault }) => [line, text ?? fault])

t.test('lines end in LF or CRLF, the last one in nothing as well, and blank ones only count', async (t) => {
  t.same(await brief('a\nb\r\n\n \t\nc'), [
    [1, 'a'],
    [2, 'b\r'],
    [5, 'c'],
  ])
  t.same(await brief(''), [])
  t.same(await brief('\n\n'), [])
})

t.test('a byte order mark is taken off the file and off nothing else', async (t) => {
  t.same(await brief('\ufeff{}\n\ufeff{}\n'), [
    [1, '{}'],
    [2, '\ufeff{}'],
  ])
})

t.test('a line that is not UTF-8 is refused, and the next is read', async (t) => {
  t.same(await brief(Buffer.concat([Buffer.from('a\n'), Buffer.from([0x22, 0xc3, 0x28, 0x22, 0x0a]), Buffer.from('b\n')])), [
    [1, 'a'],
    [2, 'is not UTF-8'],
    [3, 'b'],
  ])
})

t.test('a line as long as it may be is read, one byte more is refused without being held, and the next is read', async (t) => {
  const most = 'x'.repeat(maxLineBytes)
  const found = await linesOf(`${most}\n${most}y\n${'z'.repeat(5 * maxLineBytes)}\nnext\n`)
  t.equal(found[0]?.text, most)
  t.match(found.slice(1), [
    { line: 2, fault: /longer than 1048576 bytes/ },
    { line: 3, fault: /longer/ },
    { line: 4, text: 'next' },
  ])
})

t.test('whatever stands in a file, its lines are those of the text', async () => {
  const line = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 30 }),
    fc.integer({ min: 200_000, max: 300_000 }).map((size) => 'é'.repeat(size)),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        line.map((text) => text.replace(/[\n\ufeff]/g, '.')),
        { maxLength: 6 },
      ),
      async (lines) => {
        const found = await linesOf(lines.join('\n'))
        const expected = lines.flatMap((text, index) => (text.trim() === '' ? [] : [[index + 1, text]]))
        return JSON.stringify(found.map(({ line, text }) => [line, text])) === JSON.stringify(expected)
      },
    ),
    { numRuns: 50 },
  )
})
