import fc from 'fast-check'
import t from 'tap'
import { bundleLeafHashes, formatBundle, parseBundle, parseLeafMessages } from '../../../services/audit/log/entry-bundle.ts'
import { leafMessage } from '../../../services/audit/log/tree-hash.ts'
import { naiveLeaf } from '../../support/naive-tree.ts'

t.test('each entry stands behind its length, the higher byte first', async (t) => {
  t.equal(formatBundle([]).length, 0)
  t.same(
    formatBundle([Buffer.from('ab'), Buffer.alloc(0), Buffer.alloc(258, 7)])
      .subarray(0, 8)
      .toString('hex'),
    '0002616200000102',
  )
})

t.test('entries come back as they were, the empty and the largest too', async (t) => {
  const largest = Buffer.alloc(65_535, 1)
  t.same(parseBundle(formatBundle([largest, Buffer.alloc(0), largest])), [largest, Buffer.alloc(0), largest])
  t.same(parseBundle(Buffer.alloc(0)), [])
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 300 }), (entries) => {
      const bytes = formatBundle(entries)
      t.same(
        parseBundle(bytes),
        entries.map((entry) => Buffer.from(entry)),
      )
      t.same(parseBundle(new Uint8Array(Buffer.concat([Buffer.from('ahead'), bytes])).subarray(5))?.length, entries.length, 'of a view')
    }),
  )
})

t.test('an entry that no bundle can hold is refused', async (t) => {
  t.throws(() => formatBundle([Buffer.alloc(65_536)]), RangeError)
})

t.test('a bundle that was cut anywhere but between entries is none', async (t) => {
  const entries = [Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(300, 3)]
  const bytes = formatBundle(entries)
  const whole = [0, 5, 7, 309]
  for (let end = 0; end <= bytes.length; end += 1) {
    t.equal(parseBundle(bytes.subarray(0, end))?.length, whole.includes(end) ? whole.indexOf(end) : undefined)
  }
  t.equal(parseBundle(Buffer.concat([bytes, Buffer.alloc(1)])), undefined, 'nor one with a byte behind it')
})

t.test('leaf hashes of a bundle are those of its entries, and its bytes are as they were', async (t) => {
  const ahead = Buffer.from('ahead')
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 300 }), (entries) => {
      const formatted = Buffer.concat([ahead, formatBundle(entries)])
      const view = new Uint8Array(formatted).subarray(ahead.length)
      t.ok(bundleLeafHashes(view)?.equals(Buffer.concat(entries.map(naiveLeaf))))
      t.ok(formatted.subarray(ahead.length).equals(view))
    }),
  )
  const largest = Buffer.alloc(65_535, 1)
  t.ok(bundleLeafHashes(formatBundle([largest]))?.equals(naiveLeaf(largest)))
})

t.test('a bundle becomes the messages of its leaves where it stands', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 300 }), (entries) => {
      const bundle = formatBundle(entries)
      const messages = parseLeafMessages(bundle)
      t.same(messages, entries.map(leafMessage))
      t.ok(messages?.every(({ buffer }) => buffer === bundle.buffer))
    }),
  )
  const bundle = formatBundle([Buffer.from('one')])
  t.equal(parseLeafMessages(bundle.subarray(0, 4)), undefined, 'one that is cut does not')
  t.same(parseBundle(bundle), [Buffer.from('one')], 'and its bytes are as they were')
})

t.test('a bundle that is cut has no leaf hashes, and its bytes are as they were', async (t) => {
  const bytes = formatBundle([Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(300, 3)])
  for (let end = 0; end <= bytes.length; end += 1) {
    const part = Buffer.from(bytes.subarray(0, end))
    t.equal(
      bundleLeafHashes(part)?.length,
      parseBundle(part)
        ?.map(() => 32)
        .reduce((sum, length) => sum + length, 0),
    )
    t.ok(part.equals(bytes.subarray(0, end)))
  }
})
