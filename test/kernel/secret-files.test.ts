import { writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { readConfig, readDatabaseConfig } from '../../services/kernel/config.ts'
import { readSecretFiles } from '../../services/kernel/secret-files.ts'
import { scratchDirectory } from '../support/service.ts'

t.test('a database URL may be in a file, whose end of line does not count', async (t) => {
  const file = path.join(scratchDirectory(t, 'secrets'), 'writer.url')
  writeFileSync(file, 'postgres://writer:secret@db/c\n')
  const environment = readSecretFiles({ DATABASE_URL: `@${file}`, CHARTWARDEN_LOG_LEVEL: 'warn' })
  t.equal(readConfig(environment).databaseUrls?.writer, 'postgres://writer:secret@db/c')
  t.equal(environment['CHARTWARDEN_LOG_LEVEL'], 'warn')
  t.throws(() => readConfig({ DATABASE_URL: `@${file}` }), { message: /must be a URL/ }, 'twin: unread, it is no URL')
})

t.test('only those variables are files; a token of the command line is read by the command line', async (t) => {
  const given = { CHARTWARDEN_TOKEN: '@/nowhere', CHARTWARDEN_JWT_ISSUER: '@/nowhere' }
  t.same(readSecretFiles(given), given)
})

t.test('a file that cannot be used is named, and what it holds is not shown', async (t) => {
  const directory = scratchDirectory(t, 'secrets')
  t.throws(() => readSecretFiles({ DATABASE_URL: '@/nowhere/url' }), {
    name: 'StartError',
    message: 'DATABASE_URL: the file /nowhere/url cannot be read (ENOENT).',
  })
  const file = (text: string): string => {
    writeFileSync(path.join(directory, 'url'), text)
    return `@${path.join(directory, 'url')}`
  }
  t.throws(() => readSecretFiles({ DATABASE_URL: file(' \n') }), { name: 'StartError', message: /is empty\.$/ })
  try {
    readConfig(readSecretFiles({ DATABASE_URL: file('my-password') }))
    t.fail('it was taken')
  } catch (thrown) {
    t.notMatch(String(thrown), /my-password/)
  }
})

t.test('who looks after the database needs no more than that', async (t) => {
  const owner = 'postgres://owner@db/c'
  t.match(readDatabaseConfig({ CHARTWARDEN_MODE: 'production', CHARTWARDEN_MIGRATE_DATABASE_URL: owner }), { migrateUrl: owner })
  t.match(readDatabaseConfig({ DATABASE_URL: owner }), { mode: 'development', migrateUrl: owner })
  t.same(readDatabaseConfig({}).migrateUrl, undefined, 'the embedded one')
  t.throws(() => readDatabaseConfig({ CHARTWARDEN_MODE: 'production', DATABASE_URL: owner }), {
    message: 'CHARTWARDEN_MIGRATE_DATABASE_URL is required to migrate.',
  })
  t.throws(() => readDatabaseConfig({ CHARTWARDEN_MIGRATE_DATABASE: owner }), { message: /is not a variable of this version/ })
})
