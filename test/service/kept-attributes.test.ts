/** What an entry keeps of the properties and the context of a check: what the clinic's conditions name, and nothing else anywhere. */
import { randomUUID } from 'node:crypto'
import type { JsonObject } from '@bufbuild/protobuf'
import pg from 'pg'
import t from 'tap'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { type Clients, clientsOf, hire, registerTestClinic, staff } from '../support/clinic.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { ownScopes, startTestService } from '../support/service.ts'

const clinic = 'north'
const common = () => ({ requestId: randomUUID(), clinic })

const question = (over: { readonly resource?: JsonObject; readonly subject?: JsonObject; readonly context?: JsonObject } = {}) => ({
  ...common(),
  subject: { ...staff('anna'), ...(over.subject === undefined ? {} : { properties: over.subject }) },
  action: { name: 'read' },
  resource: { type: 'imaging', id: 'i-1', patientId: 'p-1', ...(over.resource === undefined ? {} : { properties: over.resource }) },
  purpose: 'TREAT',
  ...(over.context === undefined ? {} : { context: over.context }),
})

const putRole = ({ policy }: Clients, condition: string) =>
  policy.putRole({
    ...common(),
    role: {
      role: 'viewer',
      title: 'Viewer',
      permissions: [{ resourceType: 'imaging', actions: ['read'], effect: Effect.PERMIT, condition }],
    },
  })

t.test('attributes that a condition names are kept sealed, others nowhere', async (t) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, { database })
  const own = clientsOf(service, await service.token({ clinics: [clinic] }))
  const plain = clientsOf(
    service,
    await service.token({ clinics: [clinic], scopes: ownScopes.filter((scope) => scope !== 'directory.override') }),
  )
  await registerTestClinic(own, clinic)
  const sealedOf = async (revision: bigint | undefined) => {
    const { entry } = await own.audit.getEntry({ clinic, key: { case: 'revision', value: revision ?? 0n } })
    return JSON.parse(Buffer.from(entry?.private ?? []).toString('utf8')) as Record<string, unknown>
  }
  await putRole(own, 'resource.properties.status == "released" && context.terminal != "kiosk" && subject.properties.shift == "night"')
  await hire(own, clinic, 'anna', 'viewer')
  await own.directory.putSubject({
    ...common(),
    subject: { ...staff('anna'), properties: { shift: 'night', unnamed: 'stored-unnamed-marmalade' } },
  })

  const request = {
    ...question({
      resource: { status: 'released', note: 'note-umbrella', confidentiality: 'L' },
      subject: { shift: 'day' },
      context: { note: 'context-xylophone' },
    }),
    supportedObligations: ['mask', 'fields'],
  }
  const refused = await plain.access.check(request)
  t.equal(refused.reasonCode, 'condition_error', 'the terminal is not known')
  t.same(await sealedOf(refused.entry?.revision), {
    resource_id: 'i-1',
    supported_obligations: ['fields', 'mask'],
    attributes: {
      'resource.properties.confidentiality': 'L',
      'resource.properties.status': 'released',
      'subject.properties.shift': 'night',
    },
    absent: ['context.terminal'],
  })
  const permitted = await plain.access.check(question({ resource: { status: 'released' }, context: { terminal: 'desk-2' } }))
  t.equal(permitted.reasonCode, 'role_permits')
  const overridden = await own.access.check(
    question({ resource: { status: 'released' }, subject: { shift: 'day' }, context: { terminal: 'desk-2' } }),
  )
  t.equal(overridden.reasonCode, 'condition_not_met', 'what may override takes the place of what is stored')
  t.match(await sealedOf(overridden.entry?.revision), { attributes: { 'subject.properties.shift': 'day', 'context.terminal': 'desk-2' } })

  const long = await plain.access.check(question({ resource: { status: 'x'.repeat(1_100) }, context: { terminal: 'desk-2' } }))
  t.match(await sealedOf(long.entry?.revision), {
    attributes: { 'context.terminal': 'desk-2' },
    too_long: ['resource.properties.status'],
  })
  const nobody = await plain.access.check({ ...question({ resource: { status: 'draft' } }), subject: staff('nobody') })
  t.match(await sealedOf(nobody.entry?.revision), {
    attributes: { 'resource.properties.status': 'draft' },
    absent: ['context.terminal', 'subject.properties.shift'],
  })

  await putRole(own, 'resource.type == "imaging"')
  const unnamed = await plain.access.check(question({ resource: { status: 'released' } }))
  t.same(await sealedOf(unnamed.entry?.revision), { resource_id: 'i-1', supported_obligations: [] }, 'a policy that names none keeps none')

  const client = new pg.Client({ connectionString: database.adminUrl })
  await client.connect()
  t.teardown(() => client.end())
  const { rows: tables } = await client.query<{ name: string }>(
    "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname like 'chartwarden%'",
  )
  t.ok(tables.length > 10)
  const found: string[] = []
  let characters = 0
  for (const { name } of tables) {
    const { rows } = await client.query<Record<string, unknown>>(`select * from ${name}`)
    for (const value of rows.flatMap((row) => Object.values(row))) {
      const text = Buffer.isBuffer(value) ? value.toString('latin1') : (JSON.stringify(value) ?? '')
      characters += text.length
      for (const word of ['note-umbrella', 'context-xylophone', 'desk-2', 'released']) {
        if (text.includes(word) && !text.includes('chartwarden.role.defined')) found.push(`${word} in ${name}`)
      }
    }
  }
  t.ok(characters > 10_000)
  t.same(found, [], 'neither what was named stands in the clear nor what was not named anywhere')
})

t.test('the largest question a caller may put is answered and kept', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const own = clientsOf(service, await service.token({ clinics: [clinic] }))
  await registerTestClinic(own, clinic)
  const names = Array.from({ length: 12 }, (_, index) => `attribute_${index}`)
  const conditions = ['context', 'resource.properties', 'subject.properties'].map((root) =>
    names.map((name) => `${root}.${name} != ""`).join(' && '),
  )
  await own.policy.putRole({
    ...common(),
    role: {
      role: 'viewer',
      title: 'Viewer',
      permissions: conditions.map((condition, index) => ({
        id: `view_${index}`,
        resourceType: 'imaging',
        actions: ['read'],
        effect: Effect.PERMIT,
        condition,
      })),
    },
  })
  await hire(own, clinic, 'anna', 'viewer')
  const values = Object.fromEntries(names.map((name) => [name, '\u{1f512}'.repeat(160)]))
  const { entry, reasonCode } = await own.access.check({
    ...question({ resource: values, subject: values, context: values }),
    resource: { type: 'imaging', id: '\u{1f512}'.repeat(256), patientId: '\u{1f512}'.repeat(256), properties: values },
    reason: '\u{1f512}'.repeat(500),
    supportedObligations: Array.from({ length: 64 }, (_, index) => `${'\u{1f512}'.repeat(62)}${index}`),
  })
  t.equal(reasonCode, 'role_permits')
  const shown = await own.audit.getEntry({ clinic, key: { case: 'revision', value: entry?.revision ?? 0n } })
  const kept = JSON.parse(Buffer.from(shown.entry?.private ?? []).toString('utf8')) as {
    readonly attributes: object
    readonly too_long: readonly string[]
  }
  t.equal(Object.keys(kept.attributes).length + kept.too_long.length, 36, 'each is either kept or named')
  t.ok(kept.too_long.length > 0)
})
