import fc from 'fast-check'
import t from 'tap'
import type { BackupManifest } from '../../../services/audit/backup/backup-format.ts'
import { createBackupKey } from '../../../services/audit/backup/backup-key.ts'
import { formatManifest, manifestName, numberOfManifest, parseManifest } from '../../../services/audit/backup/manifest.ts'
import { canonicalJson } from '../../../services/kernel/canonical-json.ts'
import { backupFault } from '../../support/backups.ts'

const key = createBackupKey(new Uint8Array(32).fill(7))
const manifest: BackupManifest = {
  number: 12,
  previous: 'a'.repeat(64),
  kind: 'incremental',
  installation: '0f0e0d0c-0b0a-4908-8706-050403020100',
  createdAt: Date.parse('2026-11-22T08:15:30.123Z'),
  from: 41n,
  to: 9_007_199_254_740_993n,
  lastLeaf: Buffer.alloc(32, 1).toString('base64'),
  clinics: 3,
  segments: [
    {
      kind: 'entries',
      name: 'segments/00000012-0123456789abcdef/entries-000001.age',
      bytes: 1_234,
      sha256: 'b'.repeat(64),
      records: 17,
      contentSha256: 'c'.repeat(64),
    },
  ],
}

t.test('a manifest is read as it was written', async (t) => {
  t.strictSame(parseManifest('manifest', formatManifest(manifest, key), key), manifest)
  const first: BackupManifest = { ...manifest, number: 1, previous: undefined, kind: 'full', lastLeaf: undefined, segments: [] }
  t.strictSame(parseManifest('manifest', formatManifest(first, key), key), first)
})

t.test('its name says its number', async (t) => {
  t.equal(numberOfManifest(manifestName(12)), 12)
  for (const name of ['manifests/0000001.json', 'manifests/00000000.json', 'manifests/00000001.json.x', 'segments/00000001.json'])
    t.equal(numberOfManifest(name), undefined)
})

t.test('a change of any byte is noticed', async (t) => {
  const written = formatManifest(manifest, key)
  fc.assert(
    fc.property(fc.nat({ max: written.length - 2 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = Buffer.from(written)
      changed[at] = (changed[at] as number) ^ change
      let value: unknown
      try {
        value = JSON.parse(changed.toString('utf8'))
      } catch {
        value = undefined
      }
      // The same text in another spelling is the same manifest.
      if (value !== undefined && canonicalJson(value as never) === canonicalJson(JSON.parse(written.toString('utf8')) as never)) return
      t.throws(() => parseManifest('manifest', changed, key), { name: 'BackupError' })
    }),
    { numRuns: 300 },
  )
})

t.test("another installation's is foreign, and so is one that says nothing of who wrote it", async (t) => {
  const other = createBackupKey(new Uint8Array(32).fill(8))
  t.equal(await backupFault(() => parseManifest('manifest', formatManifest(manifest, other), key)), 'foreign')
  const { mac: _, ...bare } = JSON.parse(formatManifest(manifest, key).toString('utf8')) as Record<string, unknown>
  for (const text of [
    JSON.stringify(bare),
    JSON.stringify({ ...bare, mac: '' }),
    JSON.stringify({ ...bare, mac: 7 }),
    '{"format":"chartwarden backup v1","mac":"AA==","x":"\\ud800"}',
    '',
    '[]',
    'null',
    '{',
  ])
    t.equal(await backupFault(() => parseManifest('manifest', Buffer.from(text), key)), 'foreign')
})

t.test('twin: under a key that takes every MAC a made-up manifest would be believed', async (t) => {
  const other = createBackupKey(new Uint8Array(32).fill(8))
  const gullible = { ...key, isMac: () => true }
  t.equal(parseManifest('manifest', formatManifest(manifest, other), gullible).number, 12)
})

t.test('one of another format is named as that', async (t) => {
  const text = JSON.stringify({ format: 'chartwarden backup v2', mac: 'x' })
  t.equal(await backupFault(() => parseManifest('manifest', Buffer.from(text), key)), 'format')
})

t.test('what is sealed opens under its own key and name alone', async (t) => {
  const sealed = key.seal(Buffer.from('clinics'), 'segments/1', new Uint8Array(12).fill(3))
  t.equal(key.open(sealed, 'segments/1')?.toString(), 'clinics')
  t.equal(key.open(sealed, 'segments/2'), undefined)
  t.equal(createBackupKey(new Uint8Array(32)).open(sealed, 'segments/1'), undefined)
  t.equal(key.open(sealed.subarray(0, 20), 'segments/1'), undefined)
  for (const at of [0, 12, sealed.length - 1]) {
    const changed = Buffer.from(sealed)
    changed[at] = (changed[at] as number) ^ 1
    t.equal(key.open(changed, 'segments/1'), undefined)
  }
})
