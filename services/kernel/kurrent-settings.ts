/** Where the ledgers are, if not in PostgreSQL. */
import type { Reader } from './config-reader.ts'
import { rows } from './config-variables.ts'
import type { KurrentUrl } from './kurrent-url.ts'

/** The connection string, which holds a password; undefined: the ledgers are in PostgreSQL. */
export const readKurrentUrl = ({ mode, problems, read }: Reader): string | undefined => {
  const url: KurrentUrl | undefined = read(rows.kurrentUrl)
  if (url === undefined) return undefined
  const { name } = rows.kurrentUrl
  if (url.plain && url.hasCredentials)
    problems.add(`${name} has tls=false, with which its password is not sent and nobody is asked for one.`)
  if (mode === 'production' && url.plain) problems.add(`${name} must not have tls=false in production.`)
  if (mode === 'production' && !url.hasCredentials) problems.add(`${name} needs user and password in production.`)
  if (read(rows.backupTarget) !== undefined) {
    problems.add(
      `${rows.backupTarget.name} backs up ledgers in PostgreSQL only; back KurrentDB up with its own tools (docs/how-to/use-kurrentdb.md).`,
    )
  }
  return url.text
}
