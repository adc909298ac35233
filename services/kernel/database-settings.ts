/** Which login does what in the database. */
import type { Reader } from './config-reader.ts'
import { rows } from './config-variables.ts'

export interface DatabaseUrls {
  /** Writer role. */
  readonly writer: string
  /** Projections and sealer. */
  readonly feed: string
  /** Per-clinic reads of reports. */
  readonly query: string
  /** Owner; undefined: the schema must be current already. */
  readonly migrate: string | undefined
}

export const readDatabaseUrls = ({ mode, problems, read }: Reader): DatabaseUrls | undefined => {
  const writer = read(rows.databaseUrl)
  const feed = read(rows.feedDatabaseUrl)
  const query = read(rows.queryDatabaseUrl)
  const migrate = read(rows.migrateDatabaseUrl)
  if (writer === undefined) {
    const alone = [rows.feedDatabaseUrl, rows.queryDatabaseUrl, rows.migrateDatabaseUrl].find((row) => read(row) !== undefined)
    if (alone !== undefined) problems.add(`${alone.name} needs ${rows.databaseUrl.name} beside it.`)
    return undefined
  }
  if (mode === 'production') {
    if (feed === undefined) {
      problems.add(`${rows.feedDatabaseUrl.name} is required in production when ${rows.databaseUrl.name} is set.`)
      return undefined
    }
    if (feed === writer) problems.add(`${rows.feedDatabaseUrl.name} must be another login than ${rows.databaseUrl.name} in production.`)
    return Object.freeze({ writer, feed, query: query ?? feed, migrate })
  }
  return Object.freeze({ writer, feed: feed ?? writer, query: query ?? writer, migrate: migrate ?? writer })
}
