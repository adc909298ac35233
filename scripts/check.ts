/** `npm run check`: everything a machine can say about the sources without running them. All checks run; each failing one is shown. */
import { spawn } from 'node:child_process'
import os from 'node:os'

const checks: readonly (readonly [name: string, command: string])[] = [
  ['types', 'tsc --noEmit'],
  ['format and lint', 'biome check --diagnostic-level=warn --error-on-warnings'],
  ['import rules', 'node scripts/check-imports.ts'],
  ['assertions that cannot fail', 'node scripts/check-matches.ts'],
  ['contract: lint', 'buf lint'],
  ['contract: format', 'buf format --diff --exit-code'],
  ['contract: breaking', 'buf breaking --against proto/released/contract.binpb'],
  ['generated code', 'node scripts/check-generated.ts'],
  ['generated documentation', 'node scripts/generate-docs.ts --check'],
  ['generated OpenAPI document', 'node scripts/generate-openapi.ts --check'],
  ['unused code and dependencies', 'knip'],
  ['duplicates', 'jscpd'],
  ['licences', 'node scripts/check-licences.ts'],
]

const run = (command: string): Promise<{ readonly code: number | null; readonly output: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'pipe'] })
    const output: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output: Buffer.concat(output).toString('utf8') }))
  })

const waiting = [...checks]
let failed = 0
const worker = async (): Promise<void> => {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const [name, command] = next
    const { code, output } = await run(command)
    if (code !== 0) failed += 1
    process.stdout.write(code === 0 ? `ok      ${name}\n` : `FAILED  ${name}: ${command}\n${output}\n`)
  }
}
await Promise.all(Array.from({ length: Math.min(4, os.availableParallelism()) }, worker))
process.stdout.write(`${checks.length - failed} checks passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1
