/** The JavaScript of a page of the documentation, run as it is printed. */
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Test } from 'tap'

const root = path.resolve(import.meta.dirname, '../..')

export interface Example {
  /** Blocks that the page must have. */
  readonly parts: number
  readonly environment: Readonly<Record<string, string>>
}

/** Runs all `js` blocks of a page, one after another as one program from the root of the repository, and gives what it printed. */
export const runExample = async (t: Test, page: string, { parts, environment }: Example): Promise<string> => {
  const blocks = [...readFileSync(path.join(root, page), 'utf8').matchAll(/```js\n([\s\S]*?)```/g)].map(([, block]) => block)
  t.equal(blocks.length, parts)
  const file = path.join(t.testdir(), 'example.mjs')
  writeFileSync(file, blocks.join(''))
  const child = spawn(process.execPath, [file], {
    cwd: root,
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (output += chunk))
  const code = await new Promise((resolve) => child.once('close', resolve))
  t.equal(code, 0, output)
  return output
}
