/** The examples for practice software run as they are printed, one after another as one program. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { Effect } from '../proto/gen/chartwarden/access/v1/administration_pb.js'
import { clientsOf, hire, registerTestClinic, staff } from './support/clinic.ts'
import { createTestDatabase } from './support/postgres.ts'
import { runExample } from './support/run-example.ts'
import { startTestService } from './support/service.ts'

t.test('the examples ask, report the access, break the glass and act for a person', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const clients = clientsOf(service, await service.token({ clinics: ['north'] }))
  await registerTestClinic(clients, 'north')
  await clients.policy.putRole({
    requestId: randomUUID(),
    clinic: 'north',
    role: {
      role: 'viewer',
      title: 'Viewer',
      permissions: [
        {
          resourceType: 'imaging',
          actions: ['read'],
          effect: Effect.PERMIT,
          condition: 'resource.properties.status == "released" && context.on_shift == true',
        },
        { resourceType: 'emergency_access', actions: ['open'], effect: Effect.PERMIT },
        { resourceType: 'clinical_note', actions: ['update'], effect: Effect.PERMIT },
      ],
    },
  })
  await clients.policy.putRole({
    requestId: randomUUID(),
    clinic: 'north',
    role: { role: 'desk', title: 'Desk', permissions: [{ resourceType: 'care_team', actions: ['update'], effect: Effect.PERMIT }] },
  })
  await hire(clients, 'north', 'r-1', 'desk')
  await clients.people.enrolStaff({ requestId: randomUUID(), clinic: 'north', subject: staff('d-1') })
  await clients.people.grantRole({ requestId: randomUUID(), clinic: 'north', subject: staff('d-1'), role: 'viewer' })
  const token = await service.token({ clinics: ['north'], scopes: ['access.check', 'access.record', 'emergency.use'] })
  const actToken = await service.token({ clinics: ['north'], scopes: ['relationship.write', 'act'] })
  const output = await runExample(t, 'docs/how-to/call-from-practice-software.md', {
    parts: 3,
    environment: {
      CHARTWARDEN_GRPC_ADDR: service.address,
      CHARTWARDEN_TOKEN: token,
      ACT_TOKEN: actToken,
      CLINIC: 'north',
    },
  })
  t.match(output, /DECISION_PERMIT role_permits role\/viewer#imaging\.read/)
  t.match(output, /recorded at revision \d+/)
  t.match(output, /DECISION_DENY no_grant\nDECISION_PERMIT emergency_access reviewed by \d{4}-/)
  t.match(output, /on the care team from revision \d+/)
})
