import fc from 'fast-check'
import t from 'tap'
import { parseJson } from '../../services/kernel/json-text.ts'

t.test('a member that stands in one object twice is named, wherever it is and however it is written', (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['{"a":1,"a":1}', 'a'],
    ['[{"a":{"b":1,"c":2,"b":3}}]', '[0].a.b'],
    ['{"id":1,"\\u0069d":2}', 'id'],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
    ['{"":1, "":2}', ''],
    ['{"a\\"}":1,"a\\"}":2}', 'a"}'],
  ]
  for (const [text, path] of cases) {
    t.same(parseJson(text), { kind: 'repeated', path }, text)
    t.doesNotThrow(() => JSON.parse(text), 'twin: the parser of the language takes it')
  }
  for (const text of ['{"a":{"a":1}}', '[{"a":1},{"a":2}]', '{"a":"a","b":"a"}', '{"a":["a","a"]}', '{"a":"{\\"b\\":1,\\"b\\":2}"}'])
    t.same(parseJson(text), { kind: 'value', value: JSON.parse(text) }, text)
  t.end()
})

t.test('whatever JSON can say is read as it was written, and what is none is none', (t) => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      t.same(parseJson(text), { kind: 'value', value: JSON.parse(text) })
    }),
  )
  for (const text of ['', '{', '{}}', '1,"value":2', 'undefined', "{'a':1}"]) t.same(parseJson(text), { kind: 'malformed' }, text)
  t.end()
})
