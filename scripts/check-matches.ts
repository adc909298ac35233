/** The rule of match-rules.ts over the tests in this checkout. */
import { globSync, readFileSync } from 'node:fs'
import { matchFaults } from './match-rules.ts'

const files = globSync('{test,bench}/**/*.ts')
const faults = files.flatMap((file) => matchFaults(file.replaceAll('\\', '/'), readFileSync(file, 'utf8')))
for (const fault of faults) console.error(fault)
console.log(`${files.length} files, ${faults.length} faults`)
process.exitCode = faults.length === 0 ? 0 : 1
