/** `npm run check:imports`: the rules of import-rules.ts over the sources in this checkout. */
import { globSync, readFileSync } from 'node:fs'
import { importFaults } from './import-rules.ts'

const files = globSync('{services,cli,scripts,test,bench}/**/*.{ts,js}', { exclude: ['**/node_modules/**'] })
const sources = new Map(files.map((file) => [file.replaceAll('\\', '/'), readFileSync(file, 'utf8')]))
const faults = importFaults(sources)
for (const fault of faults) console.error(fault)
console.log(`${sources.size} files, ${faults.length} faults`)
process.exitCode = faults.length === 0 ? 0 : 1
