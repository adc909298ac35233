import path from 'node:path'
import { parseEnv } from 'node:util'
import t from 'tap'
import { startService } from '../../services/compose.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { type Environment, readConfig } from '../../services/kernel/config.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { createLogger } from '../../services/kernel/logging.ts'
import { loginRoles } from '../../services/kernel/postgres/roles.ts'
import { clientsOf, registerTestClinic } from '../support/clinic.ts'
import { productionFiles, readDeployFile, serverOfPostgresSql } from '../support/production-files.ts'
import { ownScopes, scratchDirectory, testCallers } from '../support/service.ts'
import { signJwt } from '../support/signing-key.ts'
import { waitFor } from '../support/wait-for.ts'

t.test('a production service starts on what deploy/postgres.sql makes, with the variables of deploy/production.env', async (t) => {
  const { server, admin } = await serverOfPostgresSql(t)
  for (const login of Object.values(loginRoles)) await admin.query(`alter role ${login} password 'password'`)

  const directory = scratchDirectory(t, 'production')
  const files = productionFiles(directory)
  const written = parseEnv(readDeployFile('production.env'))
  const urls = Object.entries(written).filter(([name]) => name.endsWith('DATABASE_URL'))
  t.equal(urls.length, 4)
  const environment: Environment = {
    ...written,
    ...Object.fromEntries(urls.map(([name, url]) => [name, url?.replace('db.example.org', `127.0.0.1:${server.port}`)])),
    CHARTWARDEN_GRPC_ADDR: '127.0.0.1:0',
    CHARTWARDEN_HTTP_ADDR: '127.0.0.1:0',
    CHARTWARDEN_METRICS_ADDR: 'off',
    CHARTWARDEN_TLS_CERT_FILE: '',
    CHARTWARDEN_TLS_KEY_FILE: '',
    CHARTWARDEN_TLS_BY_PROXY: 'true',
    CHARTWARDEN_JWKS: files.jwks,
    CHARTWARDEN_MASTER_KEY_FILE: files.masterKey,
    CHARTWARDEN_STATE_DIR: directory,
    CHARTWARDEN_SIGNER_DIR: path.join(scratchDirectory(t, 'signer'), 'store'),
  }
  const logger = createLogger({ level: 'fatal' })
  const service = await startService({ config: readConfig(environment), logger, clock: systemClock, randomness: systemRandomness })
  try {
    const answer = await fetch(`http://127.0.0.1:${service.httpPort}/readyz`)
    t.equal(answer.status, 200)
    const token = signJwt(files.tokenKey, {
      iss: written['CHARTWARDEN_JWT_ISSUER'],
      aud: written['CHARTWARDEN_JWT_AUDIENCE'],
      sub: 'operator',
      exp: Math.floor(Date.now() / 1_000) + 600,
      clinic: 'north',
      scope: ownScopes.join(' '),
    })
    const { client } = testCallers(t, directory, environment)
    await registerTestClinic(clientsOf({ client: (of) => client(of, token, `127.0.0.1:${service.grpcPort}`) }, token), 'north')
    let checkpoint = ''
    await waitFor('a checkpoint', async () => {
      const asked = await fetch(`http://127.0.0.1:${service.httpPort}/v1/clinics/north/log/checkpoint`, {
        headers: { authorization: `Bearer ${token}` },
      })
      checkpoint = await asked.text()
      return asked.status === 200
    })
    t.match(checkpoint, /^chartwarden\.example\.org\/v1\/clinics\/north\/log\n[1-9]/, 'signed under the name that the file gives')
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
