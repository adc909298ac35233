/**
 * No identifier of a person, patient or record and no free text stands in the clear in any table or log line: what is not sealed could not be
 * erased. The names used here are searched for in everything the database holds and the service has logged.
 */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ConsentDecision } from '../../proto/gen/chartwarden/access/v1/consent_pb.js'
import { clientsOf, hire, registerTestClinic, staff } from '../support/clinic.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { scratchDirectory, testCallers, testEnvironment } from '../support/service.ts'
import { startServiceProcess } from '../support/service-process.ts'
import { waitFor } from '../support/wait-for.ts'

const names = {
  person: 'zebulon-quartermain',
  patient: 'patient-wanderlust',
  record: 'record-xylophone',
  reason: 'because of the umbrella',
  session: 'session-kaleidoscope',
  context: 'context-marmalade',
  lab: 'laboratory-nightingale',
  attribute: 'attribute-quicksilver',
} as const

t.test('identifiers and reasons stand nowhere in the clear', async (t) => {
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'clear')
  const environment = { ...testEnvironment(database, stateDir), CHARTWARDEN_LOG_LEVEL: 'trace' }
  const service = await startServiceProcess(t, environment)
  const callers = testCallers(t, stateDir, environment)
  const token = await callers.token({ clinics: ['north'] })
  const clients = clientsOf({ client: (definition, given) => callers.client(definition, given, service.address) }, token)
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', names.person)
  await clients.policy.putRole({
    requestId: randomUUID(),
    clinic: 'north',
    role: {
      role: 'viewer',
      title: 'Viewer',
      permissions: [
        { resourceType: 'imaging', actions: ['read'], effect: Effect.PERMIT, condition: 'resource.properties.status == "released"' },
      ],
    },
  })
  await clients.directory.putSubject({ requestId: randomUUID(), clinic: 'north', subject: staff(names.person) })
  for (const resource of [
    { type: 'treatment_record', id: names.record, patientId: names.patient },
    { type: 'patient', id: names.patient },
  ]) {
    await clients.directory.putResource({ requestId: randomUUID(), clinic: 'north', description: { resource, confidentiality: 'L' } })
  }
  const { consentId } = await clients.consents.recordConsent({
    requestId: randomUUID(),
    clinic: 'north',
    consent: { patientId: names.patient, recipient: { type: 'lab', id: names.lab }, decision: ConsentDecision.PERMIT },
    reason: names.reason,
  })
  await clients.consents.listConsents({ clinic: 'north', patientId: names.patient })
  await clients.consents.withdrawConsent({ requestId: randomUUID(), clinic: 'north', consentId, reason: names.reason })
  await clients.directory.removeResource({
    requestId: randomUUID(),
    clinic: 'north',
    resourceType: 'treatment_record',
    resourceId: names.record,
    reason: names.reason,
  })
  await clients.people.enrolStaff({
    requestId: randomUUID(),
    clinic: 'north',
    subject: { type: 'lab', id: names.lab },
    ownPatientId: names.patient,
  })
  await clients.relationships.shareRecord({
    requestId: randomUUID(),
    clinic: 'north',
    recipient: { type: 'lab', id: names.lab },
    patientId: names.patient,
    resourceTypes: ['treatment_record'],
    resourceIds: [names.record],
    actions: ['read'],
    purpose: 'TREAT',
    until: { seconds: BigInt(Math.floor(Date.now() / 1000) + 3_600), nanos: 0 },
  })
  const question = {
    requestId: randomUUID(),
    clinic: 'north',
    subject: staff(names.person),
    action: { name: 'read' },
    resource: {
      type: 'treatment_record',
      id: names.record,
      patientId: names.patient,
      properties: { status: names.attribute, note: names.context },
    },
    purpose: 'TREAT',
    reason: names.reason,
    context: { note: names.context },
    session: { id: names.session, method: 'badge' },
  }
  await clients.access.check(question)
  await clients.access.check({ ...question, purpose: 'COC' }).catch(() => undefined)
  const left = await clients.people.offboard({
    requestId: randomUUID(),
    clinic: 'north',
    subject: staff(names.person),
    reason: names.reason,
  })
  const revision = left.entry?.revision ?? 0n
  const history = await clients.reports.accessHistory({ clinic: 'north', filter: { patientId: names.patient }, waitForRevision: revision })
  t.match(
    history.rows[0],
    { resourceId: names.record, patientId: names.patient, reason: names.reason },
    'with the keys everything can be read',
  )
  await waitFor(
    'the reading to be recorded',
    async () => (await clients.reports.offboardings({ clinic: 'north' })).offboardings.length === 1,
  )
  t.equal(await service.stop(), 0)

  const client = new pg.Client({ connectionString: database.adminUrl })
  await client.connect()
  t.teardown(() => client.end())
  const { rows: tables } = await client.query<{ name: string }>(
    "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname like 'chartwarden%'",
  )
  t.ok(tables.length > 10)
  let characters = 0
  const found: string[] = []
  const search = (place: string, text: string): void => {
    characters += text.length
    for (const [what, name] of Object.entries(names)) {
      if (text.includes(name) || text.includes(Buffer.from(name).toString('base64').slice(0, -3))) found.push(`${what} in ${place}`)
    }
  }
  for (const { name } of tables) {
    const { rows } = await client.query<Record<string, unknown>>(`select * from ${name}`)
    for (const row of rows) {
      for (const value of Object.values(row))
        search(name, Buffer.isBuffer(value) ? value.toString('latin1') : (JSON.stringify(value) ?? ''))
    }
  }
  for (const line of service.lines) search('the log', JSON.stringify(line))
  t.ok(characters > 20_000, `${characters} characters searched`)
  t.same(found, [])
  t.notOk(JSON.stringify(service.lines).includes(token), 'nor is a token in the log')
})
