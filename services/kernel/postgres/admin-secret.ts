import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import type { Randomness } from '../ids.ts'
import { StartError } from '../start-error.ts'

/** A password of 256 bits that needs no quoting in a URL. */
export const newPassword = (randomness: Randomness): string => Buffer.from(randomness.bytes(32)).toString('base64url')

/**
 * The superuser's password, kept in a file only the service's account can read. Made when there is no data directory yet and always before
 * it, so that a data directory never exists without its password. Throws StartError where it does.
 */
export const adminPassword = (options: {
  readonly file: string
  readonly dataDirectory: string
  readonly randomness: Randomness
}): string => {
  const { file, dataDirectory, randomness } = options
  if (existsSync(file)) return readFileSync(file, 'utf8').trim()
  if (existsSync(dataDirectory)) {
    throw new StartError(`The database's password file ${file} is missing although ${dataDirectory} exists; restore it from the backup.`)
  }
  const password = newPassword(randomness)
  const unfinished = `${file}.new`
  const handle = openSync(unfinished, 'w', 0o600)
  try {
    writeSync(handle, `${password}\n`)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  renameSync(unfinished, file)
  return password
}
