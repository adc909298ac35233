import fc from 'fast-check'
import t from 'tap'
import { formatAddCheckpoint, maxRequestBytes, parseAddCheckpoint } from '../../../../services/audit/log/witness/add-checkpoint.ts'
import { strangersLine, witnessedLog } from '../../../support/witnessed-log.ts'

const log = witnessedLog()
const { note, text } = log.head(7)
const parse = (body: string) => parseAddCheckpoint(Buffer.from(body, 'utf8'))
const hashLine = Buffer.alloc(32, 1).toString('base64')

t.test('a request is read as it was written', async (t) => {
  const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n - 1n), fc.array(hash, { maxLength: 63 }), (oldSize, proof) => {
      const read = parse(formatAddCheckpoint({ oldSize, proof, note }))
      t.same(
        { oldSize: read?.oldSize, proof: read?.proof, note: read?.note, text: read?.text, size: read?.checkpoint.size },
        { oldSize, proof, note, text, size: 7n },
      )
    }),
    { numRuns: 100 },
  )
})

t.test('lines that others have added to the note come with it', async (t) => {
  const more = note + strangersLine(text)
  t.equal(parse(formatAddCheckpoint({ oldSize: 0n, proof: [], note: more }))?.note, more)
})

const refused: Readonly<Record<string, string>> = {
  'nothing at all': '',
  'a note alone': note,
  'no old size': `\n${note}`,
  'an old size with a sign': `old +1\n\n${note}`,
  'an old size with leading zeros': `old 01\n\n${note}`,
  'an old size beyond 64 bits': `old ${2n ** 64n}\n\n${note}`,
  'an old size of two words': `old 1 2\n\n${note}`,
  'another word than old': `Old 1\n\n${note}`,
  'no space behind old': `old1\n\n${note}`,
  'a carriage return': `old 1\r\n\r\n${note}`,
  'no empty line': `old 1\n${hashLine}\n${note}`,
  'a hash that is too short': `old 1\n${Buffer.alloc(31).toString('base64')}\n\n${note}`,
  'a hash that is too long': `old 1\n${Buffer.alloc(33).toString('base64')}\n\n${note}`,
  'a hash without padding': `old 1\n${hashLine.slice(0, -1)}\n\n${note}`,
  'a hash with a blank behind it': `old 1\n${hashLine} \n\n${note}`,
  'a hash in hexadecimal': `old 1\n${'ab'.repeat(32)}\n\n${note}`,
  'sixty-four hashes': `old 1\n${`${hashLine}\n`.repeat(64)}\n${note}`,
  'no note': 'old 1\n\n',
  'a note without signatures': `old 1\n\n${text}\n`,
  'a note that does not end': `old 1\n\n${note.slice(0, -1)}`,
  'a note that is no checkpoint': `old 1\n\n${note.replace('\n7\n', '\nseven\n')}`,
  'a root of the wrong length': `old 1\n\n${note.replace(/\n[^\n]{44}\n/, `\n${Buffer.alloc(31).toString('base64')}\n`)}`,
  'control characters': `old 1\n\n${note.replace('log.example', 'log\u0000example')}`,
}

for (const [what, body] of Object.entries(refused)) {
  t.test(`${what} is refused`, async (t) => {
    t.equal(parse(body), undefined)
  })
}

t.test('what is not UTF-8, or larger than any request, is refused', async (t) => {
  const body = Buffer.from(`old 0\n\n${note}`, 'utf8')
  t.ok(parseAddCheckpoint(body))
  t.equal(parseAddCheckpoint(Buffer.concat([body, Uint8Array.of(0xff, 0x0a)])), undefined)
  t.equal(parseAddCheckpoint(Buffer.from(`old 0\n\n${note}${strangersLine(text).repeat(maxRequestBytes / 50)}`, 'utf8')), undefined)
})

t.test('whatever is changed in a request, reading it never throws', async () => {
  const body = Buffer.from(log.request(3, 9), 'utf8')
  fc.assert(
    fc.property(fc.nat(body.length - 1), fc.nat(255), fc.nat(3), (place, byte, cut) => {
      const changed = Buffer.from(body)
      changed[place] = byte
      parseAddCheckpoint(changed.subarray(0, changed.length - cut))
    }),
    { numRuns: 2_000 },
  )
})
