/** `npm run check:generated`: the generated code in proto/gen is what `npm run generate` writes from the contract as it is now. */
import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

const directory = 'proto/gen'

const filesBelow = (root: string): Map<string, string> =>
  new Map(globSync('**/*.{js,ts}', { cwd: root }).map((file) => [file, readFileSync(path.join(root, file), 'utf8')]))

const scratch = mkdtempSync(path.join(os.tmpdir(), 'chartwarden-generated-'))
try {
  const buf = spawnSync('buf', ['generate', '--output', scratch], { stdio: 'inherit', shell: process.platform === 'win32' })
  if (buf.status !== 0) throw new Error('buf generate failed')
  const committed = filesBelow(directory)
  const fresh = filesBelow(path.join(scratch, directory))
  const differing = [...new Set([...committed.keys(), ...fresh.keys()])].filter((file) => committed.get(file) !== fresh.get(file))
  for (const file of differing.sort())
    console.error(`${directory}/${file}: differs from what the contract generates; run: npm run generate`)
  process.exitCode = differing.length === 0 ? 0 : 1
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
