/** Tree heads as text (C2SP tlog-checkpoint v1.0.0), and one signed by a fixed key, kept for good. */
import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { type Checkpoint, formatCheckpoint, parseCheckpoint } from '../../../services/audit/log/checkpoint.ts'
import { formatNote, parseVerifierKey, signNote, type VerifierKey, verifierKeyOf, verifyNote } from '../../../services/audit/log/note.ts'
import { logOrigin } from '../../../services/audit/log/origin.ts'

const root = Buffer.alloc(32, 7)
const origin = 'example.com/behind-the-sofa'
/** The example of the specification. */
const example = `${origin}\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n`

t.test('the example of the specification is read, and written as it was read', async (t) => {
  const read = parseCheckpoint(example) as Checkpoint
  t.match(read, { origin, size: 20_852_163n, extensions: { length: 0 } })
  t.equal(formatCheckpoint(read), example)
})

t.test('every size of 64 bits and whatever further lines come back as they were written', async () => {
  const line = fc.string({ minLength: 1 }).filter((text) => [...text].every((character) => character >= ' '))
  fc.assert(
    fc.property(line, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.array(line), (name, size, extensions) => {
      const written: Checkpoint = { origin: name, size, root, extensions }
      const read = parseCheckpoint(formatCheckpoint(written))
      return read?.size === size && read.origin === name && read.root.equals(root) && read.extensions.join('\n') === extensions.join('\n')
    }),
  )
})

t.test('what is not exactly a checkpoint is none', async (t) => {
  const encoded = root.toString('base64')
  for (const text of [
    '',
    '\n',
    `${origin}\n1\n`,
    `${origin}\n1\n${encoded}`,
    `${origin}\n1\n${encoded}\n\n`,
    `${origin}\n1\n${encoded}\n\nextension\n`,
    `\n1\n${encoded}\n`,
    `${origin}\n01\n${encoded}\n`,
    `${origin}\n+1\n${encoded}\n`,
    `${origin}\n-1\n${encoded}\n`,
    `${origin}\n1.0\n${encoded}\n`,
    `${origin}\n 1\n${encoded}\n`,
    `${origin}\n1e3\n${encoded}\n`,
    `${origin}\n0x10\n${encoded}\n`,
    `${origin}\n${2n ** 64n}\n${encoded}\n`,
    `${origin}\n${'9'.repeat(400)}\n${encoded}\n`,
    `${origin}\n1\n${encoded.slice(0, -1)}\n`,
    `${origin}\n1\n${Buffer.alloc(31).toString('base64')}\n`,
    `${origin}\n1\n${Buffer.alloc(33).toString('base64')}\n`,
    `${origin}\n1\n${root.toString('hex')}\n`,
    `${origin}\r\n1\r\n${encoded}\r\n`,
    `${origin}\n1\n${encoded}\nwith\ttab\n`,
    `\ud800\n1\n${encoded}\n`,
  ])
    t.equal(parseCheckpoint(text), undefined, JSON.stringify(text))
})

t.test('a checkpoint that was signed once verifies for good, and is signed to the letter again', async (t) => {
  const kept = readFileSync(new URL('../../golden/checkpoints/north-3.checkpoint', import.meta.url), 'utf8')
  const key = parseVerifierKey(readFileSync(new URL('../../golden/checkpoints/north.vkey', import.meta.url), 'utf8').trim()) as VerifierKey
  const verified = verifyNote(kept, [key])
  const text = verified.kind === 'verified' ? verified.text : t.fail(verified.kind) && ''
  t.match(parseCheckpoint(text || ''), { origin: logOrigin('log.example', 'north', 1), size: 3n })
  // PKCS #8 of the seed 00 01 02 … 1f (RFC 8410): Ed25519 signatures are deterministic.
  const privateKey = createPrivateKey({
    key: Buffer.from(`302e020100300506032b657004220420${Buffer.from(Array.from({ length: 32 }, (_, i) => i)).toString('hex')}`, 'hex'),
    format: 'der',
    type: 'pkcs8',
  })
  t.same(verifierKeyOf(key.name, privateKey), key)
  t.equal(formatNote(text || '', [signNote(text || '', key.name, privateKey)]), kept)
})
