/** Production mode as an operator sets it up: own keys, separate database logins, and nothing unsafe let through. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { createSigner } from 'fast-jwt'
import t, { type Test } from 'tap'
import { AccessService } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { ClinicService } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import type { Environment } from '../../services/kernel/config.ts'
import { createGrpcClient } from '../../services/kernel/grpc/client.ts'
import { selfSigned } from '../support/certificate.ts'
import { clientsOf, hire, readRecord, registerTestClinic } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'
import { createTestDatabase, ownTestServer } from '../support/postgres.ts'
import type { TestDatabase } from '../support/postgres-server.ts'
import { ownScopes, scratchDirectory, testCallers, testEnvironment } from '../support/service.ts'
import { startServiceProcess } from '../support/service-process.ts'

const issuer = 'https://identity.example'
const audience = 'chartwarden'

const production = (t: Test, database: TestDatabase) => {
  const directory = scratchDirectory(t, 'production')
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const jwks = path.join(directory, 'jwks.json')
  writeFileSync(jwks, JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'EdDSA', use: 'sig' }] }))
  const masterKey = path.join(directory, 'master.key')
  writeFileSync(masterKey, randomBytes(32).toString('base64'), { mode: 0o600 })
  const environment: Environment = {
    ...testEnvironment(database, directory),
    CHARTWARDEN_MODE: 'production',
    CHARTWARDEN_JWKS: jwks,
    CHARTWARDEN_JWT_ISSUER: issuer,
    CHARTWARDEN_JWT_AUDIENCE: audience,
    CHARTWARDEN_MASTER_KEY_FILE: masterKey,
    CHARTWARDEN_TLS_BY_PROXY: 'true',
    CHARTWARDEN_LOG_LEVEL: 'info',
  }
  const sign = createSigner({ key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), algorithm: 'EdDSA', kid: 'k1' })
  const token = sign({
    iss: issuer,
    aud: audience,
    sub: 'practice-software',
    clinic: 'north',
    scope: ownScopes.join(' '),
    exp: Math.floor(Date.now() / 1000) + 600,
  })
  return { directory, environment, token }
}

/** The line with which a start was refused. */
const refusal = (t: Test, environment: Environment): Promise<string> =>
  startServiceProcess(t, environment).then(
    () => 'it started',
    (error: Error) => error.message,
  )

t.test('production works with its own keys and separate logins, and takes no development token', async (t) => {
  const database = await createTestDatabase(t)
  const { directory, environment, token } = production(t, database)
  const service = await startServiceProcess(t, environment)
  const callers = testCallers(t, directory, environment)
  const clients = clientsOf({ client: (definition, given) => callers.client(definition, given, service.address) }, token)
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'anna')
  t.equal((await clients.access.check(readRecord('north', 'anna'))).reasonCode, 'role_permits')

  const development = scratchDirectory(t, 'development')
  const other = await startServiceProcess(t, testEnvironment(await createTestDatabase(t), development))
  const forged = await testCallers(t, development, environment).token({ clinics: ['north'] })
  await t.rejects(callers.client(AccessService, forged, service.address).check(readRecord('north', 'anna')), fault('TOKEN_REFUSED'))
  t.equal(await other.stop(), 0)
  t.equal(await service.stop(), 0)
})

t.test('production refuses a superuser, the owner and a login of the wrong role at run time', async (t) => {
  const database = await createTestDatabase(t)
  const { environment } = production(t, database)
  t.match(await refusal(t, { ...environment, DATABASE_URL: database.adminUrl }), /superuser/)
  t.match(await refusal(t, { ...environment, DATABASE_URL: database.migrateUrl }), /owner/)
  t.match(await refusal(t, { ...environment, CHARTWARDEN_FEED_DATABASE_URL: database.adminUrl }), /superuser/)
})

t.test('production refuses a database that could lose an acknowledged commit', async (t) => {
  for (const setting of ['fsync', 'full_page_writes']) {
    const server = await ownTestServer(t, { settings: { [setting]: 'off' } })
    const { environment } = production(t, await server.createDatabase())
    t.match(await refusal(t, environment), new RegExp(setting))
  }
})

t.test('production does not start without keys, issuer, audience, master key and TLS', async (t) => {
  const database = await createTestDatabase(t)
  const { environment } = production(t, database)
  for (const name of [
    'CHARTWARDEN_JWKS',
    'CHARTWARDEN_JWT_ISSUER',
    'CHARTWARDEN_JWT_AUDIENCE',
    'CHARTWARDEN_MASTER_KEY_FILE',
    'CHARTWARDEN_FEED_DATABASE_URL',
  ]) {
    t.match(await refusal(t, { ...environment, [name]: undefined }), new RegExp(name))
  }
  t.match(await refusal(t, { ...environment, CHARTWARDEN_TLS_BY_PROXY: undefined }), /TLS/)
  t.match(await refusal(t, { ...environment, CHARTWARDEN_SECRET_DOOR: 'open' }), /CHARTWARDEN_SECRET_DOOR/)
})

t.test('production does not start under another master key, or without its databases, and says which', async (t) => {
  const database = await createTestDatabase(t)
  const { directory, environment } = production(t, database)
  t.equal(await (await startServiceProcess(t, environment)).stop(), 0)
  const wrong = path.join(directory, 'wrong.key')
  writeFileSync(wrong, randomBytes(32).toString('base64'))
  t.match(await refusal(t, { ...environment, CHARTWARDEN_MASTER_KEY_FILE: wrong }), /is not the master key/)
  t.match(await refusal(t, { ...environment, CHARTWARDEN_MASTER_KEY_FILE: path.join(directory, 'none') }), /cannot be read: ENOENT/)
  t.match(
    await refusal(t, { ...environment, CHARTWARDEN_FEED_DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' }),
    /CHARTWARDEN_FEED_DATABASE_URL cannot be used: ECONNREFUSED/,
  )
})

t.test('production serves under its own certificate, and nothing in the clear', async (t) => {
  const database = await createTestDatabase(t)
  const { directory, environment, token } = production(t, database)
  const { cert, key } = selfSigned()
  const files = { CHARTWARDEN_TLS_CERT_FILE: path.join(directory, 'tls.crt'), CHARTWARDEN_TLS_KEY_FILE: path.join(directory, 'tls.key') }
  writeFileSync(files.CHARTWARDEN_TLS_CERT_FILE, cert)
  writeFileSync(files.CHARTWARDEN_TLS_KEY_FILE, key, { mode: 0o600 })
  const service = await startServiceProcess(t, { ...environment, ...files, CHARTWARDEN_TLS_BY_PROXY: undefined })
  const client = createGrpcClient(ClinicService, { address: service.address, token, tls: { ca: cert } })
  t.teardown(() => client.disconnect())
  t.same((await client.listClinics({})).clinics, [])
  const plain = createGrpcClient(ClinicService, { address: service.address, token, timeoutMs: 3_000 })
  t.teardown(() => plain.disconnect())
  await t.rejects(plain.listClinics({}))
  t.equal(await service.stop(), 0)
})
