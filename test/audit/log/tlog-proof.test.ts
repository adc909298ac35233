/** Receipts as files (C2SP tlog-proof). */
import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { formatCheckpoint } from '../../../services/audit/log/checkpoint.ts'
import { formatNote, signNote } from '../../../services/audit/log/note.ts'
import { formatTlogProof, parseTlogProof } from '../../../services/audit/log/tlog-proof.ts'

const { privateKey } = generateKeyPairSync('ed25519')
const text = formatCheckpoint({ origin: 'log.example', size: 5n, root: Buffer.alloc(32, 1), extensions: [] })
const checkpoint = formatNote(text, [signNote(text, 'log.example', privateKey)])
const hashes = [Buffer.alloc(32, 2), Buffer.alloc(32, 3)]
const proof = formatTlogProof({ index: 3n, hashes, checkpoint })

t.test('a receipt is lines of text above the checkpoint as it was signed', async (t) => {
  t.equal(proof, `c2sp.org/tlog-proof@v1\nindex 3\n${hashes.map((hash) => hash.toString('base64')).join('\n')}\n\n${checkpoint}`)
  t.equal(
    formatTlogProof({ index: 0n, hashes: [], checkpoint, extra: Buffer.from('x') }),
    `c2sp.org/tlog-proof@v1\nextra eA==\nindex 0\n\n${checkpoint}`,
  )
})

t.test('whatever it holds comes back', async () => {
  const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))
  const extra = fc.option(
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    { nil: undefined },
  )
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.array(hash, { maxLength: 64 }), extra, (index, path, beside) => {
      const written = { index, hashes: path, checkpoint, ...(beside === undefined ? {} : { extra: beside }) }
      const read = parseTlogProof(formatTlogProof(written))
      return (
        read?.index === index &&
        Buffer.concat(read.hashes).equals(Buffer.concat(path)) &&
        read.checkpoint === checkpoint &&
        read.extra?.toString('hex') === beside?.toString('hex')
      )
    }),
  )
})

t.test('what is not exactly a receipt is none', async (t) => {
  const [, first = ''] = /\n([A-Za-z0-9+/]{43}=)\n/.exec(proof) ?? []
  for (const [what, wrong] of Object.entries({
    nothing: '',
    'another version': proof.replace('@v1', '@v2'),
    'no index': proof.replace('index 3\n', ''),
    'an index with a zero in front': proof.replace('index 3', 'index 03'),
    'a negative index': proof.replace('index 3', 'index -3'),
    'an index beyond 64 bits': proof.replace('index 3', `index ${2n ** 64n}`),
    'two indices': proof.replace('index 3\n', 'index 3\nindex 3\n'),
    'the index ahead of extra': proof.replace('index 3\n', 'index 3\nextra eA==\n'),
    'extra twice': proof.replace('index 3', 'extra eA==\nextra eA==\nindex 3'),
    'extra that is no base64': proof.replace('index 3', 'extra eA\nindex 3'),
    'a hash of 31 bytes': proof.replace(first, Buffer.alloc(31).toString('base64')),
    'a hash without padding': proof.replace(first, first.slice(0, -1)),
    'a blank behind a hash': proof.replace(first, `${first} `),
    'more hashes than any tree has': formatTlogProof({ index: 1n, hashes: Array<Buffer>(65).fill(Buffer.alloc(32)), checkpoint }),
    'no checkpoint': proof.slice(0, proof.indexOf('\n\n') + 2),
    'a note that is no checkpoint': formatTlogProof({
      index: 1n,
      hashes,
      checkpoint: formatNote('text\n', [signNote('text\n', 'n', privateKey)]),
    }),
    'a checkpoint without signatures': formatTlogProof({ index: 1n, hashes, checkpoint: text }),
    'something behind it': `${proof}\n`,
    'carriage returns': proof.replaceAll('\n', '\r\n'),
  }))
    t.equal(parseTlogProof(wrong), undefined, what)
})
