/** Bundles are kept for decades: what a release has written once, every later one writes again and reads. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { bundleFile, entryBytes, readBundle } from '../../../support/bundles.ts'

const golden = path.resolve(import.meta.dirname, '../../../golden/bundles')
const entries = Array.from({ length: 9 }, (_, revision) => entryBytes(revision))
const opened = new Map([
  [
    2,
    '{"names":{"P2":{"id":"p-1001","type":""},"S2":{"id":"lee","type":"staff"}},"private":{"reason":"=cmd|\' /C calc\'!A0, \\"quoted\\" <b>\\u202e","resource_id":"r-1"}}',
  ],
])

for (const [name, wishes] of [
  ['v1-whole.zip', { entries, opened, keys: Buffer.from('age-encryption.org/v1\nnot really\n') }],
  ['v1-selection.zip', { entries, opened, selected: [2, 5] }],
] as const) {
  t.test(`${name} is written and read as it always was`, async (t) => {
    const written = await readFile(await bundleFile(t, wishes))
    const file = path.join(golden, name)
    t.ok(written.equals(await readFile(file)), 'byte for byte')
    t.type(await readBundle(file), 'object')
  })
}

t.test('nothing in the index can run, move or hide anything', async (t) => {
  const text = (await readFile(path.join(golden, 'v1-selection.zip'))).toString('utf8')
  const table = text.slice(text.indexOf('revision,time,what'), text.indexOf('<!doctype html>'))
  t.match(table, `"'=cmd|' /C calc'!A0, ""quoted"" <b>\\u202e"`)
  const page = text.slice(text.indexOf('<!doctype html>'))
  t.match(page, '=cmd|&#39; /C calc&#39;!A0, &quot;quoted&quot; &lt;b&gt;\\u202e')
  t.notMatch(page, '<b>')
  t.match(page, "default-src 'none'")
  t.match(table, 'staff lee')
})
