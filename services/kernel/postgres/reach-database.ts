import type { Pool } from 'pg'
import { StartError } from '../start-error.ts'
import type { Databases } from './databases.ts'
import { errorCode } from './error-code.ts'

/** Throws StartError, which says which variable names the database and may pass, where it does not answer. */
export const reachDatabase = async (pool: Pool, variable: string): Promise<void> => {
  try {
    await pool.query('select 1')
  } catch (cause) {
    throw new StartError(`The database of ${variable} cannot be used: ${errorCode(cause) ?? 'no answer'}.`, { cause, mayPass: true })
  }
}

/** `reachDatabase` for each of them, one after the other. */
export const reachDatabases = async ({ migrate, writer, feed, query }: Databases): Promise<void> => {
  if (migrate !== undefined) await reachDatabase(migrate, 'CHARTWARDEN_MIGRATE_DATABASE_URL')
  await reachDatabase(writer, 'DATABASE_URL')
  await reachDatabase(feed, 'CHARTWARDEN_FEED_DATABASE_URL')
  await reachDatabase(query, 'CHARTWARDEN_QUERY_DATABASE_URL')
}
