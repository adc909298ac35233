/**
 * Writes the reference pages that repeat what the code holds as data, or with --check says which of them differ from it. Hand-written
 * pages link to these and never repeat them.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { referencePages } from './reference-pages.ts'

const directory = 'docs/reference'
const checking = process.argv.includes('--check')

const read = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

mkdirSync(directory, { recursive: true })
for (const [name, text] of referencePages()) {
  const file = `${directory}/${name}`
  if (read(file) === text) continue
  if (checking) {
    console.error(`${file}: differs from the code; run: npm run generate`)
    process.exitCode = 1
  } else {
    writeFileSync(file, text)
    console.log(`${file}: written`)
  }
}
