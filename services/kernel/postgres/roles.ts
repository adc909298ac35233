import pg from 'pg'
import { errorCode } from './error-code.ts'

/** NOLOGIN roles that hold the privileges; migrations grant to them. */
export const groupRoles = {
  owner: 'chartwarden_owner',
  /** Owns the ledger's append function, which runs as it; no login is a member. */
  append: 'chartwarden_append',
  writer: 'chartwarden_writer',
  feed: 'chartwarden_feed',
  query: 'chartwarden_query',
} as const

/** Login roles, each a member of one group and with no privilege of its own. */
export const loginRoles = {
  migrate: 'chartwarden_migrator',
  writer: 'chartwarden_writer_login',
  feed: 'chartwarden_feed_login',
  query: 'chartwarden_query_login',
} as const

export type LoginPurpose = keyof typeof loginRoles

export type LoginPasswords = Readonly<Record<LoginPurpose, string>>

export const newLoginPasswords = (make: () => string): LoginPasswords => ({ migrate: make(), writer: make(), feed: make(), query: make() })

const purposes = Object.keys(loginRoles) as LoginPurpose[]

const groupOf = (purpose: LoginPurpose): string => groupRoles[purpose === 'migrate' ? 'owner' : purpose]

/** Roles belong to the whole server; this lock keeps two provisioners of one server from changing them at once. */
const provisioningLock = 0x63_68_61_72_74

const createRole = async (client: pg.ClientBase, role: string, attributes: string): Promise<void> => {
  const { rowCount } = await client.query('select from pg_catalog.pg_roles where rolname = $1', [role])
  if (rowCount !== 0) return
  try {
    await client.query(`create role ${pg.escapeIdentifier(role)} ${attributes}`)
  } catch (thrown) {
    // Made in between by someone who does not take the lock, such as a migration: as good.
    if (errorCode(thrown) !== '42710' && errorCode(thrown) !== '23505') throw thrown
  }
}

/**
 * Makes the group and login roles that are missing and sets the logins' passwords. Safe to repeat, and at once with a migration that makes
 * the groups. `client` must be a superuser's, on the database `postgres`.
 */
export const provisionRoles = async (client: pg.ClientBase, passwords: LoginPasswords): Promise<void> => {
  await client.query('select pg_catalog.pg_advisory_lock($1)', [provisioningLock])
  try {
    for (const role of Object.values(groupRoles)) await createRole(client, role, 'nologin noinherit')
    // Lets a migration hand the function over; without inheriting, so the owner's logins do not gain the policies of `append`.
    await client.query(`grant ${groupRoles.append} to ${groupRoles.owner}`)
    for (const purpose of purposes) {
      const role = loginRoles[purpose]
      await createRole(client, role, 'nologin')
      const attributes = 'login nosuperuser nocreatedb nocreaterole noreplication nobypassrls inherit'
      await client.query(`alter role ${pg.escapeIdentifier(role)} ${attributes} password ${pg.escapeLiteral(passwords[purpose])}`)
      await client.query(`grant ${pg.escapeIdentifier(groupOf(purpose))} to ${pg.escapeIdentifier(role)}`)
    }
  } finally {
    await client.query('select pg_catalog.pg_advisory_unlock($1)', [provisioningLock])
  }
}

/**
 * Makes the database if it is missing. `chartwarden_owner` owns it, so the migrator may create schemas; the others may connect and nothing
 * else; nobody may make temporary tables, which could stand in front of ours. `client` as for `provisionRoles`, which comes first.
 */
export const provisionDatabase = async (client: pg.ClientBase, database: string): Promise<void> => {
  const name = pg.escapeIdentifier(database)
  const { rowCount } = await client.query('select from pg_catalog.pg_database where datname = $1', [database])
  if (rowCount === 0) await client.query(`create database ${name} owner ${groupRoles.owner}`)
  await client.query(`revoke all on database ${name} from public`)
  await client.query(`grant connect on database ${name} to ${groupRoles.writer}, ${groupRoles.feed}, ${groupRoles.query}`)
}
