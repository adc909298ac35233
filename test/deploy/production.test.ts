import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseEnv } from 'node:util'
import pg from 'pg'
import t from 'tap'
import { startService } from '../../services/compose.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { type Environment, readConfig } from '../../services/kernel/config.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { createLogger } from '../../services/kernel/logging.ts'
import { groupRoles, loginRoles } from '../../services/kernel/postgres/roles.ts'
import { ownTestServer } from '../support/postgres.ts'
import { scratchDirectory } from '../support/service.ts'
import { keySetOf, signingKey } from '../support/signing-key.ts'

const read = (file: string): string => readFileSync(new URL(`../../deploy/${file}`, import.meta.url), 'utf8')

/** CREATE DATABASE must be sent by itself, so each statement is. */
const statements = (sql: string): readonly string[] =>
  sql
    .replaceAll(/--.*$/gm, '')
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')

t.test('a production service starts on what deploy/postgres.sql makes, with the variables of deploy/production.env', async (t) => {
  const server = await ownTestServer(t)
  const made = await server.createDatabase()
  await made.close()
  const admin = new pg.Client({ connectionString: new URL('/postgres', made.adminUrl).href })
  await admin.connect()
  t.teardown(() => admin.end())
  // The test server comes with roles of its own; the file must make all it needs.
  await admin.query(`drop role ${[...Object.values(loginRoles), ...Object.values(groupRoles)].join(', ')}`)
  for (const statement of statements(read('postgres.sql'))) await admin.query(statement)
  for (const login of Object.values(loginRoles)) await admin.query(`alter role ${login} password 'password'`)

  const directory = scratchDirectory(t, 'production')
  const file = (name: string, text: string): string => {
    writeFileSync(path.join(directory, name), text)
    return path.join(directory, name)
  }
  const written = parseEnv(read('production.env'))
  const urls = Object.entries(written).filter(([name]) => name.endsWith('DATABASE_URL'))
  t.equal(urls.length, 4)
  const environment: Environment = {
    ...written,
    ...Object.fromEntries(urls.map(([name, url]) => [name, url?.replace('db.example.org', `127.0.0.1:${server.port}`)])),
    CHARTWARDEN_GRPC_ADDR: '127.0.0.1:0',
    CHARTWARDEN_HTTP_ADDR: '127.0.0.1:0',
    CHARTWARDEN_TLS_CERT_FILE: '',
    CHARTWARDEN_TLS_KEY_FILE: '',
    CHARTWARDEN_TLS_BY_PROXY: 'true',
    CHARTWARDEN_JWKS: file('jwks.json', JSON.stringify(keySetOf(signingKey('a')))),
    CHARTWARDEN_MASTER_KEY_FILE: file('master.key', randomBytes(32).toString('base64')),
    CHARTWARDEN_STATE_DIR: directory,
  }
  const logger = createLogger({ level: 'fatal' })
  const service = await startService({ config: readConfig(environment), logger, clock: systemClock, randomness: systemRandomness })
  try {
    const answer = await fetch(`http://127.0.0.1:${service.httpPort}/readyz`)
    t.equal(answer.status, 200)
  } finally {
    await service.stop()
  }

  await t.rejects(
    startService({
      config: readConfig({ ...environment, DATABASE_URL: environment['CHARTWARDEN_MIGRATE_DATABASE_URL'] }),
      logger,
      clock: systemClock,
      randomness: systemRandomness,
    }),
    { message: /owner/ },
    'the login that may change tables does not serve',
  )
})
