import t, { type Test } from 'tap'
import { createPool } from '../../../services/kernel/postgres/pool.ts'
import { checkDatabase, type DatabaseFacts, type DatabaseRole, databaseProblems } from '../../../services/kernel/postgres/settings.ts'
import { StartError } from '../../../services/kernel/start-error.ts'
import { createTestDatabase, ownTestServer } from '../../support/postgres.ts'
import type { TestDatabase, TestServerOptions } from '../../support/postgres-server.ts'
import { query } from '../../support/query.ts'

t.setTimeout(300_000)

const silent = { warn: () => {} }

/** What production refuses the database for; undefined when it is accepted. */
const refusal = async (url: string, role: DatabaseRole): Promise<string | undefined> => {
  const pool = createPool({ url, applicationName: 'settings-test', logger: silent })
  try {
    await checkDatabase(pool, { mode: 'production', role, logger: silent })
    return undefined
  } catch (thrown) {
    if (!(thrown instanceof StartError)) throw thrown
    return thrown.message
  } finally {
    await pool.end()
  }
}

/** The URL of a new login with these attributes; dropped with the server. */
const login = async (database: TestDatabase, attributes: string, ...afterwards: string[]): Promise<string> => {
  const name = `login_${database.name}`
  const statements = [`create role ${name} login password 'x' ${attributes}`, `grant chartwarden_writer to ${name}`, ...afterwards]
  await query(database.adminUrl, statements.join(';').replaceAll('<login>', name))
  const url = new URL(database.adminUrl)
  url.username = name
  url.password = 'x'
  return url.href
}

t.test('the provisioned logins on a safe server are accepted in production', async (t) => {
  const database = await createTestDatabase(t)
  t.equal(await refusal(database.writerUrl, 'writer'), undefined)
  t.equal(await refusal(database.feedUrl, 'feed'), undefined)
  t.equal(await refusal(database.queryUrl, 'query'), undefined)
  t.equal(await refusal(database.migrateUrl, 'migrate'), undefined)
})

t.test('production refuses a superuser', async (t) => {
  const database = await createTestDatabase(t)
  t.equal(
    await refusal(database.adminUrl, 'writer'),
    'The database of DATABASE_URL logs in as the superuser "chartwarden_admin", whom no rule binds; use a login that is only a member of chartwarden_writer.',
  )
  t.match(await refusal(database.adminUrl, 'feed'), /^The database of CHARTWARDEN_FEED_DATABASE_URL logs in as the superuser/)
  t.match(await refusal(database.adminUrl, 'query'), /^The database of CHARTWARDEN_QUERY_DATABASE_URL logs in as the superuser/)
})

t.test('production refuses a role that row security does not bind', async (t) => {
  const database = await createTestDatabase(t)
  t.match(
    await refusal(await login(database, 'bypassrls'), 'writer'),
    /has BYPASSRLS; use a login that is only a member of chartwarden_writer\.$/,
  )
})

t.test('production refuses a role that makes roles', async (t) => {
  const database = await createTestDatabase(t)
  t.match(await refusal(await login(database, 'createrole'), 'writer'), /has CREATEROLE and could give itself any right;/)
})

t.test('production refuses the owner and whoever can become the owner', async (t) => {
  const owner = /the owner of the schema or a member of chartwarden_owner or chartwarden_append;/
  const member = await createTestDatabase(t)
  t.match(await refusal(member.migrateUrl, 'writer'), owner, 'the login for migrations')
  const indirect = await createTestDatabase(t)
  const through = `through_${indirect.name}`
  const steps = [`create role ${through}`, `grant chartwarden_owner to ${through}`, `grant ${through} to <login> with inherit false`]
  t.match(await refusal(await login(indirect, '', ...steps), 'writer'), owner, 'a member of a member')
  const appender = await createTestDatabase(t)
  t.match(
    await refusal(await login(appender, '', 'grant chartwarden_append to <login>'), 'writer'),
    owner,
    'who can append without the function',
  )
  const ofDatabase = await createTestDatabase(t)
  t.match(
    await refusal(await login(ofDatabase, '', `alter database ${ofDatabase.name} owner to <login>`), 'writer'),
    owner,
    'of the database',
  )
  const ofSchema = await createTestDatabase(t)
  t.match(await refusal(await login(ofSchema, '', 'create schema chartwarden_x authorization <login>'), 'writer'), owner, 'of a schema')
  const ofTable = await createTestDatabase(t)
  const table = ['create schema chartwarden_x', 'create table chartwarden_x.a ()', 'alter table chartwarden_x.a owner to <login>']
  t.match(await refusal(await login(ofTable, '', ...table), 'writer'), owner, 'of a table')
  const ofOthers = await createTestDatabase(t)
  const foreign = ['create schema elsewhere', 'create table elsewhere.a ()', 'alter table elsewhere.a owner to <login>']
  t.equal(await refusal(await login(ofOthers, '', ...foreign), 'writer'), undefined, 'what is not ours does not matter')
})

t.test('a login that may not connect is told so', async (t) => {
  const database = await createTestDatabase(t)
  const url = await login(database, 'noinherit')
  t.match(await refusal(url, 'writer'), /^The database of DATABASE_URL cannot be used: permission denied for database/)
})

const onServer = async (test: Test, settings: TestServerOptions['settings'] & object): Promise<TestDatabase> =>
  createTestDatabase(test, { server: await ownTestServer(test, { settings }) })

t.test('production refuses fsync=off', async (t) => {
  const database = await onServer(t, { fsync: 'off' })
  for (const [role, url] of [
    ['writer', database.writerUrl],
    ['feed', database.feedUrl],
    ['query', database.queryUrl],
    ['migrate', database.migrateUrl],
  ] as const) {
    t.match(await refusal(url, role), /has fsync=off and would lose acknowledged entries in a crash; set fsync=on\.$/, role)
  }
})

t.test('production refuses full_page_writes=off', async (t) => {
  const database = await onServer(t, { full_page_writes: 'off' })
  t.match(await refusal(database.writerUrl, 'writer'), /has full_page_writes=off and could be corrupted by a crash;/)
})

t.test('production refuses synchronous_commit=off, also where only the login has it', async (t) => {
  const server = await onServer(t, { synchronous_commit: 'off' })
  t.match(await refusal(server.writerUrl, 'writer'), /has synchronous_commit=off and would lose acknowledged entries in a crash;/)
  const database = await createTestDatabase(t)
  const url = await login(database, '', 'alter role <login> set synchronous_commit = off')
  t.match(await refusal(url, 'writer'), /has synchronous_commit=off/)
})

t.test('production refuses synchronous_commit=local beside synchronous standbys, and only there', async (t) => {
  const local = await onServer(t, { synchronous_commit: 'local', synchronous_standby_names: 'standby' })
  t.match(
    await refusal(local.writerUrl, 'writer'),
    /has synchronous_commit=local beside synchronous standbys and would lose .* in a failover;/,
  )
  const alone = await onServer(t, { synchronous_commit: 'local' })
  t.equal(await refusal(alone.writerUrl, 'writer'), undefined)
})

const safe: DatabaseFacts = {
  versionNumber: 150000,
  fsync: 'on',
  fullPageWrites: 'on',
  synchronousCommit: 'on',
  synchronousStandbyNames: '',
  inRecovery: false,
  login: 'someone',
  superuser: false,
  bypassesRowSecurity: false,
  createsRoles: false,
  ownsOurs: false,
}

t.test('a server older than PostgreSQL 15 is refused', async (t) => {
  t.strictSame(databaseProblems(safe, 'writer'), [])
  const problem = 'The database of DATABASE_URL is PostgreSQL 14; use PostgreSQL 15 or later.'
  t.strictSame(databaseProblems({ ...safe, versionNumber: 140019 }, 'writer'), [problem])
})

t.test('a standby is refused but for reading reports', async (t) => {
  const standby = { ...safe, inRecovery: true }
  t.match(databaseProblems(standby, 'writer'), ['The database of DATABASE_URL is a read-only standby; use the primary.'])
  t.equal(databaseProblems(standby, 'feed').length, 1)
  t.strictSame(databaseProblems(standby, 'query'), [])
})

t.test('everything that is wrong is named at once', async (t) => {
  const worst = {
    ...safe,
    fsync: 'off',
    fullPageWrites: 'off',
    synchronousCommit: 'off',
    bypassesRowSecurity: true,
    createsRoles: true,
    ownsOurs: true,
  }
  t.equal(databaseProblems(worst, 'writer').length, 6)
  t.equal(databaseProblems(worst, 'migrate').length, 3, 'who migrates may own')
})

t.test('development warns and goes on', async (t) => {
  const database = await createTestDatabase(t)
  const warnings: string[] = []
  const pool = createPool({ url: database.adminUrl, applicationName: 'settings-test', logger: silent })
  t.teardown(() => pool.end())
  await checkDatabase(pool, { mode: 'development', role: 'writer', logger: { warn: (_fields, message) => warnings.push(message) } })
  t.match(warnings, [/logs in as the superuser/])
})

t.test('a database that cannot be reached stops the start in any mode, and the line shows no password', async (t) => {
  const database = await createTestDatabase(t)
  const wrong = new URL(database.writerUrl)
  wrong.password = 'secret-of-the-clinic'
  const refused = await refusal(wrong.href, 'writer')
  t.match(refused, /^The database of DATABASE_URL cannot be used: password authentication failed/)
  t.notMatch(refused, /secret-of-the-clinic/)
  t.notMatch(refused, /\n/)
  const closed = new URL(wrong)
  closed.port = '1'
  t.match(await refusal(closed.href, 'feed'), /^The database of CHARTWARDEN_FEED_DATABASE_URL cannot be used: .*ECONNREFUSED/)
  closed.hostname = 'no-such-host.invalid'
  t.match(await refusal(closed.href, 'query'), /^The database of CHARTWARDEN_QUERY_DATABASE_URL cannot be used: .*no-such-host\.invalid/)
})
