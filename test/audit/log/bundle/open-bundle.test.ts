import { readFile, truncate, writeFile } from 'node:fs/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { BundleItem } from '../../../../services/audit/log/bundle/bundle.ts'
import { bundleFile, bundleItems, entryBytes, readBundle, writeBundleFile } from '../../../support/bundles.ts'

const entries = Array.from({ length: 300 }, (_, revision) => entryBytes(revision))
const opened = new Map([[7, '{"private":{"reason":"asked by phone"}}']])

const ofKind = (items: readonly BundleItem[] | string, kind: BundleItem['kind']): readonly BundleItem[] =>
  typeof items === 'string' ? [] : items.filter((item) => item.kind === kind)

/** The reader's word about a file with other bytes. */
const changed = async (file: string, change: (bytes: Buffer) => Buffer): Promise<readonly BundleItem[] | string> => {
  const bytes = await readFile(file)
  await writeFile(file, change(Buffer.from(bytes)))
  try {
    return await readBundle(file)
  } finally {
    await writeFile(file, bytes)
  }
}

/** The same bytes, but for one text of the same length in the place of another, everywhere. */
const renamed = (from: string, to: string) => (bytes: Buffer) => {
  if (from.length !== to.length) throw new Error('names of one length')
  return Buffer.from(bytes.toString('latin1').replaceAll(from, to), 'latin1')
}

t.test('a whole ledger comes back as it was, with its tiles, what was opened of it, and its keys', async (t) => {
  const wishes = { entries, opened, keys: Buffer.from('age-encryption.org/v1\n…') }
  const found = await readBundle(await bundleFile(t, wishes))
  const written = (await bundleItems(wishes)).items
  // What was opened stands behind the 256 entries it is of.
  for (const kind of ['entry', 'tile', 'opened', 'keys'] as const) t.same(ofKind(found, kind), ofKind(written, kind), kind)
  t.equal(ofKind(found, 'tile').length, 3, 'a full and a partial tile of leaf hashes, and one above')
})

t.test('any selection comes back with receipts that prove it', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat(299), { maxLength: 20 }), async (chosen) => {
      const selected = chosen.toSorted((one, other) => one - other)
      const wishes = { entries, opened, selected }
      const expected = (await bundleItems(wishes)).items
      return t.same(await readBundle(await bundleFile(t, wishes)), expected)
    }),
    { numRuns: 15 },
  )
})

for (const [name, wishes] of [
  ['a selection', { entries, opened, selected: [3, 7, 255, 256, 299] }],
  ['a whole ledger', { entries: entries.slice(0, 20), opened, keys: Buffer.from('keys') }],
] as const) {
  t.test(`no byte of ${name} can be another one, none can be missing and none can be added`, async (t) => {
    const file = await bundleFile(t, wishes)
    const { length } = await readFile(file)
    await fc.assert(
      fc.asyncProperty(fc.nat(length - 1), fc.integer({ min: 1, max: 255 }), async (position, mask) => {
        const found = await changed(file, (bytes) => {
          bytes.writeUInt8((bytes[position] as number) ^ mask, position)
          return bytes
        })
        return t.type(found, 'string', `byte ${position} of ${length}, ${mask}`)
      }),
      { numRuns: 200 },
    )
    await fc.assert(
      fc.asyncProperty(fc.nat(length - 1), async (cut) =>
        t.type(await changed(file, (bytes) => bytes.subarray(0, cut)), 'string', `cut at ${cut}`),
      ),
      { numRuns: 50 },
    )
    t.type(await changed(file, (bytes) => Buffer.concat([bytes, Buffer.from([0])])), 'string', 'a byte behind the end')
    t.type(await changed(file, (bytes) => Buffer.concat([Buffer.from('#!/bin/sh\n'), bytes])), 'string', 'a script in front')
    t.type(await readBundle(file), 'object', 'twin: unchanged it is read')
  })
}

/** A bundle whose form is right in every byte, as a forger who has this program would make it. */
const forged = async (t: Test, forge: (item: BundleItem) => BundleItem | undefined, selected?: readonly number[]) => {
  const content = await bundleItems({ entries: entries.slice(0, 20), opened, ...(selected === undefined ? {} : { selected }) })
  const items = content.items.map(forge).filter((item) => item !== undefined)
  return readBundle(await writeBundleFile(t, { ...content, items }))
}

const entryAs = (bytes: Buffer) => (item: BundleItem) =>
  item.kind === 'entry' && item.entry.revision === 7n ? { ...item, entry: { ...item.entry, bytes } } : item

t.test('what the proofs cover cannot be forged in a file that is right in form', async (t) => {
  t.match(await forged(t, entryAs(entryBytes(8)), [3, 7]), /entry 7 is not the one that its receipt proves/)
  t.match(await forged(t, entryAs(entryBytes(8))), /tile/)
  t.match(
    await forged(t, (item) =>
      item.kind === 'tile' ? { kind: 'tile', tile: { ...item.tile, hashes: Buffer.alloc(item.tile.hashes.length) } } : item,
    ),
    /tile/,
  )
  t.match(await forged(t, (item) => (item.kind === 'tile' ? undefined : item)), /tiles are missing/)
  t.type(await forged(t, (item) => item), 'object', 'twin: not forged, it is read')
  t.type(
    await forged(t, (item) => (item.kind === 'opened' ? { ...item, part: { ...item.part, value: '{}' } } : item)),
    'object',
    'what was opened is the word of the exporter: its folder says so',
  )
})

t.test('names that no bundle has are refused, wherever they would lead', async (t) => {
  const file = await bundleFile(t, { entries, selected: [7, 8] })
  for (const name of [
    '../../7.json!!',
    '/ntries/7.json',
    'entries\\7.json',
    'Entries/7.json',
    'entries/07json',
    'entries/8.json',
    'C:\\ries/7.json',
  ]) {
    t.type(await changed(file, renamed('entries/7.json', name)), 'string', name)
  }
  t.type(await changed(file, renamed('entries/7.json', 'entries/7.json')), 'object', 'twin: under its own name it is read')
})

t.test('a file that is packed, that claims to be huge or to be a link is refused', async (t) => {
  const file = await bundleFile(t, { entries, selected: [7] })
  const header = (bytes: Buffer) => bytes.indexOf('entries/7.json') - 30
  const record = (bytes: Buffer) => bytes.lastIndexOf('entries/7.json') - 46
  t.match(
    await changed(file, (bytes) => {
      bytes.writeUInt16LE(8, header(bytes) + 8)
      return bytes
    }),
    /not as it was written/,
    'deflated',
  )
  t.match(
    await changed(file, (bytes) => {
      bytes.writeUInt32LE(0xfffffffe, header(bytes) + 18)
      bytes.writeUInt32LE(0xfffffffe, header(bytes) + 22)
      return bytes
    }),
    /larger than it may be/,
  )
  t.match(
    await changed(file, (bytes) => {
      bytes.writeUInt32LE(0o120777 * 0x10000, record(bytes) + 38)
      return bytes
    }),
    /not as it was written/,
    'a symbolic link',
  )
})

t.test('what is no bundle is refused in words', async (t) => {
  const file = await bundleFile(t, { entries, selected: [7] })
  t.match(await changed(file, () => Buffer.from('PK')), /no evidence bundle/)
  t.match(await changed(file, () => Buffer.from('{"not":"a zip"}'.repeat(20))), /no evidence bundle/)
  t.match(await changed(file, renamed('bundle v1', 'bundle v9')), /another format/)
  await truncate(file)
  t.match(await readBundle(file), /no evidence bundle/, 'empty')
  t.match(await readBundle(`${file}.none`), /cannot be read \(ENOENT\)/)
})

t.test('a writer takes only what has its place', async (t) => {
  const content = await bundleItems({ entries: entries.slice(0, 20) })
  const [first] = content.items as [BundleItem]
  await t.rejects(writeBundleFile(t, { ...content, items: [first, first] }), { message: /out of its place/ })
  await t.rejects(writeBundleFile(t, { ...content, items: [first] }), { message: /not whole: 1 of 20/ })
  await t.rejects(writeBundleFile(t, { ...content, items: [{ kind: 'opened', part: { revision: 0n, value: '{}' } }] }), {
    message: /out of its place/,
  })
  const selection = await bundleItems({ entries, selected: [3, 7] })
  await t.rejects(writeBundleFile(t, { ...selection, items: selection.items.toReversed() }), { message: /out of its place/ })
})
