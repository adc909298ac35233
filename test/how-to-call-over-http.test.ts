/** The examples for callers over HTTP run as they are printed, one after another as one program. */
import t from 'tap'
import { clientsOf, hire, registerTestClinic, staff } from './support/clinic.ts'
import { putTailoredRole } from './support/method-calls.ts'
import { createTestDatabase } from './support/postgres.ts'
import { runExample } from './support/run-example.ts'
import { startTestService } from './support/service.ts'

t.test('the examples ask, report the access, stream a report and are told what is wrong', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const clients = clientsOf(service, await service.token({ clinics: ['north'] }))
  await registerTestClinic(clients, 'north')
  await putTailoredRole(clients, 'north', 'viewer', 'imaging', 'read')
  await hire(clients, 'north', staff('d-1').id, 'viewer')
  const output = await runExample(t, 'docs/how-to/call-over-http.md', {
    parts: 3,
    environment: {
      SERVICE_URL: `http://127.0.0.1:${service.httpPort}`,
      CHARTWARDEN_TOKEN: await service.token({ clinics: ['north'], scopes: ['access.check', 'access.record', 'report.read'] }),
      CLINIC: 'north',
    },
  })
  t.match(output, /^DECISION_PERMIT role_permits$/m)
  t.match(output, /^recorded at revision \d+$/m)
  t.match(output, /^ACCESS_KIND_AUTHORISED imaging TREAT$/m)
  t.match(output, /^400 INVALID_ARGUMENT purpse$/m)
})
