import type { Pool } from 'pg'

import { StartError } from '../start-error.ts'
import { errorCode } from './error-code.ts'
import { groupRoles } from './roles.ts'
import type { WarningLog } from './warning-log.ts'

/**
 * What a database must promise before anything is served from it: an acknowledged commit survives a crash, and the login cannot reach
 * around the rules that keep entries from being changed and clinics apart. Production refuses to start otherwise; development warns.
 */
export type DatabaseRole = 'writer' | 'feed' | 'query' | 'migrate'

/** What the server says about itself and the login. */
export interface DatabaseFacts {
  /** server_version_num, e.g. 180004. */
  readonly versionNumber: number
  readonly fsync: string
  readonly fullPageWrites: string
  readonly synchronousCommit: string
  readonly synchronousStandbyNames: string
  readonly inRecovery: boolean
  readonly login: string
  readonly superuser: boolean
  readonly bypassesRowSecurity: boolean
  readonly createsRoles: boolean
  /** The owner of the database or of one of our schemas or tables, or a member of the role of the owner or of the append function. */
  readonly ownsOurs: boolean
}

const variableOf: Readonly<Record<DatabaseRole, string>> = {
  writer: 'DATABASE_URL',
  feed: 'CHARTWARDEN_FEED_DATABASE_URL',
  query: 'CHARTWARDEN_QUERY_DATABASE_URL',
  migrate: 'CHARTWARDEN_MIGRATE_DATABASE_URL',
}

const leastVersion = 15

const settingProblems = (facts: DatabaseFacts, role: DatabaseRole): string[] => {
  const problems: string[] = []
  if (facts.versionNumber < leastVersion * 10_000) {
    problems.push(`is PostgreSQL ${Math.floor(facts.versionNumber / 10_000)}; use PostgreSQL ${leastVersion} or later`)
  }
  if (facts.fsync !== 'on') problems.push('has fsync=off and would lose acknowledged entries in a crash; set fsync=on')
  if (facts.fullPageWrites !== 'on') problems.push('has full_page_writes=off and could be corrupted by a crash; set full_page_writes=on')
  if (facts.synchronousCommit === 'off') {
    problems.push('has synchronous_commit=off and would lose acknowledged entries in a crash; set synchronous_commit=on')
  }
  if (facts.synchronousCommit === 'local' && facts.synchronousStandbyNames !== '') {
    problems.push(
      'has synchronous_commit=local beside synchronous standbys and would lose acknowledged entries in a failover; set synchronous_commit=on',
    )
  }
  if (facts.inRecovery && role !== 'query') problems.push('is a read-only standby; use the primary')
  return problems
}

const loginProblems = (facts: DatabaseFacts, role: DatabaseRole): string[] => {
  if (role === 'migrate') return []
  const advice = `use a login that is only a member of ${groupRoles[role]}`
  if (facts.superuser) return [`logs in as the superuser "${facts.login}", whom no rule binds; ${advice}`]
  const problems: string[] = []
  if (facts.bypassesRowSecurity) problems.push(`logs in as "${facts.login}", which has BYPASSRLS; ${advice}`)
  if (facts.createsRoles) problems.push(`logs in as "${facts.login}", which has CREATEROLE and could give itself any right; ${advice}`)
  if (facts.ownsOurs)
    problems.push(
      `logs in as "${facts.login}", the owner of the schema or a member of ${groupRoles.owner} or ${groupRoles.append}; ${advice}`,
    )
  return problems
}

/** Everything that makes the database unfit for production in this role, one sentence each; empty when it is fit. */
export const databaseProblems = (facts: DatabaseFacts, role: DatabaseRole): readonly string[] =>
  [...settingProblems(facts, role), ...loginProblems(facts, role)].map((problem) => `The database of ${variableOf[role]} ${problem}.`)

// The login counts and not the role taken on: whoever runs a statement of his own can go back to it.
const factsQuery = `
  with me as (select oid, rolname, rolsuper, rolbypassrls, rolcreaterole from pg_catalog.pg_roles where rolname = session_user),
  owners as (
    select oid from pg_catalog.pg_roles where rolname = any($1)
    union select datdba from pg_catalog.pg_database where datname = current_database()
    union select nspowner from pg_catalog.pg_namespace where nspname like 'chartwarden%'
    union select c.relowner from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname like 'chartwarden%'
  )
  select current_setting('server_version_num')::int as "versionNumber",
    current_setting('fsync') as fsync,
    current_setting('full_page_writes') as "fullPageWrites",
    current_setting('synchronous_commit') as "synchronousCommit",
    current_setting('synchronous_standby_names') as "synchronousStandbyNames",
    pg_catalog.pg_is_in_recovery() as "inRecovery",
    me.rolname as login,
    me.rolsuper as superuser,
    me.rolbypassrls as "bypassesRowSecurity",
    me.rolcreaterole as "createsRoles",
    exists (select from owners where pg_catalog.pg_has_role(me.oid, owners.oid, 'MEMBER')) as "ownsOurs"
  from me`

/** Asks the server. Throws StartError, naming the variable and never its value, when it cannot be asked. */
const readDatabaseFacts = async (pool: Pool, role: DatabaseRole): Promise<DatabaseFacts> => {
  try {
    const { rows } = await pool.query<DatabaseFacts>(factsQuery, [[groupRoles.owner, groupRoles.append]])
    return rows[0] as DatabaseFacts
  } catch (thrown) {
    const code = errorCode(thrown)
    const variable = variableOf[role]
    const said = thrown instanceof Error && thrown.message !== '' ? thrown.message : (code ?? 'no reason given')
    if (role !== 'migrate' && code === '42501' && /set role/.test(said)) {
      throw new StartError(
        `The login used for ${variable} is not a member of ${groupRoles[role]}; grant it that role, or set ${variable} to a login of its own.`,
        { cause: thrown },
      )
    }
    if (role !== 'migrate' && code === '22023') {
      throw new StartError(
        `The database of ${variable} has no role ${groupRoles[role]}; set CHARTWARDEN_MIGRATE_DATABASE_URL to have it made.`,
        { cause: thrown },
      )
    }
    throw new StartError(`The database of ${variable} cannot be used: ${said}.`, { cause: thrown, mayPass: true })
  }
}

export interface CheckDatabaseOptions {
  readonly mode: 'development' | 'production'
  readonly role: DatabaseRole
  readonly logger: WarningLog
}

/**
 * Production: throws StartError with one sentence for each thing that is unsafe. Development: warns of each and goes on. In both it throws
 * StartError when the database cannot be reached.
 */
export const checkDatabase = async (pool: Pool, options: CheckDatabaseOptions): Promise<void> => {
  const { mode, role, logger } = options
  const problems = databaseProblems(await readDatabaseFacts(pool, role), role)
  if (problems.length === 0) return
  if (mode === 'production') throw new StartError(problems.join(' '))
  for (const problem of problems) logger.warn({ event: 'postgres.unsafe', role }, problem)
}
