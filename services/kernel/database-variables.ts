/** The variables that say where things are kept: part of the table in config-variables.ts. */
import { databaseUrl, kurrentUrl } from './config-kinds.ts'
import { row } from './config-row.ts'

export const databaseRows = {
  databaseUrl: row('DATABASE_URL', databaseUrl, 'Postgres as the writer role. Unset: an embedded Postgres in the state directory.', {
    secret: true,
  }),
  feedDatabaseUrl: row(
    'CHARTWARDEN_FEED_DATABASE_URL',
    databaseUrl,
    'Postgres as the feed role; required in production beside DATABASE_URL, which development falls back to.',
    { secret: true },
  ),
  queryDatabaseUrl: row(
    'CHARTWARDEN_QUERY_DATABASE_URL',
    databaseUrl,
    'Postgres as the role that reads reports of one clinic. Unset: the feed URL in production, DATABASE_URL in development.',
    { secret: true },
  ),
  migrateDatabaseUrl: row(
    'CHARTWARDEN_MIGRATE_DATABASE_URL',
    databaseUrl,
    'Postgres as the owner of the schema. Unset: the schema must be current already in production; DATABASE_URL in development.',
    { secret: true },
  ),
  kurrentUrl: row(
    'CHARTWARDEN_KURRENTDB_URL',
    kurrentUrl,
    'KurrentDB as a user of $admins, for the ledgers alone; all else stays in Postgres. Unset: the ledgers are in Postgres too. Never change it once there are entries.',
    { secret: true },
  ),
} as const
