import fc from 'fast-check'
import t from 'tap'
import { canonicalJson, type JsonValue } from '../../services/kernel/canonical-json.ts'

t.test('the example of RFC 8785, section 3.2.3, is written as the RFC writes it', async (t) => {
  const value = {
    '€': 'Euro Sign',
    '\r': 'Carriage Return',
    '\ufb33': 'Hebrew Letter Dalet With Dagesh',
    '1': 'One',
    '\u{1f600}': 'Emoji: Grinning Face',
    '\u0080': 'Control',
    ö: 'Latin Small Letter O With Diaeresis',
  }
  t.same(
    [...canonicalJson(value).matchAll(/:"([^"]*)"/g)].map(([, text]) => text),
    [
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ],
  )
})

t.test('numbers are written as in RFC 8785, appendix B', async (t) => {
  const samples: [string, string][] = [
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['44b52d02c7e14af6', '1e+23'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555557', '333333333.33333343'],
  ]
  for (const [bits, text] of samples) t.equal(canonicalJson(Buffer.from(bits, 'hex').readDoubleBE()), text)
})

t.test('what cannot be the same everywhere is refused', async (t) => {
  const refused: unknown[] = [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '\ud800',
    { '\udc00': 1 },
    [undefined],
    1n,
    new Date(0),
    new Map(),
    () => 1,
  ]
  for (const value of refused) t.throws(() => canonicalJson(value as JsonValue), TypeError)
})

t.test('equal values have one text, whatever the order of their members', async (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const shuffle = (part: unknown): unknown => {
        if (Array.isArray(part)) return part.map(shuffle)
        if (part === null || typeof part !== 'object') return part
        return Object.fromEntries(
          Object.entries(part)
            .reverse()
            .map(([name, member]) => [name, shuffle(member)]),
        )
      }
      const text = canonicalJson(value as JsonValue)
      return text === canonicalJson(shuffle(value) as JsonValue) && text === canonicalJson(JSON.parse(text) as JsonValue)
    }),
  )
  t.pass('over random JSON')
})
