/** A file much larger than the heap is checked all the same. */
import { spawnSync } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import { ndjson, r4Event } from '../../../support/fhir-events.ts'

t.setTimeout(240_000)

const count = 30_000
const root = path.resolve(import.meta.dirname, '../../../..')
const file = path.join(t.testdir(), 'events.ndjson')
await pipeline(
  Readable.from(
    (function* () {
      for (let index = 0; index < count; index += 1) yield ndjson(r4Event(`e-${index}`))
    })(),
  ),
  createWriteStream(file),
)

const inSmallHeap = (...argv: readonly string[]) =>
  spawnSync(process.execPath, ['--max-old-space-size=64', ...argv], { cwd: root, encoding: 'utf8', env: { PATH: process.env.PATH } })

t.test('events are read and forgotten one by one', async (t) => {
  const { status, stdout, stderr } = inSmallHeap('cli/main.ts', 'import', 'events', file, '--clinic', 'north', '--dry-run', '--json')
  t.equal(status, 0, stderr.slice(0, 500))
  t.match(JSON.parse(stdout), { events: count, accesses: count, refused: 0 })
})

t.test('twin: events that are held do not fit', async (t) => {
  const hold = `JSON.parse('[' + require('node:fs').readFileSync(${JSON.stringify(file)}, 'utf8').trim().split('\\n').join(',') + ']')`
  t.not(inSmallHeap('-e', hold).status, 0)
})
