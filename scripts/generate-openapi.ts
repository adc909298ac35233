/** Writes proto/openapi.json from the contract, or with --check says that it differs. */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { openApiOf } from './openapi.ts'

const file = 'proto/openapi.json'

// Through a shell for the sake of Windows, where buf is a script.
const built = spawnSync('buf', ['build', '--output', '-'], {
  stdio: ['ignore', 'pipe', 'inherit'],
  maxBuffer: 67_108_864,
  shell: process.platform === 'win32',
})
if (built.status !== 0) throw new Error('buf build failed')
const text = `${JSON.stringify(openApiOf(built.stdout), undefined, 2)}\n`

if (readFileSync(file, 'utf8') !== text) {
  if (process.argv.includes('--check')) {
    console.error(`${file}: differs from the contract; run: npm run generate`)
    process.exitCode = 1
  } else {
    writeFileSync(file, text)
    console.log(`${file}: written`)
  }
}
