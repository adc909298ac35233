/** `npm run check:licences`: every production dependency, transitive and of every platform, has a licence of licence-rules.ts. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { isAllowedLicence } from './licence-rules.ts'

interface LockedPackage {
  readonly version?: string
  readonly license?: string
  readonly dev?: boolean
}

const readJson = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'))

/** What is installed is asked first; packages for other platforms are not installed, the lock names their licence. */
const licenceOf = (directory: string, locked: LockedPackage): string => {
  const manifest = path.join(directory, 'package.json')
  const installed = existsSync(manifest) ? (readJson(manifest) as { readonly license?: unknown }).license : undefined
  return typeof installed === 'string' ? installed : (locked.license ?? 'none named')
}

const lock = readJson('package-lock.json') as { readonly packages: Readonly<Record<string, LockedPackage>> }
const production = Object.entries(lock.packages).filter(([directory, locked]) => directory !== '' && locked.dev !== true)
const refused = production.filter(([directory, locked]) => !isAllowedLicence(licenceOf(directory, locked)))
for (const [directory, locked] of refused) console.error(`${directory}@${locked.version}: licence ${licenceOf(directory, locked)}`)
console.log(`${production.length} production packages, ${refused.length} refused`)
process.exitCode = refused.length === 0 ? 0 : 1
