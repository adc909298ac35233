import { readFileSync } from 'node:fs'
import type { Environment } from './config.ts'
import { rows } from './config-variables.ts'
import { errorCode } from './postgres/error-code.ts'
import { StartError } from './start-error.ts'

const inFiles = [
  rows.databaseUrl,
  rows.feedDatabaseUrl,
  rows.queryDatabaseUrl,
  rows.migrateDatabaseUrl,
  rows.kurrentUrl,
  rows.drillDatabaseUrl,
].map(({ name }) => name)

/**
 * The environment with every database URL that is given as `@` and a path replaced by what that file holds, without white space at its
 * ends, so that no password has to stand in an environment. Throws StartError, which names the variable and the file, where it cannot be
 * read.
 */
export const readSecretFiles = (environment: Environment): Environment => {
  const read = { ...environment }
  for (const name of inFiles) {
    const given = environment[name]
    if (given === undefined || !given.startsWith('@')) continue
    const file = given.slice(1)
    try {
      read[name] = readFileSync(file, 'utf8').trim()
    } catch (cause) {
      throw new StartError(`${name}: the file ${file} cannot be read (${errorCode(cause) ?? 'no reason given'}).`, { cause })
    }
    if (read[name] === '') throw new StartError(`${name}: the file ${file} is empty.`)
  }
  return read
}
