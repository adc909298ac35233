/**
 * tap builds its plugins into node_modules, and the first run after an install would still load what .taprc switches off. So that a fresh
 * clone needs no step by hand, this builds once after each install and does nothing otherwise.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const fromTap = createRequire(import.meta.resolve('tap'))
const built = readFileSync(fromTap.resolve('@tapjs/test/built'), 'utf8')
if (built.includes('@tapjs/typescript')) {
  const build = spawnSync('tap', ['build'], { stdio: ['ignore', 'ignore', 'inherit'], shell: process.platform === 'win32' })
  process.exitCode = build.status ?? 1
}
