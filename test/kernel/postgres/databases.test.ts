import { existsSync } from 'node:fs'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { systemClock } from '../../../services/kernel/clock.ts'
import type { Config } from '../../../services/kernel/config.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { openDatabases } from '../../../services/kernel/postgres/databases.ts'
import { serverProcesses } from '../../../services/kernel/postgres/leftovers.ts'
import { newStateDirectory, usedStateDirectory } from '../../support/embedded-service.ts'
import { createTestDatabase } from '../../support/postgres.ts'
import { query } from '../../support/query.ts'

t.setTimeout(300_000)

const open = async (test: Test, config: Pick<Config, 'mode' | 'databaseUrls'> & { readonly stateDir?: string }) => {
  const lines: Record<string, unknown>[] = []
  const logger = pino({ level: 'warn' }, { write: (line: string) => lines.push(JSON.parse(line)) })
  const stateDir = config.stateDir ?? newStateDirectory(test).stateDir
  const databases = await openDatabases({
    config: { ...config, stateDir },
    logger,
    clock: systemClock,
    randomness: systemRandomness,
    closeTimeoutMs: 1000,
  })
  test.teardown(() => databases.close())
  return { databases, lines, stateDir }
}

const who = async (pool: { query(text: string): Promise<{ rows: { login: string; role: string }[] }> }) =>
  (await pool.query('select session_user as login, current_user as role')).rows[0]

t.test('without URLs the embedded server serves every role by its own login, and goes with the pools', async (t) => {
  const { stateDir, dataDirectory } = await usedStateDirectory(t)
  const { databases, lines } = await open(t, { mode: 'production', databaseUrls: undefined, stateDir })
  t.ok(databases.embedded)
  await t.resolves(databases.check(), 'as safe as production demands')
  t.strictSame(await who(databases.writer), { login: 'chartwarden_writer_login', role: 'chartwarden_writer_login' })
  t.strictSame(await who(databases.feed), { login: 'chartwarden_feed_login', role: 'chartwarden_feed_login' })
  t.strictSame(await who(databases.query), { login: 'chartwarden_query_login', role: 'chartwarden_query_login' })
  t.strictSame(databases.migrate && (await who(databases.migrate)), { login: 'chartwarden_migrator', role: 'chartwarden_migrator' })
  await Promise.all([databases.close(), databases.close()])
  t.strictSame(serverProcesses(dataDirectory), [])
  t.strictSame(lines, [])
})

t.test('an exit of the embedded server is told, and the pools go on', async (t) => {
  const { stateDir, dataDirectory } = await usedStateDirectory(t)
  const { databases } = await open(t, { mode: 'development', databaseUrls: undefined, stateDir })
  await databases.writer.query('select 1')
  const told: string[] = []
  const restarted = new Promise<void>((resolve) => {
    databases.onExit((exit) => {
      told.push(exit.kind)
      if (exit.kind === 'restarted') resolve()
    })
  })
  const postmaster = serverProcesses(dataDirectory).find((row) => row.command.includes(' -D '))
  process.kill(postmaster?.pid ?? 0, 'SIGKILL')
  await restarted
  t.strictSame(told, ['restarting', 'restarted'])
  t.strictSame((await databases.writer.query('select 1 as alive')).rows, [{ alive: 1 }])
})

t.test('with URLs nothing is started and nothing is made on disk', async (t) => {
  const database = await createTestDatabase(t)
  const databaseUrls = { writer: database.writerUrl, feed: database.feedUrl, query: database.queryUrl, migrate: undefined }
  const { databases, stateDir } = await open(t, { mode: 'production', databaseUrls })
  t.notOk(databases.embedded)
  t.equal(databases.migrate, undefined)
  t.equal(databases.urls, databaseUrls)
  await t.resolves(databases.check())
  t.notOk(existsSync(stateDir))
})

t.test('reports that use the feed login are held to the rights of the query role', async (t) => {
  const database = await createTestDatabase(t)
  const databaseUrls = { writer: database.writerUrl, feed: database.feedUrl, query: database.feedUrl, migrate: undefined }
  const before = await open(t, { mode: 'production', databaseUrls })
  await t.rejects(before.databases.check(), {
    name: 'StartError',
    message:
      'The login used for CHARTWARDEN_QUERY_DATABASE_URL is not a member of chartwarden_query; grant it that role, or set CHARTWARDEN_QUERY_DATABASE_URL to a login of its own.',
  })
  await query(database.adminUrl, 'grant chartwarden_query to chartwarden_feed_login')
  t.teardown(() => query(database.adminUrl, 'revoke chartwarden_query from chartwarden_feed_login'))
  const after = await open(t, { mode: 'production', databaseUrls })
  await t.resolves(after.databases.check())
  t.strictSame(await who(after.databases.query), { login: 'chartwarden_feed_login', role: 'chartwarden_query' })
  t.strictSame(await who(after.databases.feed), { login: 'chartwarden_feed_login', role: 'chartwarden_feed_login' })
})

t.test('a superuser behind the one URL of a developer is held to the rights of each role, with a warning', async (t) => {
  const { adminUrl } = await createTestDatabase(t)
  const { databases, lines } = await open(t, {
    mode: 'development',
    databaseUrls: { writer: adminUrl, feed: adminUrl, query: adminUrl, migrate: adminUrl },
  })
  await databases.check()
  for (const role of ['writer', 'feed', 'query'] as const) t.equal((await who(databases[role]))?.role, `chartwarden_${role}`)
  t.equal(databases.migrate && (await who(databases.migrate))?.role, 'chartwarden_admin')
  t.equal(lines.filter((line) => line.event === 'postgres.unsafe').length, 3)
})

t.test('a connection in use does not hold up the end for ever', async (t) => {
  const { stateDir, dataDirectory } = await usedStateDirectory(t)
  const { databases, lines } = await open(t, { mode: 'development', databaseUrls: undefined, stateDir })
  await databases.feed.connect()
  await databases.close()
  t.strictSame(serverProcesses(dataDirectory), [])
  t.match(lines, [{ event: 'postgres.connections_left' }])
})
