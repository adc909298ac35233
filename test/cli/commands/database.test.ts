import t from 'tap'
import { schemaMigrations } from '../../../services/schema-migrations.ts'
import { commandLine } from '../../support/command-line.ts'
import { createTestDatabase } from '../../support/postgres.ts'

t.test('a server is brought up to date by the login of its owner, once', async (t) => {
  const database = await createTestDatabase(t)
  const chartwarden = commandLine({ CHARTWARDEN_MODE: 'production', CHARTWARDEN_MIGRATE_DATABASE_URL: database.migrateUrl })
  const first = await chartwarden('--json', 'database', 'migrate')
  t.equal(first.code, 0, first.err)
  t.same(
    JSON.parse(first.out).applied,
    schemaMigrations.flatMap(({ name, migrations }) => migrations.map((migration) => `${name}/${migration.name}`)),
  )
  const again = await chartwarden('database', 'migrate')
  t.equal(again.out, 'The schema is up to date.\n')
})

t.test('what cannot be migrated is said in one line, without the password', async (t) => {
  const none = await commandLine({})('database', 'migrate')
  t.equal(none.code, 2)
  t.match(none.err, /CHARTWARDEN_MIGRATE_DATABASE_URL is required; an embedded database is migrated when its service starts/)
  const gone = await commandLine({ CHARTWARDEN_MIGRATE_DATABASE_URL: 'postgres://a:my-password@127.0.0.1:9/c' })('database', 'migrate')
  t.equal(gone.code, 5, 'it may answer later')
  t.match(gone.err, /SETUP_UNAVAILABLE/)
  const readModels = commandLine({ CHARTWARDEN_FEED_DATABASE_URL: 'postgres://a:my-password@127.0.0.1:9/c' })
  t.match(await readModels('projections', 'status'), {
    code: 5,
    err: /^chartwarden: The database of CHARTWARDEN_FEED_DATABASE_URL cannot be used: ECONNREFUSED\. \(SETUP_UNAVAILABLE\)\n$/,
  })
  t.match(gone.err, /The database of CHARTWARDEN_MIGRATE_DATABASE_URL cannot be used/)
  t.notMatch(gone.err, /my-password/)
  const database = await createTestDatabase(t)
  const writer = await commandLine({ CHARTWARDEN_MIGRATE_DATABASE_URL: database.writerUrl })('database', 'migrate')
  t.not(writer.code, 0, 'a login that may not change tables')
})
