import fc from 'fast-check'
import t from 'tap'
import type { Properties } from '../../../services/access/events.ts'
import { labelNames, propertyViolations } from '../../../services/access/policy/properties.ts'

const fieldsOf = (properties: Properties): readonly string[] => propertyViolations('p', properties).map(({ field }) => field)

t.test('codes, numbers, booleans and lists of codes are taken', async (t) => {
  t.same(fieldsOf({}), [])
  t.same(
    fieldsOf({ a: true, b: -0.5, c: '0', d: 'x'.repeat(256), e: [], f: ['x', 'ward-3/bed.4', 'urn:oid:2.16', 'a+b', 'A_b'], _g9: 0 }),
    [],
  )
})

t.test('everything else is refused, each by its name', async (t) => {
  t.same(fieldsOf({ a: null, b: { c: 1 }, d: [['x']], e: [1], f: 'x'.repeat(257), g: ['x'.repeat(257)], h: Array(65).fill('x') }), [
    'p.a',
    'p.b',
    'p.d',
    'p.e',
    'p.f',
    'p.g',
    'p.h',
  ])
  t.same(fieldsOf({ a: Number.NaN, b: Number.POSITIVE_INFINITY, c: 'a\0', d: '\ud800' }), ['p.a', 'p.b', 'p.c', 'p.d'])
  for (const text of ['', ' a', 'two words', 'a\tb', 'a\n', '-a', '.a', 'a,b', 'a@b', 'M\u00fcller', '\u{1f512}', 'a\u00a0b', '"a"']) {
    t.same(fieldsOf({ a: text, b: [text], c: ['x', text] }), ['p.a', 'p.b', 'p.c'], JSON.stringify(text))
  }
  for (const name of ['', '9', 'a b', 'a.b', 'ä', 'x'.repeat(65), 'constructor', 'toString', '__proto__']) {
    t.same(fieldsOf(JSON.parse(`{${JSON.stringify(name)}:1}`) as Properties), ['p'], name)
  }
  t.same(fieldsOf(Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`p${index}`, 1]))), ['p'])
})

t.test('labels are no properties of a resource, but may be of a subject', async (t) => {
  const labelled = { confidentiality: 'V', sensitivities: ['HIV'] }
  t.same(
    propertyViolations('p', labelled, labelNames).map(({ field }) => field),
    ['p.confidentiality', 'p.sensitivities'],
  )
  t.same(fieldsOf(labelled), [])
})

t.test('what is taken never takes more than 4 KiB', async (t) => {
  const value = fc.oneof(
    fc.boolean(),
    fc.double(),
    fc.string({ maxLength: 300 }),
    fc.stringMatching(/^[a-z0-9][a-z0-9:+-]{0,270}$/),
    fc.array(fc.stringMatching(/^[a-z0-9]{1,80}$/), { maxLength: 70 }),
  )
  const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,20}$/)
  fc.assert(
    fc.property(fc.dictionary(name, value, { maxKeys: 40 }), (properties) => {
      const taken = fieldsOf(properties).length === 0
      const bytes = Buffer.byteLength(JSON.stringify(properties))
      return !taken || (bytes <= 4_096 && Object.keys(properties).length <= 32)
    }),
  )
  const full = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`p${index % 10}${Math.floor(index / 10)}`, 'x'.repeat(245)]))
  t.same(fieldsOf(full), [])
  t.same(fieldsOf({ ...full, more: 'x'.repeat(100) }), ['p'])
})
