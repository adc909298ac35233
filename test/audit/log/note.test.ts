/** Signed notes as everybody else reads and writes them (C2SP signed-note v1.0.0). */
import { generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import {
  decodeNote,
  formatNote,
  formatSignature,
  formatVerifierKey,
  keyIdOf,
  maxSignatures,
  type NoteSignature,
  parseNote,
  parseSignature,
  parseVerifierKey,
  signNote,
  type VerifierKey,
  verifierKeyOf,
  verifyNote,
} from '../../../services/audit/log/note.ts'
import { signatureType } from '../../../services/audit/log/signature-type.ts'

/** The example of the specification. */
const exampleKey = parseVerifierKey('example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k') as VerifierKey
const exampleText = 'This is an example message.\n'
const exampleLine = '— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM='
const example = `${exampleText}\n${exampleLine}\n`

const signer = (name: string) => {
  const { privateKey } = generateKeyPairSync('ed25519')
  return { key: verifierKeyOf(name, privateKey), sign: (text: string) => signNote(text, name, privateKey) }
}
const alice = signer('alice.example/log')
const bob = signer('bob.example/log')

t.test('the example of the specification verifies, and is written as it was read', async (t) => {
  const verified = verifyNote(example, [exampleKey])
  t.match(verified, { kind: 'verified', text: exampleText, by: [exampleKey] })
  const parsed = parseNote(example)
  t.equal(parsed && formatNote(parsed.text, parsed.signatures), example)
  t.equal(formatVerifierKey(exampleKey), 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k')
  t.equal(keyIdOf(exampleKey.name, exampleKey.type, exampleKey.publicKey), 0x530d903a)
})

t.test('twin: the example with any one character changed is not what was signed', async (t) => {
  for (let index = 0; index < example.length; index += 1) {
    const changed = `${example.slice(0, index)}${example[index] === 'A' ? 'B' : 'A'}${example.slice(index + 1)}`
    if (verifyNote(changed, [exampleKey]).kind === 'verified') t.fail(`character ${index}`)
  }
})

t.test('the text is split from its signatures at the last empty line', async (t) => {
  const text = 'first\n\n\nlast\n'
  const note = formatNote(text, [alice.sign(text)])
  t.match(verifyNote(note, [alice.key]), { kind: 'verified', text })
})

t.test('whatever text and however many signatures come back as they were written', async () => {
  const line = fc.string({ unit: 'grapheme' }).filter((text) => [...text].every((character) => character >= ' '))
  fc.assert(
    fc.property(fc.array(line, { minLength: 1 }), fc.integer({ min: 1, max: 16 }), (lines, count) => {
      const text = `${lines.join('\n')}\n`
      const note = formatNote(
        text,
        Array.from({ length: count }, () => alice.sign(text)),
      )
      const verified = verifyNote(decodeNote(Buffer.from(note)) ?? '', [alice.key, bob.key])
      return verified.kind === 'verified' && verified.text === text && verified.signatures.length === count && verified.by.length === 1
    }),
  )
})

t.test('signatures of unknown keys are ignored, and alone they are worth nothing', async (t) => {
  const text = 'text\n'
  const note = formatNote(text, [bob.sign(text), alice.sign(text)])
  t.match(verifyNote(note, [alice.key]), { kind: 'verified', by: [alice.key], signatures: [alice.sign(text)] })
  t.same(verifyNote(note, [exampleKey]), { kind: 'unknown_keys' })
  t.same(verifyNote(note, []), { kind: 'unknown_keys' })
  const sameName: VerifierKey = { ...bob.key, name: alice.key.name }
  t.same(verifyNote(formatNote(text, [alice.sign(text)]), [sameName]), { kind: 'unknown_keys' }, 'the name alone')
  const sameId: NoteSignature = { ...alice.sign(text), name: 'carol.example' }
  t.same(verifyNote(formatNote(text, [sameId]), [alice.key]), { kind: 'unknown_keys' }, 'the key id alone')
})

t.test('a known key that did not sign refuses the whole note, whoever else signed', async (t) => {
  const text = 'text\n'
  for (const signature of [
    alice.sign('other\n'),
    { ...alice.sign(text), signature: Buffer.alloc(64) },
    { ...alice.sign(text), signature: Buffer.alloc(3) },
  ]) {
    t.same(verifyNote(formatNote(text, [bob.sign(text), signature]), [bob.key, alice.key]), { kind: 'bad_signature', key: alice.key })
    t.match(
      verifyNote(formatNote(text, [bob.sign(text), signature]), [bob.key]),
      { kind: 'verified' },
      'whoever does not know it ignores it',
    )
  }
})

t.test('sixteen signatures are taken, and there is an end', async (t) => {
  const text = 'text\n'
  const others = (count: number) => Array.from({ length: count }, (_, index) => signer(`other-${index}.example`).sign(text))
  t.match(verifyNote(formatNote(text, [...others(15), alice.sign(text)]), [alice.key]), { kind: 'verified' })
  const most = formatNote(text, [...others(maxSignatures - 1), alice.sign(text)])
  t.match(verifyNote(most, [alice.key]), { kind: 'verified' })
  t.same(verifyNote(`${most}${exampleLine}\n`, [alice.key]), { kind: 'malformed' })
  t.same(verifyNote(`${'x'.repeat(1_000_000)}\n\n${exampleLine}\n`, [exampleKey]), { kind: 'malformed' })
})

t.test('what is not exactly a note is malformed', async (t) => {
  const cases: Readonly<Record<string, string>> = {
    nothing: '',
    'no signature': exampleText,
    'no signature below the empty line': `${exampleText}\n`,
    'no empty line': `${exampleText}${exampleLine}\n`,
    'no last line feed': example.slice(0, -1),
    'a line feed too many': `${example}\n`,
    'a line below that is no signature': `${example}text\n`,
    'a hyphen for the dash': example.replace('—', '-'),
    'two blanks': example.replace('foo ', 'foo  '),
    'a blank at the end': `${example.slice(0, -1)} \n`,
    'no padding': example.replace('QM=', 'QM'),
    'a line feed in the base64': example.replace('Ujj', 'U\njj').replace('OBH3', 'OB\nH3'),
    'base64 of another alphabet': example.replace('/', '_').replace('+', '-').replace('HjG1', 'Hj-1'),
    'bits behind the padding': example.replace('aQM=', 'aQN='),
    'a signature of four bytes': `${exampleText}\n— example.com/foo Uw2QOg==\n`,
    'a name with a plus sign': example.replace('com/foo', 'com+foo'),
    'a name with a no-break space': example.replace('com/foo', 'com\u00a0foo'),
    'a carriage return': example.replaceAll('\n', '\r\n'),
    'a tab in the text': example.replace('This is', 'This\tis'),
    'a zero': example.replace('This is', 'This\0is'),
    'a lone surrogate': example.replace('This', '\ud800'),
  }
  for (const [what, note] of Object.entries(cases)) {
    t.same(verifyNote(note, [exampleKey]), { kind: 'malformed' }, what)
    t.equal(parseNote(note), undefined, what)
  }
})

t.test('bytes that are not UTF-8 are no note, and a mark of byte order is a part of the text', async (t) => {
  t.equal(decodeNote(Buffer.from(example)), example)
  t.equal(decodeNote(Buffer.concat([Buffer.of(0xff), Buffer.from(example)])), undefined)
  t.equal(decodeNote(Buffer.of(0xed, 0xa0, 0x80)), undefined, 'a surrogate')
  t.equal(decodeNote(Buffer.of(0xc0, 0xaf)), undefined, 'longer than need be')
  const marked = decodeNote(Buffer.concat([Buffer.of(0xef, 0xbb, 0xbf), Buffer.from(example)]))
  t.equal(verifyNote(marked ?? '', [exampleKey]).kind, 'bad_signature')
})

t.test('a line of a signature is read only as it is written', async (t) => {
  t.equal(formatSignature(parseSignature(exampleLine) as NoteSignature), exampleLine)
  for (const line of [`${exampleLine}\n`, ` ${exampleLine}`, '— name', '—  AAAA', '— name AAAAAA', ''])
    t.equal(parseSignature(line), undefined)
})

t.test('a text that no note can hold is not written', async (t) => {
  const text = 'text\n'
  for (const wrong of ['', 'text', 'te\txt\n', 'te\0xt\n', '\udc00\n']) t.throws(() => formatNote(wrong, [alice.sign(text)]), wrong)
  t.throws(() => formatNote(text, []))
  t.throws(() => formatNote(text, Array(maxSignatures + 1).fill(alice.sign(text))))
  for (const name of ['', 'a b', 'a+b', 'a\u2003b', 'a\nb']) t.throws(() => formatNote(text, [{ ...alice.sign(text), name }]))
})

t.test('a verifier key that is not its own hash, or not of a kind that is read here, is none', async (t) => {
  const good = formatVerifierKey(exampleKey)
  const encoded = (type: number, length: number) => {
    const publicKey = Buffer.alloc(length, 1)
    return formatVerifierKey({ name: 'n', keyId: keyIdOf('n', type, publicKey), type, publicKey })
  }
  t.ok(parseVerifierKey(encoded(signatureType.ed25519, 32)))
  t.ok(parseVerifierKey(encoded(signatureType.cosignature, 32)))
  t.ok(parseVerifierKey(encoded(signatureType.mlDsaCosignature, 1312)))
  for (const text of [
    '',
    'example.com/foo',
    good.replace('530d903a', '530d903b'),
    good.replace('530d903a', '530D903A'),
    good.replace('530d903a', '0530d903a'),
    good.replace('foo', 'fop'),
    good.replace('example.com/foo', ''),
    good.replace('example.com/foo', 'a b'),
    `${good}\n`,
    `${good}=`,
    good.slice(0, -1),
    encoded(signatureType.ed25519, 31),
    encoded(signatureType.ed25519, 33),
    encoded(signatureType.mlDsaCosignature, 32),
    encoded(0x02, 32),
    encoded(0xff, 32),
  ])
    t.equal(parseVerifierKey(text), undefined, text)
})

t.test('two keys of one name and key id: the one that signed counts', async (t) => {
  const text = 'text\n'
  const { privateKey } = generateKeyPairSync('ed25519')
  const impostor: VerifierKey = { ...alice.key, publicKey: verifierKeyOf(alice.key.name, privateKey).publicKey }
  t.match(verifyNote(formatNote(text, [alice.sign(text)]), [impostor, alice.key]), { kind: 'verified', by: [alice.key] })
  const forged = { ...alice.sign(text), signature: sign(null, Buffer.from(text), privateKey) }
  t.match(verifyNote(formatNote(text, [forged]), [alice.key]), { kind: 'bad_signature' })
})
