import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { findKey, parseKeySet } from '../../../services/kernel/tokens/key-set.ts'
import { keySetOf, signingKey } from '../../support/signing-key.ts'

const ed = signingKey('ed')
const rsa = signingKey('rsa', 'RS256')

const parse = (...keys: readonly unknown[]) => parseKeySet(JSON.stringify({ keys }))
const why = (set: ReturnType<typeof parseKeySet>): string => (set.kind === 'unusable' ? set.why : 'usable')

t.test('a set gives its usable keys and says which it ignores', async (t) => {
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' })
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
  const set = parse(
    { ...rsa.publicJwk, alg: undefined },
    { ...ed.publicJwk, kid: 'encryption', use: 'enc' },
    { ...ed.publicJwk, kid: 'signs', use: undefined, key_ops: ['sign'] },
    { ...rsa.publicJwk, kid: 'pss', alg: 'PS256' },
    { ...p384, kid: 'p384' },
    { ...short, kid: 'short' },
    { kty: 'new', kid: 'new' },
    ed.publicJwk,
  )
  if (set.kind !== 'keys') throw new Error(set.why)
  t.strictSame(
    set.keys.map(({ kid, algorithm }) => [kid, algorithm]),
    [
      ['rsa', 'RS256'],
      ['ed', 'EdDSA'],
    ],
  )
  t.equal(set.ignored.length, 6)
  t.match(set.ignored.join('\n'), /key "short": neither RSA of at least 2048 bits/)
})

t.test('a set that cannot be trusted or used is unusable as a whole', async (t) => {
  t.equal(why(parseKeySet('{')), 'it is not JSON')
  t.equal(why(parseKeySet('[]')), 'it has no list of keys')
  t.equal(why(parseKeySet('{"keys":{}}')), 'it has no list of keys')
  t.equal(why(parse()), 'it has no usable key')
  t.match(why(parse({ kty: 'new' })), /it has no usable key; member 0/)
  t.match(why(parse(ed.publicJwk, 7)), /member 1 is not an object/)
  t.match(why(parse(ed.publicJwk, { kty: 'oct', k: 'c2VjcmV0', kid: 'shared' })), /key "shared" is a symmetric key/)
  t.match(why(parse({ ...ed.privateKey.export({ format: 'jwk' }), kid: 'mine' })), /key "mine" is a private key/)
  t.match(why(parse(ed.publicJwk, { ...signingKey('ed').publicJwk })), /two keys share the kid "ed"/)
  t.match(why(parse({ ...ed.publicJwk, kid: '' })), /kid of member 0/)
})

t.test('whatever the text is, nothing is thrown', async () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.jsonValue().map((value) => JSON.stringify({ keys: value })),
      ),
      (text) => parseKeySet(text).kind !== undefined,
    ),
  )
})

t.test('a key is found by kid and algorithm together', async (t) => {
  const set = parse(...keySetOf(ed, rsa).keys)
  if (set.kind !== 'keys') throw new Error(set.why)
  t.equal(findKey(set.keys, 'ed', 'EdDSA')?.kid, 'ed')
  t.equal(findKey(set.keys, 'ed', 'RS256'), undefined)
  t.equal(findKey(set.keys, undefined, 'EdDSA'), undefined, 'two keys: the kid is needed')
  t.equal(findKey(set.keys.slice(0, 1), undefined, 'EdDSA')?.kid, 'ed')
  t.equal(findKey(set.keys.slice(0, 1), 'other', 'EdDSA'), undefined)
})
