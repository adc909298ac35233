import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import { hydrateSymlinks, locateBinaries } from '../../../services/kernel/postgres/binaries.ts'

t.test('the programs of this machine are found', async (t) => {
  const binaries = locateBinaries()
  t.ok(existsSync(binaries.postgres))
  t.ok(existsSync(binaries.initdb))
  t.match(binaries.version, /^\d+\.\d+/)
  t.equal(binaries.major, binaries.version.split('.')[0])
})

t.test('library links that the installation did not make are made, and those that exist stay', async (t) => {
  const home = mkdtempSync(path.join(os.tmpdir(), 'chartwarden-test-links-'))
  t.teardown(() => rmSync(home, { recursive: true }))
  const native = path.join(home, 'native')
  mkdirSync(path.join(native, 'lib', 'deep'), { recursive: true })
  const links = [
    { source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so' },
    { source: 'native/lib/libpq.so.5.18', target: 'native/lib/deep/libpq.so' },
  ]
  writeFileSync(path.join(native, 'pg-symlinks.json'), JSON.stringify(links))
  writeFileSync(path.join(native, 'lib', 'libpq.so.5.18'), 'library')
  hydrateSymlinks(native)
  hydrateSymlinks(native)
  t.equal(readlinkSync(path.join(native, 'lib', 'libpq.so')), 'libpq.so.5.18')
  for (const { target } of links) t.equal(readFileSync(path.join(home, target), 'utf8'), 'library')
  t.doesNotThrow(() => hydrateSymlinks(home), 'a package without a list needs none')
})
