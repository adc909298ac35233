import fc from 'fast-check'
import t from 'tap'
import { jsonFault } from '../../services/kernel/json-scan.ts'

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

t.test('a text is called JSON exactly where the parser of the language takes it', async (t) => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '"',
    '"a"',
    '"b\\n"',
    '"\\x"',
    'null',
    'nul',
    '1',
    '-',
    '01',
    '1e5',
    '.5',
    ' ',
    '\n',
    '\u00a0',
  )
  const spoilt = fc
    .tuple(fc.json(), fc.nat(), fc.nat(3), pieces)
    .map(([text, at, cut, piece]) => text.slice(0, at % (text.length + 1)) + piece + text.slice((at % (text.length + 1)) + cut))
  const texts = fc.oneof(
    fc.json(),
    spoilt,
    fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(texts, (text) => {
      t.equal(jsonFault(text)?.kind !== 'syntax' && !text.startsWith('\ufeff'), isJson(text), text)
    }),
    { numRuns: 2_000 },
  )
})

t.test('the place is that of the first character that does not belong, lines and columns from 1', async (t) => {
  for (const [text, line, column] of [
    ['', 1, 1],
    ['{', 1, 2],
    ['{"a":1,}', 1, 8],
    ['{\n  "a": x\n}', 2, 8],
    ['{"a":1}\n{', 2, 1],
    ['{"a":"cut o', 1, 6],
    ['{"a":1,"a":2', 1, 13],
    ["{'a':1}", 1, 2],
  ] as const) {
    t.strictSame(jsonFault(text), { kind: 'syntax', line, column }, text)
  }
})

t.test('a member that stands twice has the path to it, however it is written', async (t) => {
  for (const [text, path] of [
    ['{"a":1,"a":1}', 'a'],
    ['[{"a":{"b":1,"c":2,"b":3}}]', '[0].a.b'],
    ['{"a":[1,{"id":1,"\\u0069d":2}]}', 'a[1].id'],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
  ] as const) {
    t.strictSame(jsonFault(text), { kind: 'repeated', path }, text)
  }
  t.equal(jsonFault('[{"a":{"a":"a"}},{"a":["a","a"]}]'), undefined, 'twin')
})

t.test('a text may nest as deep and be as long as a body may', async (t) => {
  t.equal(jsonFault(`${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`), undefined)
  t.match(jsonFault('['.repeat(1_000_000)), { kind: 'syntax', column: 1_000_001 })
  t.equal(jsonFault(JSON.stringify('\n'.repeat(4_000_000))), undefined)
})
