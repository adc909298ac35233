/** What does not fit into an entry is refused as a fault of the call, and nothing is done. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { accessOverGrpc } from '../support/access-over-grpc.ts'
import { caught } from '../support/caught.ts'
import { registerTestClinic, staff } from '../support/clinic.ts'

const clinic = 'north'
const common = () => ({ requestId: randomUUID(), clinic })

t.test('a share of more identifiers than an entry holds', async (t) => {
  const { clients, clock, entries } = await accessOverGrpc(t)
  const own = clients(clinic)
  await registerTestClinic(own, clinic)
  const until = { seconds: BigInt(Math.floor(clock.wall() / 1_000) + 3_600), nanos: 0 }
  const share = (length: number) =>
    own.relationships.shareRecord({
      ...common(),
      recipient: { type: 'lab', id: 'l' },
      patientId: 'p-1',
      resourceTypes: ['imaging'],
      resourceIds: Array.from({ length }, (_, index) => `${index}-`.padEnd(256, 'x')),
      actions: ['read'],
      purpose: 'TREAT',
      until,
    })
  await share(100)
  const count = (await entries(clinic)).length
  const refused = await caught(share(500))
  t.match(refused, { reason: 'ENTRY_TOO_LARGE', grpc: 3, metadata: { limit: '65535' } })
  t.notMatch(refused.message, /xxx/, 'no identifier stands in it')
  t.equal((await entries(clinic)).length, count)
})

t.test('the largest question by somebody with as many roles as there can be fits', async (t) => {
  const { clients, entries } = await accessOverGrpc(t)
  const own = clients(clinic)
  await registerTestClinic(own, clinic)
  await own.people.enrolStaff({ ...common(), subject: staff('anna') })
  const asked = Array.from({ length: 12 }, (_, index) => `p${index}`)
  for (let index = 0; index < 200; index += 1) {
    const role = `r${index}_`.padEnd(64, 'x')
    const condition = index === 0 ? asked.map((name) => `context.${name} != "x"`).join(' && ') : ''
    const permissions = [{ resourceType: 'imaging', actions: ['read'], effect: Effect.PERMIT, condition }]
    await own.policy.putRole({ ...common(), role: { role, title: 'Role', permissions } })
    await own.people.grantRole({ ...common(), subject: staff('anna'), role })
  }
  t.equal((await caught(own.people.grantRole({ ...common(), subject: staff('anna'), role: 'dentist' }))).reason, 'TOO_MANY_GRANTS')
  const wide = (length: number) => '\u{1f9b7}'.repeat(length)
  const { entry } = await own.access.check({
    ...common(),
    subject: staff('anna'),
    action: { name: 'read' },
    resource: { type: 'imaging', id: wide(256), patientId: wide(256) },
    purpose: 'TREAT',
    reason: wide(500),
    session: { id: wide(256), method: wide(64) },
    context: Object.fromEntries(asked.map((name) => [name, 'y'.repeat(650)])),
    supportedObligations: Array.from({ length: 64 }, () => wide(64)),
  })
  t.ok(entry)
  t.equal(((await entries(clinic)).at(-1)?.data.roles as readonly string[] | undefined)?.length, 200)
})
