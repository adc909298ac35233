import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { AccessService } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { askHealth, connectHealth } from '../support/grpc-health.ts'
import { logLines } from '../support/log-lines.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { startTestService } from '../support/service.ts'
import { keySetOf, signingKey, signJwt } from '../support/signing-key.ts'
import { claimsAt, issuer } from '../support/token-cases.ts'
import { waitFor } from '../support/wait-for.ts'

t.test('a service whose token keys cannot be fetched listens, says nowhere that it is ready, and is ready once they can', async (t) => {
  const key = signingKey('a')
  let status = 503
  const provider = createServer((_, response) => response.writeHead(status).end(JSON.stringify(keySetOf(key))))
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
  t.teardown(() => provider.close())
  const log = logLines()
  const service = await startTestService(t, {
    database: await createTestDatabase(t),
    logger: log.logger,
    environment: {
      CHARTWARDEN_JWKS: `http://127.0.0.1:${(provider.address() as AddressInfo).port}/jwks`,
      CHARTWARDEN_JWT_ISSUER: issuer,
    },
  })
  const readyz = async (): Promise<number> => (await fetch(`http://127.0.0.1:${service.httpPort}/readyz`)).status
  const health = connectHealth(t, service.address)
  t.match(log.of('service.started'), [{ level: 'warn', msg: 'listening, but not ready: token keys not loaded yet' }])
  t.same(log.of('service.ready'), [])
  t.equal(await readyz(), 503)
  t.equal(await askHealth(health, ''), 'NOT_SERVING')

  status = 200
  // A key that is not known makes the keys be asked for at once.
  const client = service.client(AccessService, signJwt(key, claimsAt(Date.now())))
  await client.check({}).catch(() => undefined)
  await waitFor('the service to say that it is ready', () => log.of('service.ready').length === 1)
  t.equal(await readyz(), 200)
  t.equal(await askHealth(health, ''), 'SERVING')
})

t.test('twin: with its keys there from the start, a service says that it is ready and nothing else', async (t) => {
  const log = logLines()
  const service = await startTestService(t, { database: await createTestDatabase(t), logger: log.logger })
  t.match(log.of('service.ready'), [{ grpcPort: service.grpcPort }])
  t.same(log.of('service.started'), [])
})
