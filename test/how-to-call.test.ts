/** The examples for practice software run as they are printed, one after another as one program. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { Effect } from '../proto/gen/chartwarden/access/v1/administration_pb.js'
import { clientsOf, hire, registerTestClinic, staff } from './support/clinic.ts'
import { createTestDatabase } from './support/postgres.ts'
import { startTestService } from './support/service.ts'

const root = path.resolve(import.meta.dirname, '..')

t.test('the examples ask, report the access, break the glass and act for a person', async (t) => {
  const page = readFileSync(path.join(root, 'docs/how-to/call-from-practice-software.md'), 'utf8')
  const example = path.join(t.testdir(), 'example.mjs')
  const parts = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map(([, part]) => part)
  t.equal(parts.length, 3)
  writeFileSync(example, parts.join(''))
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
  const child = spawn(process.execPath, [example], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      CHARTWARDEN_GRPC_ADDR: service.address,
      CHARTWARDEN_TOKEN: token,
      CHARTWARDEN_ACT_TOKEN: actToken,
      CLINIC: 'north',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (output += chunk))
  const code = await new Promise((resolve) => child.once('close', resolve))
  t.equal(code, 0, output)
  t.match(output, /DECISION_PERMIT role_permits role\/viewer#imaging\.read/)
  t.match(output, /recorded at revision \d+/)
  t.match(output, /DECISION_DENY no_grant\nDECISION_PERMIT emergency_access reviewed by \d{4}-/)
  t.match(output, /on the care team from revision \d+/)
})
